"""What people do in the chats of the Telegram stand-in. Each act becomes an update, if the bot may see it."""

from dataclasses import dataclass, replace

from tests.support.telegram_chats import Account, Chat, Fate, File, Json, Shown, member_json, message_json
from tests.support.telegram_html import Entity, Parsed, parse_plain
from tests.support.telegram_links import links_in
from tests.support.telegram_methods import Methods

_SEEN = frozenset({"mention", "bot_command", "email", "hashtag", "cashtag", "url"})


@dataclass(slots=True)
class People:
    """Makes chats, and lets people act in them. Each act returns the update's id, or None when the bot is not told."""

    methods: Methods
    _group_ids: int = -1000
    _queries: int = 0

    def private(self, who: Account) -> Chat:
        """The chat that somebody has with the bot alone."""
        if who.id not in self.methods.chats:
            self.methods.chats[who.id] = Chat(who.id, "private", who.first_name, members={who.id: (who, "member")})
        return self.methods.chats[who.id]

    def group(self, title: str, *members: Account, kind: str = "supergroup", is_forum: bool = False) -> Chat:
        """Make a group, supergroup or channel, with the bot in it."""
        self._group_ids -= 1
        number = int(f"-100{-self._group_ids}") if kind != "group" else self._group_ids
        there = {one.id: (one, "member") for one in (self.methods.bot, *members)}
        chat = Chat(number, kind, title, is_forum, members=there)
        self.methods.chats[number] = chat
        return chat

    def says(
        self, who: Account, chat: Chat, text: str, *, thread: int | None = None, reply_to: int | None = None
    ) -> int | None:
        """Write a message."""
        shown = self._written(who, chat, text, thread=thread, reply_to=reply_to)
        return self._told("message", chat, shown)

    def corrects(self, chat: Chat, message: int, text: str) -> int | None:
        """Edit one's own message."""
        old = chat.messages[message]
        shown = replace(old, read=_read(text), edits=old.edits + 1)
        chat.messages[message] = shown
        return self._told("edited_message", chat, shown)

    def uploads(self, who: Account, chat: Chat, name: str, content: bytes, caption: str = "") -> int | None:
        """Send a document."""
        shown = self._written(who, chat, caption, file=self.methods.keep(name, content))
        return self._told("message", chat, shown)

    def publishes(self, chat: Chat, text: str) -> int | None:
        """Post in a channel, in the channel's name."""
        anonymous = Account(1087968824, chat.title, is_bot=True)
        shown = self._written(anonymous, chat, text)
        told = message_json(chat, shown)
        told.pop("from")
        return self.methods.updates.make("channel_post", told | {"sender_chat": chat.as_json()})

    def presses(self, who: Account, chat: Chat, text: str) -> int | None:
        """Press the button that says `text`, on the newest message that has one."""
        having = [
            shown for shown in chat.messages.values() if any(said == text for row in shown.keyboard for said, _ in row)
        ]
        assert having, f"nothing in {chat.title} has a button {text!r}"
        newest = max(having, key=lambda shown: shown.id)
        return self.sends_data(who, chat, newest, newest.button(text))

    def sends_data(self, who: Account, chat: Chat, message: Shown, data: str) -> int | None:
        """Send a press with any data: a forged one, or one of a keyboard that is no longer shown."""
        self._queries += 1
        query = f"q{self._queries}"
        self.methods.queries.add(query)
        told: Json = {"id": query, "from": who.as_json(), "chat_instance": str(chat.id), "data": data}
        return self.methods.updates.make("callback_query", told | {"message": message_json(chat, message)})

    def query_of(self, update: int | None) -> str:
        """The id under which a press is to be answered."""
        pressed = self.methods.updates.made[update or 0]["callback_query"]
        assert isinstance(pressed, dict)
        return str(pressed["id"])

    def changes_membership(self, who: Account, chat: Chat, status: str) -> int | None:
        """Make the bot a member, an administrator, or throw it out: `left`, `kicked` (in a private chat: blocked)."""
        bot = self.methods.bot
        _, before = chat.members.get(bot.id, (bot, "left"))
        chat.members[bot.id] = (bot, status)
        out = Fate.BLOCKED if chat.type == "private" else Fate.KICKED
        chat.fate = out if status in ("kicked", "left") else Fate.OPEN
        told = {"chat": chat.as_json(), "from": who.as_json(), "date": self.methods.date()}
        change = {"old_chat_member": member_json(bot, before), "new_chat_member": member_json(bot, status)}
        return self.methods.updates.make("my_chat_member", told | change)

    def upgrades(self, chat: Chat) -> Chat:
        """Turn a group into a supergroup: the old chat refuses with the new one's id."""
        new = self.group(chat.title)
        new.members = chat.members
        chat.moved_to = new.id
        return new

    def _written(
        self,
        who: Account,
        chat: Chat,
        text: str,
        *,
        thread: int | None = None,
        reply_to: int | None = None,
        file: File | None = None,
    ) -> Shown:
        chat.members.setdefault(who.id, (who, "member"))
        number, date = self.methods.next_id(), self.methods.date()
        shown = Shown(number, who, _read(text), date, thread=thread, reply_to=reply_to, file=file)
        chat.messages[number] = shown
        return shown

    def _told(self, kind: str, chat: Chat, shown: Shown) -> int | None:
        if not self._may_see(chat, shown):
            return None
        return self.methods.updates.make(kind, message_json(chat, shown))

    def _may_see(self, chat: Chat, shown: Shown) -> bool:
        """Privacy mode: a bot that is no administrator is told of commands and of replies to itself, in a group."""
        bot = self.methods.bot
        _, status = chat.members.get(bot.id, (bot, "left"))
        if chat.type == "private" or self.methods.reads_all or status == "administrator":
            return True
        answered = chat.messages.get(shown.reply_to or 0)
        if answered is not None and answered.by == bot:
            return True
        commands = [one for one in shown.read.entities if one.type == "bot_command"]
        return bool(commands) and ("@" not in shown.text.split()[0] or f"@{bot.username}" in shown.text)


def _read(text: str) -> Parsed:
    """Return what somebody wrote, with what Telegram finds in it."""
    read = parse_plain(text)
    found = [Entity(one.kind, one.offset, one.length) for one in links_in(read.text) if one.kind in _SEEN]
    return Parsed(read.text, tuple(sorted(found, key=lambda one: one.offset)))
