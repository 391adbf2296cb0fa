"""What people do in Slack, as Slack tells an app of it: over HTTP, signed, or over Socket Mode, in envelopes.

A `Delivery` is made once and can be sent as often as wanted: a second time it is the same event, command or press, as
when Slack delivers again.
"""

import hashlib
import hmac
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from tests.support.slack_limits import inputs
from tests.support.slack_workspace import APP, BOT_USER, TEAM, Json, Workspace

COMMAND, INTERACTIVE, EVENT = "slash_commands", "interactive", "events_api"
_TEAM: Json = {"id": TEAM, "domain": "tests"}


@dataclass(frozen=True, slots=True)
class Delivery:
    """Something that happened: its kind, as Socket Mode names it, and its payload."""

    kind: str
    payload: Json

    def body(self) -> tuple[bytes, str]:
        """The body of an HTTP delivery and its type."""
        if self.kind == COMMAND:
            return urlencode(self.payload).encode(), "application/x-www-form-urlencoded"
        if self.kind == INTERACTIVE:
            return urlencode({"payload": json.dumps(self.payload)}).encode(), "application/x-www-form-urlencoded"
        return json.dumps(self.payload).encode(), "application/json"


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What the app answered: 0 when nothing came in time. `body` is JSON when it is, else text; None when empty."""

    status: int
    body: Any = None
    seconds: float = 0.0


def signed(body: bytes, secret: str, at: int | None = None) -> dict[str, str]:
    """The headers of a request that comes from Slack: version 0 of the signature, over time and body."""
    moment = int(time.time()) if at is None else at
    digest = hmac.new(secret.encode(), f"v0:{moment}:".encode() + body, hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": str(moment), "X-Slack-Signature": f"v0={digest}"}


@dataclass(frozen=True, slots=True)
class People:
    """Makes deliveries of what people in `space` do."""

    space: Workspace

    def command(self, user: str, channel: str, text: str, command: str = "/sluice") -> Delivery:
        """Somebody types a slash command."""
        about = {"token": "unused", "team_id": TEAM, "team_domain": "tests", "channel_id": channel, "user_id": user}
        about |= {"channel_name": self._channel_name(channel), "user_name": self.space.people[user].name}
        about |= {"command": command, "text": text, "api_app_id": APP, "is_enterprise_install": "false"}
        return Delivery(
            COMMAND, {**about, "response_url": self._response_url(), "trigger_id": self.space.trigger(user)}
        )

    def press(self, user: str, channel: str, ts: str, button: str) -> Delivery:
        """Somebody presses the button with that text or action id, on a message as it is shown now."""
        message = self._message(channel, ts)
        where: Json = {"type": "message", "message_ts": ts, "channel_id": channel}
        named = {"id": channel, "name": self._channel_name(channel)}
        where["is_ephemeral"] = (channel, ts) not in self.space.said
        about = {"container": where, "channel": named, "message": message, "response_url": self._response_url()}
        return self._action(user, _found(message.get("blocks", []), button), about)

    def press_at_home(self, user: str, button: str, option: str = "") -> Delivery:
        """Somebody presses a button of the App Home, or chooses `option` in its menu."""
        view = self.space.homes[user]
        found = _found(view["blocks"], button)
        if option:
            found["selected_option"] = next(one for one in found["options"] if one["value"] == option)
        return self._action(user, found, {"container": {"type": "view", "view_id": view["id"]}, "view": view})

    def submit(self, user: str, values: Mapping[str, Any]) -> Delivery:
        """Somebody fills in the form that is open on top, by block id, and sends it."""
        view = self.space.forms[user][-1]
        fields = inputs(view)
        assert set(values) <= set(fields), f"the form has {sorted(fields)}"
        filled = {block: {one["action_id"]: _value(one, values.get(block))} for block, one in fields.items()}
        view["state"] = {"values": filled}
        about = self._about(user, "view_submission")
        return Delivery(INTERACTIVE, {**about, "view": view, "response_urls": []})

    def mention(self, user: str, channel: str, text: str, thread: str = "", files: Sequence[Json] = ()) -> Delivery:
        """Somebody speaks to the bot in a channel; `text` without the mention. What Slack escapes is escaped."""
        said = f"<@{BOT_USER}> {_escaped(text)}"
        shared = {"files": list(files)} if files else {}
        return self.event({"type": "app_mention", **self._said(user, channel, said, thread), **shared})

    def message(self, user: str, channel: str, text: str, thread: str = "", files: Sequence[Json] = ()) -> Delivery:
        """Somebody says something where the bot hears everything: in a direct conversation."""
        kind = "im" if self.space.channels[channel].user else "channel"
        shared: Json = {"subtype": "file_share", "files": list(files)} if files else {}
        said = self._said(user, channel, _escaped(text), thread)
        return self.event({"type": "message", "channel_type": kind, **said, **shared})

    def home_opened(self, user: str) -> Delivery:
        """Somebody opens the App Home."""
        about = {"type": "app_home_opened", "user": user, "channel": self.space.direct(user), "tab": "home"}
        return self.event({**about, "event_ts": self.space.ts()})

    def event(self, event: Json) -> Delivery:
        """Any event."""
        about = {"token": "unused", "team_id": TEAM, "api_app_id": APP, "type": "event_callback"}
        named = {"event_id": self.space.id("Ev"), "event_time": int(time.time())}
        who = {"team_id": TEAM, "user_id": BOT_USER, "is_bot": True, "is_enterprise_install": False}
        return Delivery(EVENT, {**about, "event": event, **named, "authorizations": [who]})

    def _said(self, user: str, channel: str, text: str, thread: str) -> Json:
        ts = self.space.ts()
        message = {"user": user, "text": text, "ts": ts, **({"thread_ts": thread} if thread else {})}
        self.space.said[channel, ts] = {"type": "message", **message}
        return {**message, "channel": channel, "team": TEAM, "event_ts": ts}

    def _action(self, user: str, found: Json, where: Json) -> Delivery:
        names = ("type", "action_id", "block_id", "text", "value", "style", "selected_option", "placeholder")
        action = {name: found[name] for name in names if name in found}
        action = {"block_id": "generated", **action, "action_ts": self.space.ts()}
        return Delivery(INTERACTIVE, {**self._about(user, "block_actions"), **where, "actions": [action]})

    def _about(self, user: str, kind: str) -> Json:
        name = self.space.people[user].name
        who = {"id": user, "username": name, "name": name, "team_id": TEAM}
        about = {"type": kind, "user": who, "api_app_id": APP, "token": "unused", "team": _TEAM, "enterprise": None}
        return {**about, "is_enterprise_install": False, "trigger_id": self.space.trigger(user)}

    def _message(self, channel: str, ts: str) -> Json:
        whispered = (one for one in self.space.whispered if (one["channel"], one["ts"]) == (channel, ts))
        return self.space.said.get((channel, ts)) or next(whispered)

    def _channel_name(self, channel: str) -> str:
        found = self.space.channels[channel]
        return "directmessage" if found.user else found.name

    def _response_url(self) -> str:
        return f"{self.space.url}response/{self.space.id('r')}"


def _found(blocks: list[Json], button: str) -> Json:
    elements = [one for block in blocks if block["type"] == "actions" for one in block["elements"]]
    for one in elements:
        if button in (one["action_id"], one.get("text", {}).get("text")):
            return dict(one)
    shown = [one.get("text", {}).get("text") for one in elements]
    raise AssertionError(f"There is no button {button!r}; there are {shown}.")


def _value(element: Mapping[str, Any], value: Any) -> Json:
    kind = element["type"]
    if kind == "static_select":
        initial = element.get("initial_option")
        chosen = next((one for one in element["options"] if one["value"] == value), None)
        assert value is None or chosen is not None, f"There is no option {value!r}."
        return {"type": kind, "selected_option": initial if value is None else chosen}
    if kind == "file_input":
        return {"type": kind, "files": value or []}
    return {"type": kind, "value": element.get("initial_value") if value is None else value or None}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
