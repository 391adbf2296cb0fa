"""Accounts, chats and messages of the Telegram stand-in: what its chats show now."""

import mimetypes
from dataclasses import dataclass, field
from enum import StrEnum

from tests.support.telegram_html import Parsed

Json = dict[str, object]
Keyboard = tuple[tuple[tuple[str, str], ...], ...]
"""Rows of buttons: what each shows, and what it sends."""


class Refusal(Exception):
    """What the Bot API answers instead of a result."""

    def __init__(self, code: int, description: str, **parameters: int) -> None:
        super().__init__(description)
        self.code, self.description, self.parameters = code, description, parameters

    def as_json(self) -> Json:
        told: Json = {"ok": False, "error_code": self.code, "description": self.description}
        return told | ({"parameters": self.parameters} if self.parameters else {})


def bad(description: str) -> Refusal:
    return Refusal(400, f"Bad Request: {description}")


class Fate(StrEnum):
    """What became of a chat, in the words with which a message to it is refused."""

    OPEN = ""
    BLOCKED = "Forbidden: bot was blocked by the user"
    KICKED = "Forbidden: bot was kicked from the group chat"
    NOT_MEMBER = "Forbidden: bot is not a member of the channel chat"
    NEVER_MET = "Forbidden: bot can't initiate conversation with a user"
    SILENCED = "Bad Request: not enough rights to send text messages to the chat"
    GONE = "Bad Request: chat not found"


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody, or a bot."""

    id: int
    first_name: str
    username: str = ""
    is_bot: bool = False

    def as_json(self) -> Json:
        told: Json = {"id": self.id, "is_bot": self.is_bot, "first_name": self.first_name}
        return told | ({"username": self.username} if self.username else {})


@dataclass(frozen=True, slots=True)
class File:
    """A document and its content."""

    id: str
    name: str
    content: bytes

    @property
    def path(self) -> str:
        return f"documents/{self.id}_{self.name}"

    def as_json(self) -> Json:
        kind = mimetypes.guess_type(self.name)[0] or "application/octet-stream"
        unique = f"u{self.id}"
        size = len(self.content)
        return {
            "file_id": self.id,
            "file_unique_id": unique,
            "file_name": self.name,
            "mime_type": kind,
            "file_size": size,
        }


@dataclass(frozen=True, slots=True)
class Shown:
    """One message as the chat shows it now. `html` is what was sent, `read` what people see."""

    id: int
    by: Account
    read: Parsed
    date: int
    html: str = ""
    keyboard: Keyboard = ()
    thread: int | None = None
    reply_to: int | None = None
    file: File | None = None
    edits: int = 0
    can_be_edited: bool = True

    @property
    def text(self) -> str:
        return self.read.text

    def button(self, text: str) -> str:
        """What the button with this text sends; fails when there is none."""
        found = [data for row in self.keyboard for said, data in row if said == text]
        assert len(found) == 1, f"{len(found)} buttons say {text!r}: {self.keyboard}"
        return found[0]


@dataclass(slots=True)
class Chat:
    """A private chat, a group, a supergroup (perhaps with topics) or a channel. `members`: status by account."""

    id: int
    type: str
    title: str
    is_forum: bool = False
    fate: Fate = Fate.OPEN
    moved_to: int | None = None
    members: dict[int, tuple[Account, str]] = field(default_factory=dict)
    messages: dict[int, Shown] = field(default_factory=dict)

    def as_json(self) -> Json:
        named: Json = {"first_name" if self.type == "private" else "title": self.title}
        return {"id": self.id, "type": self.type, **named} | ({"is_forum": True} if self.is_forum else {})

    def open_or_refuse(self) -> None:
        """Refuse like a chat that cannot be written to."""
        if self.moved_to is not None:
            sentence = "Bad Request: group chat was upgraded to a supergroup chat"
            raise Refusal(400, sentence, migrate_to_chat_id=self.moved_to)
        if self.fate is not Fate.OPEN:
            raise Refusal(403 if self.fate.startswith("Forbidden") else 400, self.fate)


def message_json(chat: Chat, shown: Shown) -> Json:
    """Return a message as the Bot API tells of it."""
    told: Json = {"message_id": shown.id, "date": shown.date, "chat": chat.as_json(), "from": shown.by.as_json()}
    entities = [one.as_json() for one in shown.read.entities]
    if shown.file is None:
        told |= {"text": shown.text} | ({"entities": entities} if entities else {})
    else:
        told |= {"document": shown.file.as_json()} | ({"caption": shown.text} if shown.text else {})
    if shown.thread is not None:
        told |= {"message_thread_id": shown.thread, "is_topic_message": True}
    if shown.reply_to in chat.messages:
        told["reply_to_message"] = message_json(chat, chat.messages[shown.reply_to]) if shown.reply_to else {}
    if shown.keyboard:
        rows = [[{"text": said, "callback_data": data} for said, data in row] for row in shown.keyboard]
        told["reply_markup"] = {"inline_keyboard": rows}
    return told | ({"edit_date": shown.date} if shown.edits else {})


def member_json(who: Account, status: str) -> Json:
    """Return a member as `getChatMember` and `my_chat_member` tell of one."""
    told: Json = {"user": who.as_json(), "status": status}
    if status == "creator":
        return told | {"is_anonymous": False}
    if status == "kicked":
        return told | {"until_date": 0}
    if status == "administrator":
        rights = (
            "is_anonymous can_be_edited can_manage_chat can_delete_messages can_manage_video_chats "
            "can_restrict_members "
            "can_promote_members can_change_info can_invite_users can_post_stories can_edit_stories can_delete_stories"
        )
        return told | dict.fromkeys(rights.split(), False)
    return told
