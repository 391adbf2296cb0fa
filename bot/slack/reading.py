"""What Slack delivers, read: from its payloads to updates. Pure.

Every key is made of what stays the same when Slack delivers the same thing again: an event's id, a command's trigger,
a press's time with its message. Whoever speaks is named with the team that Slack says they are of, so a guest of
another company is never taken for somebody else. Slack delivers nothing for people whose account is deactivated.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bot.chat import FORM, Update
from bot.enclosed import NoDefinition, is_definition, meant
from bot.grammar import takes_text
from bot.packages.carrying import Parcel, is_meant, unfit
from bot.packages.carrying import asking as asking_for
from bot.slack.api import Identity
from bot.slack.fetching import asking
from bot.slack.files import Shared
from bot.slack.forms import Origin, said_by
from bot.slack.home import DEFINE, RUN
from bot.slack.modals import WHISPERED
from bot.slack.names import CHAT, account_id, room_id
from bot.slack.remarks import refused
from bot.slack.text import length
from engine.errors import Refused
from engine.model import RoomId

Payload = Mapping[str, Any]
SPLITS_AT, LOOKED_BACK = 4_000, 300
"""Where Slack may break a long message into several (it says that it does, and not where; this was seen in public), and
how far before that the break may be. A longer one has come whole."""
KEPT = frozenset({"", "file_share", "bot_message", "me_message", "thread_broadcast"})
"""Kinds of messages in which somebody says something; the others (joins, edits, topics) are only acknowledged."""
_LINK = re.compile(r"<([^<>|]+)(?:\|([^<>]*))?>")
_MEANT = re.compile(r"<@([A-Z0-9]+)(?:\|[^<>]*)?>")


def of_command(me: Identity, body: Payload, *, is_alone: bool) -> Update:
    """Read a slash command; with nothing after it, it asks for help."""
    update = Update(
        key=f"{CHAT}:{me.team}:command:{body['trigger_id']}",
        room=room_id(me.team, body["channel_id"]),
        account=account_id(body.get("team_id") or me.team, body["user_id"]),
        line=_unescaped(str(body.get("text") or "")).strip() or "help",
        name=str(body.get("user_name", "")),
        is_alone=is_alone,
        context=_present(trigger=body["trigger_id"], url=body.get("response_url", "")),
    )
    return _if_whole(update, str(body.get("text") or ""))


def of_message(me: Identity, body: Payload) -> Update:
    """Read a mention or a direct message; a definition that came along is named and not fetched yet."""
    event = body["event"]
    line = said(me, event)
    update = _of_event(me, body, line or "help")
    if not update.is_bot and is_meant(line) and event.get("files"):
        return _carried(update, event["files"])
    try:
        shared = None if update.is_bot else definition_in(event, line)
    except Refused as refusal:
        return refused(update, refusal)
    if shared is not None:
        return asking(update, shared)
    return update if update.is_bot else _if_whole(update, str(event.get("text") or ""))


def _if_whole(update: Update, text: str) -> Update:
    """Return the update; or, when it brings a definition that Slack may have split, one that is answered so."""
    if not SPLITS_AT - LOOKED_BACK <= length(text) <= SPLITS_AT or not takes_text(update.line):
        return update
    sentence = f"This may be cut off: Slack splits messages at {SPLITS_AT:,} characters. Nothing was done."
    return refused(update, Refused(sentence, "Share it as a .yaml file: that comes whole."))


def _carried(update: Update, files: Sequence[Payload]) -> Update:
    """Return the update as one that asks whether its file may come; or is answered with why it cannot."""
    if len(files) > 1:
        return refused(update, Refused(f"There are {len(files)} files in one message.", "Send one at a time."))
    parcel = Parcel(str(files[0]["id"]), str(files[0].get("name") or ""), int(files[0].get("size") or 0))
    refusal = unfit(CHAT, update.line, parcel)
    return asking_for(update, parcel) if refusal is None else refused(update, refusal)


def _of_event(me: Identity, body: Payload, line: str) -> Update:
    event = body["event"]
    team = event.get("user_team") or event.get("source_team") or event.get("team") or me.team
    return Update(
        key=f"{CHAT}:{me.team}:event:{body['event_id']}",
        room=room_id(me.team, event["channel"]),
        account=account_id(team, event.get("user") or event.get("bot_id") or "nobody"),
        line=line,
        is_bot=bool(event.get("bot_id")) or event.get("subtype") == "bot_message",
        is_alone=event.get("channel_type") == "im",
        context=_present(thread=event.get("thread_ts", "")),
    )


def of_press(me: Identity, body: Payload, *, is_alone: bool) -> Update:
    """Read a press on a message or in the App Home, a card's button or one that begins something."""
    action, container = body["actions"][0], body["container"]
    at = container.get("message_ts") or container.get("view_id", "")
    room, context = _pressed_in(me, body)
    return Update(
        key=f"{CHAT}:{me.team}:press:{body['user']['id']}:{at}:{action['action_ts']}:{action['action_id']}",
        room=room,
        account=account_of(me, body),
        line=_begins(action),
        token="" if _begins(action) else str(action.get("value", "")),
        name=_name(body),
        is_bot=bool(body["user"].get("is_bot")),
        is_alone=is_alone or bool(context.get("home")),
        context=context,
    )


