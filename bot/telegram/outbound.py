"""Telegram, as a chat that cards are shown in: posted, edited, said as replies, and answers where people look.

Telegram has no message for one person in a group. So what is for one person and holds more than a sentence is said in
the chat that they have with the bot alone, and the group reads one line that it was; `remarks.py` says what that is,
and why questions stay in the group. Whom Telegram does not let the bot write to, because they never wrote to it, is
told in the group how to change that, and nothing else.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from bot.cards import Button, Card, Tone
from bot.chat import Answer, MessageLost, Pace, RoomLost, RoomMoved, Slower, Undeliverable, Update
from bot.inbox.pressing import Pressing
from bot.packages.carrying import FETCHED, Carrier, as_it_came, is_let
from bot.secrecy.lines import carries_secret
from bot.telegram import presses
from bot.telegram.api import Api
from bot.telegram.files import Files, file_name
from bot.telegram.limits import GROUP, PRIVATE
from bot.telegram.names import CHAT, chat_of, is_private
from bot.telegram.remarks import ALONE, apart, is_for_one, is_question, refused, remarked, unmet
from bot.telegram.render import Message, render
from bot.telegram.toasts import Toasts, fits
from engine.errors import Interrupted, InvariantViolation, Refused, SluiceError
from engine.model import RoomId
from storage.package_files import PackageFiles

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
    carrier: Carrier | None = None
    files: Files = field(init=False)
    toasts: Toasts = field(init=False)
    _pointed: dict[RoomId, str] = field(default_factory=dict)
    """The update of each group that was last told that its answer is elsewhere: several cards need one line."""

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
        """Answer what a person said or pressed; what is for them alone where they alone read it.

        In place of letting their file come, fetch it.
        """
        if self.carrier is not None and is_let(update, answer):
            await self.carrier.hand_on(update)
            return
        update = as_it_came(update)
        if carries_secret(update.line):
            await self._take_away(update)
        answer = remarked(update, answer)
        if not is_for_one(update, answer):
            await self._say(update, answer)
            await self._enclose(update.room, answer, _answered_below(update))
        elif await self._whispered(update, answer.card):
            await self._point(update)
            await self._enclose(await self.direct(update.account), answer, "")
        else:
            await self._say(update, Answer(unmet(self.api.username)))

    async def _take_away(self, update: Update) -> None:
        """Delete the message that a secret was sent with; if Telegram does not let us, they are told to do it."""
        message = update.context.get("message", "")
        if not message:
            return
        try:
            await self.api.delete(update.room, message)
        except MessageLost:
            return
        except (Slower, Interrupted):
            raise
        except SluiceError as error:
            _LOG.info("A message of %s is not deleted: %s", update.account, error)
            sorry = Card("I cannot delete your message with the secret.", Tone.BAD, "Delete it.")
            await self._say(update, Answer(sorry))

    def carry(self, packages: PackageFiles) -> None:
        """Put files that people send for packages there, from now on."""
        self.carrier = Carrier(packages, self.files.fetch, _cannot, FETCHED[CHAT])

    async def _enclose(self, room: RoomId, answer: Answer, below: str) -> None:
        if answer.encloses is not None:
            await self.files.enclose(room, below, answer.encloses)

    async def _whispered(self, update: Update, card: Card) -> bool:
        """Whether it could be said to them alone. If Telegram does not take the card, with its title alone."""
        room = await self.direct(update.account)
        try:
            try:
                await self._post(room, apart(update, card))
            except Undeliverable as error:
                _LOG.warning("An answer to %s is said plainly: %s", update.account, error)
                await self._post(room, _plain(card))
        except (RoomLost, RoomMoved) as error:
            _LOG.info("%s cannot be answered alone: %s", update.account, error)
            return False
        return True

    async def _point(self, update: Update) -> None:
        """Say in the group that the answer is elsewhere, once. If that fails it is left: they have their answer."""
        if self._pointed.get(update.room) == update.key:
            return
        self._pointed[update.room] = update.key
        try:
            await self._say(update, Answer(ALONE))
        except SluiceError as error:
            _LOG.info("%s is not told where the answer is: %s", update.room, error)

    async def _say(self, update: Update, answer: Answer) -> None:
        """Answer where it was said; if Telegram does not take the card, with its title alone."""
        try:
            await self._answer(update, answer)
        except RoomMoved as moved:
            await self._answer(replace(update, room=moved.new, context={}), answer)
        except Undeliverable as error:
            _LOG.warning("An answer to %s is said plainly: %s", update.account, error)
            await self._post(update.room, _plain(answer.card), below=_answered_below(update))

    async def _answer(self, update: Update, answer: Answer) -> None:
        query, card = update.context.get("callback", ""), answer.card
        is_told = bool(query) and await self.toasts.say(query, card)
        if is_told and card.tone is Tone.BAD and not card.code and not card.buttons:
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


def _cannot(update: Update, refusal: Refused) -> Update:
    return replace(update, context={**update.context, **refused(refusal)})


def _plain(card: Card) -> Card:
    return Card(card.title, card.tone, card.text[:_LEAST])


def _answered_below(update: Update) -> str:
    """Return the message that an answer goes below: in company always, so that it is seen to whom it is said."""
    return update.context.get("message", "") if "callback" in update.context or not update.is_alone else ""


def _asked(update: Update, answer: Answer) -> str:
    """Return whose question the answer is; empty when it is a card that anybody may press."""
    return str(chat_of(update.account)) if is_question(answer) else ""
