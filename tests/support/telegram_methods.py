"""The methods of the Telegram stand-in: what the documentation says of them, and what they do to its chats."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from tests.support.telegram_chats import Account, Chat, File, Json, Refusal, Shown, bad, member_json, message_json
from tests.support.telegram_reading import LONGEST_CAPTION, Given
from tests.support.telegram_updates import Updates, Webhook

TO_A_CHAT = "chat_id message_thread_id disable_notification protect_content reply_parameters reply_markup"
PARAMETERS = {
    name: frozenset(known.split())
    for name, known in {
        "getMe": "",
        "getUpdates": "offset limit timeout allowed_updates",
        "setWebhook": "url certificate ip_address max_connections allowed_updates drop_pending_updates secret_token",
        "deleteWebhook": "drop_pending_updates",
        "getWebhookInfo": "",
        "sendMessage": f"{TO_A_CHAT} text parse_mode entities link_preview_options",
        "editMessageText": "chat_id message_id text parse_mode entities link_preview_options reply_markup",
        "sendDocument": f"{TO_A_CHAT} document caption parse_mode disable_content_type_detection",
        "answerCallbackQuery": "callback_query_id text show_alert url cache_time",
        "getFile": "file_id",
        "setMyCommands": "commands scope language_code",
        "getMyCommands": "scope language_code",
        "deleteMyCommands": "scope language_code",
        "getChat": "chat_id",
        "getChatMember": "chat_id user_id",
        "deleteMessage": "chat_id message_id",
    }.items()
}
TOO_OLD = "query is too old and response timeout expired or query ID is invalid"
UNCHANGED = (
    "message is not modified: specified new message content and reply markup are exactly the same as a current content "
    "and reply markup of the message"
)
LONGEST_TOAST = 200
LONGEST_POLL = 50
BIGGEST_DOWNLOAD = 20 * 1024 * 1024
_COMMAND = re.compile(r"[a-z0-9_]{1,32}")


@dataclass(frozen=True, slots=True)
class Toast:
    """The answer to a press: what it says, and whether it has to be closed."""

    query: str
    text: str
    is_alert: bool


@dataclass(slots=True)
class Methods:
    """Answers calls. Raises `Refusal`; whatever else it raises is a fault of the stand-in."""

    bot: Account
    updates: Updates
    now: Callable[[], float]
    reads_all: bool = False
    chats: dict[int, Chat] = field(default_factory=dict)
    files: dict[str, File] = field(default_factory=dict)
    queries: set[str] = field(default_factory=set)
    toasts: list[Toast] = field(default_factory=list)
    commands: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    _ids: int = 0

    async def perform(self, method: str, given: Given) -> object:
        """Do what a method does and return its result."""
        if method == "getUpdates":
            return await self._get_updates(given)
        table: dict[str, Callable[[Given], object]] = {
            "getMe": self._get_me,
            "setWebhook": self._set_webhook,
            "deleteWebhook": self._delete_webhook,
            "getWebhookInfo": self._webhook_info,
            "sendMessage": self._send_message,
            "editMessageText": self._edit,
            "sendDocument": self._send_document,
            "answerCallbackQuery": self._answer_query,
            "getFile": self._get_file,
            "setMyCommands": self._set_commands,
            "getMyCommands": lambda asked: self.commands.get(_scope(asked), []),
            "deleteMyCommands": lambda asked: self.commands.pop(_scope(asked), None) is not None or True,
            "getChat": self._get_chat,
            "getChatMember": self._get_member,
            "deleteMessage": self._delete,
        }
        return table[method](given)

    def next_id(self) -> int:
        """Return a number that no message and no file has yet."""
        self._ids += 1
        return self._ids

    def keep(self, name: str, content: bytes) -> File:
        """Keep a file, so that it can be asked for."""
        kept = File(f"file{self.next_id()}", name, content)
        self.files[kept.id] = kept
        return kept

    def date(self) -> int:
        return int(self.now())

    def _chat(self, given: Given) -> Chat:
        chat = self.chats.get(given.number("chat_id"))
        if chat is None:
            raise bad("chat not found")
        return chat

    def _get_me(self, _given: Given) -> Json:
        return self.bot.as_json() | {
            "can_join_groups": True,
            "can_read_all_group_messages": self.reads_all,
            "supports_inline_queries": False,
            "can_connect_to_business": False,
            "has_main_web_app": False,
        }

    async def _get_updates(self, given: Given) -> list[Json]:
        self._allow(given)
        limit = min(100, max(1, given.number("limit", 100)))
        timeout = min(LONGEST_POLL, max(0, given.number("timeout", 0)))
        offset = given.number("offset") if "offset" in given.values else None
        return await self.updates.poll(offset, limit, timeout)

    def _allow(self, given: Given) -> None:
        allowed = given.parsed("allowed_updates")
        if allowed is not None:
            self.updates.allowed = frozenset(allowed) or None

    def _set_webhook(self, given: Given) -> bool:
        secret = given.text("secret_token", "")
        if not re.fullmatch(r"[A-Za-z0-9_-]{0,256}", secret):
            raise bad("secret token contains unallowed characters")
        self._allow(given)
        url = given.text("url", "")
        webhook = Webhook(url, secret) if url else None
        self.updates.set_webhook(webhook, drop=given.flag("drop_pending_updates"))
        return True

    def _delete_webhook(self, given: Given) -> bool:
        self.updates.set_webhook(None, drop=given.flag("drop_pending_updates"))
        return True

    def _webhook_info(self, _given: Given) -> Json:
        updates = self.updates
        told: Json = {
            "url": updates.webhook.url if updates.webhook else "",
            "has_custom_certificate": False,
            "pending_update_count": len(updates.waiting),
        }
        if updates.last_error:
            told |= {"last_error_date": self.date(), "last_error_message": updates.last_error}
        return told | ({"allowed_updates": sorted(updates.allowed)} if updates.allowed else {})

    def _send_message(self, given: Given) -> Json:
        chat = self._chat(given)
        chat.open_or_refuse()
        return self._post(chat, given, Shown(0, self.bot, given.message(), self.date(), given.text("text")))

    def _send_document(self, given: Given) -> Json:
        chat = self._chat(given)
        chat.open_or_refuse()
        upload = given.file("document")
        if not upload.content:
            raise bad("file must be non-empty")
        caption = given.message("caption", LONGEST_CAPTION)
        kept = self.keep(upload.name, upload.content)
        return self._post(chat, given, Shown(0, self.bot, caption, self.date(), given.text("caption", ""), file=kept))

    def _post(self, chat: Chat, given: Given, shown: Shown) -> Json:
        thread = given.number("message_thread_id") if "message_thread_id" in given.values else None
        if thread is not None and not chat.is_forum:
            raise bad("message thread not found")
        reply_to, may_be_missing = given.reply_to()
        if reply_to is not None and reply_to not in chat.messages:
            if not may_be_missing:
                raise bad("message to be replied not found")
            reply_to = None
        posted = replace(shown, id=self.next_id(), keyboard=given.keyboard(), thread=thread, reply_to=reply_to)
        chat.messages[posted.id] = posted
        return message_json(chat, posted)

    def _edit(self, given: Given) -> Json:
        chat = self._chat(given)
        chat.open_or_refuse()
        old = chat.messages.get(given.number("message_id"))
        if old is None:
            raise bad("message to edit not found")
        if old.by != self.bot or not old.can_be_edited:
            raise bad("message can't be edited")
        if old.file is not None:
            raise bad("there is no text in the message to edit")
        read, keyboard = given.message(), given.keyboard()
        if (read, keyboard) == (old.read, old.keyboard):
            raise bad(UNCHANGED)
        new = replace(old, read=read, keyboard=keyboard, html=given.text("text"), edits=old.edits + 1, date=self.date())
        chat.messages[old.id] = new
        return message_json(chat, new)

    def _delete(self, given: Given) -> bool:
        chat = self._chat(given)
        chat.open_or_refuse()
        if chat.messages.pop(given.number("message_id"), None) is None:
            raise bad("message to delete not found")
        return True

    def _answer_query(self, given: Given) -> bool:
        query, text = given.text("callback_query_id"), given.text("text", "")
        if query not in self.queries:
            raise bad(TOO_OLD)
        if len(text) > LONGEST_TOAST:
            raise bad("MESSAGE_TOO_LONG")
        self.toasts.append(Toast(query, text, given.flag("show_alert")))
        return True

    def _get_file(self, given: Given) -> Json:
        kept = self.files.get(given.text("file_id"))
        if kept is None:
            raise bad("wrong file_id or the file is temporarily unavailable")
        if len(kept.content) > BIGGEST_DOWNLOAD:
            raise bad("file is too big")
        told = kept.as_json()
        return {name: told[name] for name in ("file_id", "file_unique_id", "file_size")} | {"file_path": kept.path}

    def _set_commands(self, given: Given) -> bool:
        commands = given.parsed("commands")
        for one in commands:
            if not _COMMAND.fullmatch(one["command"]):
                raise bad("BOT_COMMAND_INVALID")
            if not 1 <= len(one["description"]) <= 256:
                raise bad("BOT_COMMAND_DESCRIPTION_INVALID")
        if len(commands) > 100:
            raise bad("BOT_COMMANDS_TOO_MUCH")
        self.commands[_scope(given)] = commands
        return True

    def _get_chat(self, given: Given) -> Json:
        chat = self._chat(given)
        chat.open_or_refuse()
        gifts = dict.fromkeys(("unlimited_gifts", "limited_gifts", "unique_gifts", "premium_subscription"), False)
        gifts |= {"gifts_from_channels": False}
        return chat.as_json() | {"accent_color_id": 0, "max_reaction_count": 11, "accepted_gift_types": gifts}

    def _get_member(self, given: Given) -> Json:
        chat = self._chat(given)
        chat.open_or_refuse()
        found = chat.members.get(given.number("user_id"))
        if found is None:
            raise bad("member not found")
        return member_json(*found)


def _scope(given: Given) -> str:
    scope = given.parsed("scope") or {"type": "default"}
    place = "/".join(str(scope[name]) for name in ("type", "chat_id", "user_id") if name in scope)
    return f"{place} {given.text('language_code', '')}".strip()


def known_or_refuse(method: str) -> frozenset[str]:
    """Return a method's documented parameters; refuses a method that there is not."""
    if method not in PARAMETERS:
        raise Refusal(404, "Not Found")
    return PARAMETERS[method]