def of_submission(me: Identity, body: Payload, key: str, *, is_alone: bool) -> Update:
    """Read a form that was sent; `key` names this sending of it. A file in it is named and not fetched yet."""
    origin = Origin.of(body["view"])
    update = Update(
        key=f"{CHAT}:{me.team}:form:{key}",
        room=RoomId(origin.room),
        account=account_of(me, body),
        name=_name(body),
        is_alone=is_alone or bool(origin.home),
        context=_present(thread=origin.thread, home=origin.home, **_whispered(body["view"])),
    )
    try:
        filled_in = said_by(body["view"])
    except Refused as refusal:
        return refused(update, refusal)
    return asking(update, filled_in) if isinstance(filled_in, Shared) else replace(update, line=filled_in)


def origin_of(me: Identity, body: Payload) -> Origin:
    """Return where a button was pressed that opens a form by itself."""
    room, context = _pressed_in(me, body)
    return Origin(room, context.get("thread", ""), context.get("home", ""))


def account_of(me: Identity, body: Payload) -> str:
    """Return whose press or form it is."""
    return account_id(body["user"].get("team_id") or me.team, body["user"]["id"])


def channel_of(body: Payload) -> str:
    """Return the channel of a command or a press; empty in the App Home."""
    return str(body.get("channel_id") or body.get("channel", {}).get("id", ""))


def said(me: Identity, event: Payload) -> str:
    """Return what somebody said, as they typed it: without the mention of Sluice and without Slack's markup."""
    text = _MEANT.sub(lambda one: "" if one[1] == me.user else one[0], str(event.get("text") or ""))
    plain = _unescaped(_LINK.sub(_typed, text)).replace("\u00a0", " ")
    return plain.strip()


def definition_in(event: Payload, line: str) -> Shared | None:
    """Return the definition that came along as a file; None when there is none, or other words stand beside it."""
    files, asked = [str(one.get("name") or "") for one in event.get("files") or ()], meant(line)
    if not files or asked is None:
        return None
    named = [one for one in event["files"] if is_definition(str(one.get("name") or ""))]
    if not named:
        raise NoDefinition(files[0])
    if len(named) > 1:
        raise Refused(f"There are {len(named)} definitions in one message.", "Send one at a time.")
    return Shared(asked[0], str(named[0]["id"]), str(named[0]["name"]), asked[1])


def _pressed_in(me: Identity, body: Payload) -> tuple[RoomId, Mapping[str, str]]:
    trigger = str(body.get("trigger_id", ""))
    view = body.get("view")
    if view is not None:
        room = view.get("private_metadata") or room_id(me.team, body["user"]["id"])
        return RoomId(room), _present(trigger=trigger, home="yes")
    message = body.get("message") or {}
    below = message.get("thread_ts", "")
    context = _present(
        trigger=trigger,
        url=body.get("response_url", ""),
        thread=below if below != message.get("ts") else "",
        replace="yes" if body["container"].get("is_ephemeral") else "",
    )
    return room_id(me.team, channel_of(body)), context


def _begins(action: Payload) -> str:
    """Return the line of a button that begins something: it stands for a command, whoever presses it."""
    if action["action_id"] == DEFINE:
        return "define"
    if action["action_id"] == RUN:
        return f"run {action['selected_option']['value']}"
    return ""


def _name(body: Payload) -> str:
    return str(body["user"].get("username") or body["user"].get("name") or "")


def _whispered(view: Payload) -> dict[str, str]:
    """Mark what nobody but its sender has seen, though the form was asked for where others are."""
    return {FORM: "yes"} if view["callback_id"] in WHISPERED else {}


def _present(**context: str) -> Mapping[str, str]:
    return {name: value for name, value in context.items() if value}


def _typed(link: re.Match[str]) -> str:
    """Return what was typed where Slack made a link: the address, or its end when that is how it was written."""
    address, label = link[1], link[2]
    return label if label and (address.endswith(label) or label in address) else address


def _unescaped(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
