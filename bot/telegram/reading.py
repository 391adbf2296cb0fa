"""What Telegram delivers, read: from its updates to the house's. Pure.

Keys are made of the bot's number and the update's: both stay the same however often it is delivered. Whoever speaks in
the name of a group or a channel is not known as a person, so they are treated like bots. What was forwarded says
nothing: the words are somebody else's, and a card that was forwarded has no buttons that could work.
"""

import re
from dataclasses import dataclass, replace

import telegram
from telegram import CallbackQuery, Chat, ChatMemberUpdated, Document, Message, User

from bot.chat import Update
from bot.enclosed import NoDefinition, is_definition, meant
from bot.grammar import ALIASES, BY_NAME, takes_text
from bot.packages.carrying import Parcel, asking, is_meant, unfit
from bot.secrecy.codes import looks_like_code
from bot.telegram import presses
from bot.telegram.api import Me
from bot.telegram.files import Attached
from bot.telegram.names import CHAT, account_id, room_id
from bot.telegram.plain import LIMIT, cut, may_be_cut, one_line
from bot.telegram.remarks import anothers, hello, nameless, place, refused
from engine.errors import Refused

KINDS = ("message", "channel_post", "callback_query", "my_chat_member")
"""What is asked for. Edited messages are not: a command is carried out as it was sent."""
_COMMAND = re.compile(r"/([A-Za-z0-9_]+)(?:@([A-Za-z0-9_]+))?(?!\S)(.*)", re.DOTALL)
_OUT = ("left", "kicked")
_LONGEST_NAME = 64


@dataclass(frozen=True, slots=True)
class Heard:
    """Something that was said or done. `attached`: its line is in a file, which has to be fetched."""

    update: Update
    attached: Attached | None = None


class _Cut(Refused):
    """A definition may not have come whole."""

    def __init__(self) -> None:
        super().__init__(
            f"This may be cut off: Telegram splits messages at {LIMIT:,} characters. Nothing was done.",
            "Send it as a .yaml document: that comes whole.",
        )


def heard(me: Me, delivered: telegram.Update) -> Heard | None:
    """Return what an update says to Sluice; None when it says nothing to it."""
    key = f"{CHAT}:{me.id}:update:{delivered.update_id}"
    if delivered.callback_query is not None:
        return _pressed(key, delivered.callback_query)
    if delivered.my_chat_member is not None:
        return _added(key, delivered.my_chat_member)
    message = delivered.message or delivered.channel_post
    if message is None or message.forward_origin is not None:
        return None
    return _said(me, key, message)


def _said(me: Me, key: str, message: Message) -> Heard | None:
    line = _line(me, message)
    if line is None or not (line or message.document):
        return None
    chat = message.chat
    update = Update(
        key=key,
        room=room_id(chat.id, message.message_thread_id if message.is_topic_message else None),
        account=_speaker(message),
        line=line,
        name=_name(message.from_user),
        is_bot=message.sender_chat is not None or message.from_user is None or message.from_user.is_bot,
        is_alone=chat.type == chat.PRIVATE,
        context={"message": str(message.message_id), **_place(chat)},
    )
    if message.sender_chat is not None:
        remark = nameless(in_channel=chat.type == chat.CHANNEL)
        return Heard(replace(update, context={**update.context, **remark}))
    return Heard(update) if update.is_bot else _with_its_file(update, message)


def _with_its_file(update: Update, message: Message) -> Heard:
    """Return what a person said, with the file that came along; or, of what may not be whole, that it is refused."""
    line, parcel = update.line, _parcel(message, update.line)
    if parcel is not None:
        return Heard(_carried(update, parcel))
    if message.document is not None and (asked := meant(line)) is not None:
        return _with_definition(update, message.document, *asked)
    if may_be_cut(message.text or "") and takes_text(line):
        return Heard(_refused(update, _Cut()))
    return Heard(update)


def _parcel(message: Message, line: str) -> Parcel | None:
    """Return the file that came along for a package; None when there is none, or the line says nothing of one."""
    document = message.document
    if document is None or not is_meant(line):
        return None
    return Parcel(document.file_id, document.file_name or "", document.file_size or 0)


def _carried(update: Update, parcel: Parcel) -> Update:
    """Return the update as one that asks whether its file may come; or is answered with why it cannot."""
    refusal = unfit(CHAT, update.line, parcel)
    if refusal is None:
        return asking(update, parcel)
    return replace(update, context={**update.context, **refused(refusal)})


