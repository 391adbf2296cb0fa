"""A workspace in memory: people, channels, messages with their edits, forms, homes and files, and the methods on them.

A method returns what its answer holds beside ``ok``, or raises `Refusal` with the documented error.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from tests.support.slack_limits import message_complaints, view_complaints
from tests.support.slack_records import Channel, Person, Refusal, Stored

Json = dict[str, Any]
BOT, BOT_USER, APP, TEAM = "B00SLUICE", "U00SLUICE", "A00SLUICE", "T00TESTS"
_LONGEST = 40_000
_STACK = 3
_EPOCH = 1_700_000_000


@dataclass
class Workspace:
    """What there is now."""

    url: str = ""
    people: dict[str, Person] = field(default_factory=lambda: {BOT_USER: Person("sluice", is_bot=True)})
    channels: dict[str, Channel] = field(default_factory=dict)
    said: dict[tuple[str, str], Json] = field(default_factory=dict)
    whispered: list[Json] = field(default_factory=list)
    forms: dict[str, list[Json]] = field(default_factory=dict)
    homes: dict[str, Json] = field(default_factory=dict)
    files: dict[str, Stored] = field(default_factory=dict)
    elsewhere: dict[str, str] = field(default_factory=dict)
    """Addresses of files that do not lie in Slack, by their id."""
    triggers: dict[str, tuple[str, float]] = field(default_factory=dict)
    spent: set[str] = field(default_factory=set)
    trigger_seconds: float = 3.0
    numbers: "count[int]" = field(default_factory=lambda: count(1))

    def id(self, prefix: str) -> str:
        return f"{prefix}{next(self.numbers):08d}"

    def ts(self) -> str:
        """A message's name: rising, never twice."""
        return f"{_EPOCH}.{next(self.numbers):06d}"

    def trigger(self, user: str) -> str:
        made = self.id("trigger.")
        self.triggers[made] = (user, time.monotonic())
        return made

    def messages(self, channel: str, thread: str = "") -> list[Json]:
        """What the channel, or one of its threads, shows now, oldest first."""
        return [one for (where, _), one in self.said.items() if where == channel and one.get("thread_ts", "") == thread]

    def direct(self, user: str) -> str:
        """The direct conversation with the bot."""
        if user not in self.people:
            raise Refusal("user_not_found")
        if self.people[user].deleted:
            raise Refusal("user_disabled")
        self.channels.setdefault(f"D{user[1:]}", Channel("", user=user))
        return f"D{user[1:]}"

    def writable(self, channel: str) -> str:
        """The id of a channel that the bot may write into."""
        if channel in self.people:
            return self.direct(channel)
        found = self.channels.get(channel)
        if found is None:
            raise Refusal("channel_not_found")
        if found.archived:
            raise Refusal("is_archived")
        if not found.member:
            raise Refusal("not_in_channel")
        return channel


def _checked(arguments: Mapping[str, Any]) -> Json:
    said = {name: arguments[name] for name in ("text", "blocks", "attachments", "metadata") if name in arguments}
    if not said.get("text") and not said.get("blocks") and not said.get("attachments"):
        raise Refusal("no_text")
    if len(said.get("text", "")) > _LONGEST:
        raise Refusal("msg_too_long")
    complaints = message_complaints(said["blocks"]) if said.get("blocks") else []
    if complaints:
        raise Refusal("invalid_blocks", response_metadata={"messages": [f"[ERROR] {one}" for one in complaints]})
    return said


def post(space: Workspace, arguments: Json) -> Json:
    channel = space.writable(arguments["channel"])
    message: Json = {"type": "message", "user": BOT_USER, "bot_id": BOT, **_checked(arguments)}
    thread = arguments.get("thread_ts", "")
    if thread and (channel, thread) not in space.said:
        raise Refusal("thread_not_found")
    ts = space.ts()
    space.said[channel, ts] = {**message, "ts": ts, **({"thread_ts": thread} if thread else {})}
    return {"channel": channel, "ts": ts, "message": space.said[channel, ts]}


def update(space: Workspace, arguments: Json) -> Json:
    channel, ts = space.writable(arguments["channel"]), arguments["ts"]
    message = space.said.get((channel, ts))
    if message is None:
        raise Refusal("message_not_found")
    if message.get("user") != BOT_USER:
        raise Refusal("cant_update_message")
    kept: Json = {name: message[name] for name in ("type", "user", "bot_id", "ts", "thread_ts") if name in message}
    space.said[channel, ts] = {**kept, **_checked(arguments), "edited": {"user": BOT_USER, "ts": space.ts()}}
    return {"channel": channel, "ts": ts, "text": arguments.get("text", ""), "message": space.said[channel, ts]}


def delete(space: Workspace, arguments: Json) -> Json:
    if space.said.pop((arguments["channel"], arguments["ts"]), None) is None:
        raise Refusal("message_not_found")
    return {"channel": arguments["channel"], "ts": arguments["ts"]}


def whisper(space: Workspace, arguments: Json) -> Json:
    channel = space.writable(arguments["channel"])
    if arguments["user"] not in space.people:
        raise Refusal("user_not_in_channel")
    ts = space.ts()
    space.whispered.append({**_checked(arguments), "channel": channel, "user": arguments["user"], "ts": ts})
    return {"message_ts": ts}


def open_conversation(space: Workspace, arguments: Json) -> Json:
    if "channel" in arguments:
        if arguments["channel"] not in space.channels:
            raise Refusal("channel_not_found")
        return {"channel": {"id": arguments["channel"]}}
    users = [one for one in str(arguments.get("users", "")).split(",") if one]
    if len(users) != 1:
        raise Refusal("users_list_not_supplied" if not users else "method_not_supported_for_channel_type")
    return {"channel": {"id": space.direct(users[0])}}


