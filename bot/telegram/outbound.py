"""Telegram, as a chat that cards are shown in: posted, edited, said as replies, and answers where people look.

Answers in a group are seen by all: Telegram has no message for one person there, and where decisions are made together
that is no loss; what is for one person only (codes) the core refuses to say in company. So a question that somebody is
asked before something is destroyed stands where the others can see it coming. Only whoever was asked can answer it, and
the answer takes the question's place.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from bot.cards import Button, Card, Tone
from bot.chat import Answer, MessageLost, Pace, RoomMoved, Undeliverable, Update
from bot.pressing import Pressing
from bot.telegram import presses
from bot.telegram.api import Api
from bot.telegram.files import Files, file_name
from bot.telegram.limits import GROUP, PRIVATE
from bot.telegram.names import CHAT, chat_of, is_private
from bot.telegram.remarks import is_question, remarked
from bot.telegram.render import Message, render
from bot.telegram.toasts import Toasts, fits
from engine.errors import InvariantViolation
from engine.model import RoomId

_LEAST = 300
_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class TelegramChat:
    """The `Messenger` of Telegram. The composition root sets `pressing` when it has made it."""

    api: Api
    pressing: Pressing | None = None
    group: Pace = GROUP
    private: Pace = PRIVATE
    name: str = CHAT
    has_threads: bool = False
    files: Files = field(init=False)
    toasts: Toasts = field(init=False)

    def __post_init__(self) -> None:
        """Make the parts that write."""
        self.files = Files(self.api)
        self.toasts = Toasts(self.api)

    def pace(self, room: RoomId) -> Pace:
        """How often the room may be written to."""
        return self.private if is_private(room) else self.group

    async def post(self, room: RoomId, card: Card) -> str:
        """Show a new card; returns the message's id."""
        return await self._post(room, card)

    async def edit(self, room: RoomId, message: str, card: Card) -> None:
        """Show `card` where `message` was. Raises `MessageLost` when it is gone."""
        shown = await self._message(room, card)
        await self.api.edit(room, message, shown.text, shown.keyboard)

    async def reply(self, room: RoomId, message: str, card: Card) -> None:
        """Say something as a reply to a message."""
        await self._post(room, card, below=message)

    async def direct(self, account: str) -> RoomId:
        """The room where this account is spoken to alone; it turns out lost if they never wrote to the bot."""
        return RoomId(account)

    async def answer(self, update: Update, answer: Answer) -> None:
        """Answer what a person said or pressed; if Telegram does not take the card, with its title alone."""
        answer = remarked(update, answer)
        try:
            await self._answer(update, answer)
        except RoomMoved as moved:
            await self._answer(replace(update, room=moved.new, context={}), answer)
        except Undeliverable as error:
            _LOG.warning("An answer to %s is said plainly: %s", update.account, error)
            plain = Card(answer.card.title, answer.card.tone, answer.card.text[:_LEAST])
            await self._post(update.room, plain, below=_answered_below(update))

    async def _answer(self, update: Update, answer: Answer) -> None:
        query, card = update.context.get("callback", ""), answer.card
        is_told = bool(query) and await self.toasts.say(query, card)
        if is_told and card.tone is Tone.BAD and not card.code:
            return
        if update.context.get("question") and await self._in_place(update, answer):
            return
        if not is_told or not fits(card):
            await self._post(update.room, card, below=_answered_below(update), asked=_asked(update, answer))

    async def _in_place(self, update: Update, answer: Answer) -> bool:
        """Whether the answer could take the place of the question whose button was pressed. What is refused stays."""
        if answer.card.tone is Tone.BAD:
            return False
        shown = await self._message(update.room, answer.card, _asked(update, answer))
        if shown.overflow is not None:
            return False
        try:
            await self.api.edit(update.room, update.context["message"], shown.text, shown.keyboard)
        except MessageLost:
            return False
        return True

    async def _post(self, room: RoomId, card: Card, *, below: str = "", asked: str = "") -> str:
        message = await self._message(room, card, asked)
        posted = await self.api.send(room, message.text, message.keyboard, below=below)
        if message.overflow is not None:
            await self.files.attach(room, posted, file_name(card), message.overflow)
        return posted

    async def _message(self, room: RoomId, card: Card, asked: str = "") -> Message:
        return render(card, await self._data(room, card, asked))

    async def _data(self, room: RoomId, card: Card, asked: str) -> Callable[[Button], str]:
        if self.pressing is None:
            raise InvariantViolation("Telegram was told something before it was introduced to the buttons.")
        return presses.naming(room, await self.pressing.naming(room, card), asked)


def _answered_below(update: Update) -> str:
    """Return the message that an answer goes below: in company always, so that it is seen to whom it is said."""
    return update.context.get("message", "") if "callback" in update.context or not update.is_alone else ""


def _asked(update: Update, answer: Answer) -> str:
    """Return whose question the answer is; empty when it is a card that anybody may press."""
    return str(chat_of(update.account)) if is_question(answer) else ""