def _refused(update: Update, refusal: Refused) -> Update:
    """Return the update as one that defines nothing and is answered with the refusal."""
    return replace(update, line="define", context={**update.context, **refused(refusal)})


def _speaker(message: Message) -> str:
    if message.sender_chat is not None:
        return account_id(message.sender_chat.id)
    return account_id(message.from_user.id if message.from_user else message.chat.id)


def _line(me: Me, message: Message) -> str | None:
    """Return what is said to Sluice; None when it is said to others. Privacy mode has the same rules."""
    text = (message.text or message.caption or "").strip()
    is_alone = message.chat.type == message.chat.PRIVATE
    command = _COMMAND.match(text)
    if command is not None:
        verb, bot, words = command[1].lower(), (command[2] or "").lower(), command[3]
        is_ours = bot == me.username.lower() if bot else is_alone or _is_known(verb)
        return _of_command(verb, words, is_alone=is_alone) if is_ours else None
    mention = f"@{me.username}"
    if me.username and text.lower().startswith(mention.lower()) and not text[len(mention) :][:1].isalnum():
        return text[len(mention) :].lstrip(" ,:") or "help"
    return text if is_alone or _answers(me, message) else None


def _of_command(verb: str, words: str, *, is_alone: bool) -> str:
    """Return the line of a command. Every chat with a bot begins with ``/start``, so here it does not stand for run.

    ``/start CODE`` is what a link with a code in it says, in a chat alone.
    """
    if verb == "start":
        return f"link {words.strip()}" if is_alone and looks_like_code(words) else "help"
    return "help" if verb == "sluice" and not words.strip() else f"{verb}{words}"


def _is_known(verb: str) -> bool:
    return verb in BY_NAME or verb in ALIASES or verb == "sluice"


def _answers(me: Me, message: Message) -> bool:
    """Whether somebody answers a message of Sluice. In a topic, everything answers the message that opened it."""
    answered = message.reply_to_message
    if answered is None or answered.forum_topic_created is not None or answered.from_user is None:
        return False
    return answered.from_user.id == me.id


def _with_definition(update: Update, document: Document, verb: str, pipeline: str) -> Heard:
    """Return the update with the definition that came along, which is fetched later; or that it is none."""
    name = cut(one_line(document.file_name or ""), _LONGEST_NAME)
    if not is_definition(one_line(document.file_name or "")):
        return Heard(_refused(update, NoDefinition(name)))
    return Heard(update, Attached(verb, pipeline, document.file_id, name, document.file_size or 0))


def _pressed(key: str, query: CallbackQuery) -> Heard | None:
    message = query.message
    if message is None:
        return None
    press = presses.read(query.data or "")
    topic = press.topic
    if message.is_accessible and isinstance(message, Message):
        topic = message.message_thread_id if message.is_topic_message else None
    update = Update(
        key=key,
        room=room_id(message.chat.id, topic),
        account=account_id(query.from_user.id),
        token=press.token or "nothing",
        name=_name(query.from_user),
        is_bot=query.from_user.is_bot,
        is_alone=message.chat.type == message.chat.PRIVATE,
        context={"message": str(message.message_id), "callback": query.id, **_place(message.chat)},
    )
    return Heard(_to_a_question(update, query.from_user.id, press.asked) if press.asked else update)


def _to_a_question(update: Update, who: int, asked: str) -> Update:
    """Return the press of an answer to a question. To another person's it is a press of nothing, and so is refused."""
    if asked == str(who):
        return replace(update, context={**update.context, "question": "yes"})
    return replace(update, token=f"{update.token} of another's", context={**update.context, **anothers()})


def _added(key: str, change: ChatMemberUpdated) -> Heard | None:
    """Return that Sluice was added to a group, as a cry for help. When it is sent away, the next message finds out."""
    is_group = change.chat.type in (change.chat.GROUP, change.chat.SUPERGROUP)
    if not is_group or change.old_chat_member.status not in _OUT or change.new_chat_member.status in _OUT:
        return None
    update = Update(
        key=key,
        room=room_id(change.chat.id),
        account=account_id(change.from_user.id),
        line="help",
        name=_name(change.from_user),
        context=hello(),
    )
    return Heard(update)


def _place(chat: Chat) -> dict[str, str]:
    return place(cut(one_line(chat.title or ""), _LONGEST_NAME))


def _name(user: User | None) -> str:
    return cut(one_line(user.full_name), _LONGEST_NAME) if user else ""