def conversation(space: Workspace, arguments: Json) -> Json:
    found = space.channels.get(arguments["channel"])
    if found is None:
        raise Refusal("channel_not_found")
    about = {"id": arguments["channel"], "name": found.name, "is_archived": found.archived, "is_member": found.member}
    return {"channel": {**about, "is_im": bool(found.user), "is_private": False}}


def person(space: Workspace, arguments: Json) -> Json:
    found = space.people.get(arguments["user"])
    if found is None:
        raise Refusal("user_not_found")
    about = {"id": arguments["user"], "team_id": TEAM, "name": found.name, "real_name": found.name.title()}
    return {"user": {**about, "is_bot": found.is_bot, "deleted": found.deleted}}


def whoami(space: Workspace, _arguments: Json) -> Json:
    about = {"url": space.url, "team": "Tests", "team_id": TEAM, "user": "sluice", "user_id": BOT_USER, "bot_id": BOT}
    return {**about, "is_enterprise_install": False}


def checked_view(view: Any) -> Json:
    complaints = view_complaints(view) if isinstance(view, Mapping) else ["view is no object"]
    if complaints:
        raise Refusal("invalid_arguments", response_metadata={"messages": [f"[ERROR] {one}" for one in complaints]})
    return dict(view)


def _made(space: Workspace, view: Json) -> Json:
    about = {"id": space.id("V"), "team_id": TEAM, "app_id": APP, "bot_id": BOT, "hash": space.id("h")}
    return {**view, **about, "state": {"values": {}}}


def show_view(space: Workspace, arguments: Json, *, above: bool = False) -> Json:
    view = checked_view(arguments["view"])
    trigger = arguments.get("trigger_id") or arguments.get("interactivity_pointer") or ""
    if trigger not in space.triggers:
        raise Refusal("exchanged_trigger_id" if trigger in space.spent else "invalid_trigger")
    user, at = space.triggers.pop(trigger)
    space.spent.add(trigger)
    if time.monotonic() - at > space.trigger_seconds:
        raise Refusal("expired_trigger_id")
    stack = space.forms.setdefault(user, []) if above else []
    if len(stack) >= _STACK:
        raise Refusal("push_limit_reached")
    stack.append(_made(space, view))
    space.forms[user] = stack
    return {"view": stack[-1]}


def update_view(space: Workspace, arguments: Json) -> Json:
    view = checked_view(arguments["view"])
    for stack in space.forms.values():
        for number, one in enumerate(stack):
            if one["id"] == arguments.get("view_id"):
                if arguments.get("hash", one["hash"]) != one["hash"]:
                    raise Refusal("hash_conflict")
                stack[number] = {**_made(space, view), "id": one["id"]}
                return {"view": stack[number]}
    raise Refusal("not_found")


def publish(space: Workspace, arguments: Json) -> Json:
    view = checked_view(arguments["view"])
    user = arguments["user_id"]
    if user not in space.people:
        raise Refusal("invalid_arguments")
    if arguments.get("hash") and user in space.homes and arguments["hash"] != space.homes[user]["hash"]:
        raise Refusal("hash_conflict")
    space.homes[user] = _made(space, view)
    return {"view": space.homes[user]}


def begin_upload(space: Workspace, arguments: Json) -> Json:
    made = space.id("F")
    space.files[made] = Stored(arguments["filename"], int(arguments["length"]))
    return {"upload_url": f"{space.url}upload/{made}", "file_id": made}


def end_upload(space: Workspace, arguments: Json) -> Json:
    done = []
    channel = space.writable(arguments["channel_id"]) if arguments.get("channel_id") else ""
    for one in arguments["files"]:
        stored = space.files.get(one.get("id", ""))
        if stored is None or stored.content is None or len(stored.content) != stored.length:
            raise Refusal("file_not_found")
        stored.shared = (channel, arguments.get("thread_ts", "")) if channel else None
        done.append({"id": one["id"], "title": one.get("title", stored.name)})
    if channel:
        ts, thread = space.ts(), arguments.get("thread_ts", "")
        message = {
            "type": "message",
            "user": BOT_USER,
            "ts": ts,
            "files": done,
            "text": arguments.get("initial_comment", ""),
        }
        space.said[channel, ts] = {**message, **({"thread_ts": thread} if thread else {})}
    return {"files": done}


def file(space: Workspace, arguments: Json) -> Json:
    stored = space.files.get(arguments["file"])
    if stored is None:
        raise Refusal("file_not_found")
    return {"file": about_file(space, arguments["file"])}


def about_file(space: Workspace, name: str) -> Json:
    stored = space.files[name]
    url = space.elsewhere.get(name, f"{space.url}files/{name}")
    about = {"id": name, "name": stored.name, "title": stored.name, "size": stored.length, "mimetype": "text/plain"}
    return {**about, "url_private": url, "url_private_download": url}


ANSWERS: dict[str, Callable[[Workspace, Json], Json]] = {
    "auth.test": whoami,
    "chat.postMessage": post,
    "chat.update": update,
    "chat.delete": delete,
    "chat.postEphemeral": whisper,
    "conversations.open": open_conversation,
    "conversations.info": conversation,
    "users.info": person,
    "views.open": show_view,
    "views.push": lambda space, arguments: show_view(space, arguments, above=True),
    "views.update": update_view,
    "views.publish": publish,
    "files.getUploadURLExternal": begin_upload,
    "files.completeUploadExternal": end_upload,
    "files.info": file,
}
