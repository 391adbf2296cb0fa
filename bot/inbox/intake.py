"""What chats deliver: kept first, acknowledged, and then carried out, once.

The danger is a chat that delivers twice, or a bot that dies between saying "yes" and doing it. The promise: what was
acknowledged is carried out, once, and answered. It holds because an update is in the database, under the delivery's
own key, before the chat is told that it has arrived; when it has been carried out, its answers take its place there
until they are given; what is still open when the bot starts is carried out then, or answered. What changes anything
remembers the same key in the transaction that changes it. Updates of one account are carried out in their order, those
of different accounts beside each other.

Here it is also decided who speaks: an account that belongs to nobody is told how to get in, and nothing else.
"""

import asyncio
import logging
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from bot.acting import audited
from bot.cards import Card, Tone
from bot.chat import FORM, Answer, Incoming, Messenger, Update
from bot.dispatch import Dispatch
from bot.inbox import written
from bot.inbox.pressing import Pressing
from bot.inbox.second_look import needs_second_look, second_look
from bot.linking import Linking
from bot.rooms.feed import Feed
from bot.rooms.line import Words
from bot.secrecy.codes import code_in
from bot.strangers import Strangers
from engine.errors import Interrupted, Refused, SluiceError
from engine.model import PersonId
from engine.ports import Clock
from storage.audit import Deed
from storage.book import SqlBook
from storage.faults import StoreUnavailable
from storage.store import SqlStore
from storage.updates import Kept

AGAIN_SECONDS = 1.0
TRIES = 60
"""After so many tries of what is not the database's trouble, it is said that it does not work."""
_LOG = logging.getLogger(__name__)


class Unknown(Refused):
    """The account belongs to nobody whom Sluice knows."""

    def __init__(self, account: str) -> None:
        super().__init__(
            "I do not know this account, so I show nothing to it.",
            "Whoever runs Sluice makes you known: `sluice person add YOU`, then `sluice say --as YOU link` prints a "
            f"code. Send me `link CODE` here, alone. (This account is {account}.)",
        )


class NoPerson(Refused):
    """A bot speaks."""

    def __init__(self) -> None:
        super().__init__("Releases are decided by people; I take no commands from bots.")


@dataclass(slots=True)
class Waiting:
    """An update in its lane. `told` hears the answers, where somebody waits for them."""

    update: Update
    told: "asyncio.Future[list[Answer]] | None" = None
    tries: int = 0


@dataclass(slots=True)
class Intake:
    """Carries out what `chats` deliver."""

    store: SqlStore
    clock: Clock
    dispatch: Dispatch
    pressing: Pressing
    feed: Feed
    chats: Mapping[str, Messenger]
    strangers: Strangers = field(default_factory=Strangers)
    _lanes: dict[str, deque[Waiting]] = field(default_factory=dict)
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)
    _is_over: bool = False

    @property
    def linking(self) -> Linking:
        """What joins accounts to persons."""
        return self.dispatch.linking

    async def accept(self, update: Update) -> bool:
        """Keep an update and carry it out soon; False when it was delivered before.

        Raises `Interrupted` or `Broken` when it cannot be kept: then the chat must not be told that it arrived.
        """
        update = self._concealed(update)
        is_new = await self._keep(update)
        if is_new:
            self._queue(Waiting(update))
        return is_new

    async def settle(self, update: Update) -> list[Answer]:
        """Keep an update, carry it out now, and return what it is answered with; nothing for a repeated delivery."""
        update = self._concealed(update)
        if not await self._keep(update):
            return []
        told: asyncio.Future[list[Answer]] = asyncio.get_running_loop().create_future()
        self._queue(Waiting(update, told))
        return await told

    async def recall(self) -> None:
        """Carry out what was accepted before the bot ended; what was carried out and not answered is answered."""
        for update, answers in written.readable(await self.store.read(lambda book: book.updates.open())):
            if answers is None:
                self._queue(Waiting(update))
            else:
                self._tell(update, answers)

    async def end(self) -> None:
        """Carry out nothing more; what is open, and what is still accepted, is carried out after the next start."""
        self._is_over = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _concealed(self, update: Update) -> Update:
        alone = update.is_alone or FORM in update.context
        return replace(update, line=self.dispatch.concealed(update.line, alone=alone))

    async def _keep(self, update: Update) -> bool:
        kept = Kept(update.key, self.clock.now(), written.update(update))
        return await self.store.transact(lambda book: book.updates.keep(kept))

    def _queue(self, waiting: Waiting) -> None:
        if self._is_over:
            if waiting.told is not None:
                waiting.told.set_result([])
            return
        account = waiting.update.account
        lane = self._lanes.setdefault(account, deque())
        lane.append(waiting)
        if len(lane) == 1:
            task = asyncio.create_task(self._drain(account, lane))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _drain(self, account: str, lane: deque[Waiting]) -> None:
        while lane:
            waiting = lane[0]
            try:
                answers = await self._carry_out(waiting)
            except (Interrupted, StoreUnavailable) as error:
                _LOG.warning("%s of %s waits: %s", waiting.update.key, account, error)
                self._put_off(waiting, error)
                if isinstance(error, StoreUnavailable) or waiting.tries < TRIES:
                    await asyncio.sleep(AGAIN_SECONDS)
                    continue
                answers = [Answer(Card(str(error), Tone.BAD, "It was given up; say it again."), private=True)]
            if waiting.told is None:
                self._tell(waiting.update, answers)
            elif not waiting.told.done():
                waiting.told.set_result(answers)
            lane.popleft()
        del self._lanes[account]

    def _put_off(self, waiting: Waiting, error: SluiceError) -> None:
        """Say once that something passing is in the way: it is carried out when that has passed."""
        waiting.tries += 1
        if waiting.tries > 1:
            return
        card = Card(str(error), Tone.BUSY, "What you said is kept, and carried out when that has passed.")
        later = Answer(card, private=True)
        if waiting.told is not None and not waiting.told.done():
            waiting.told.set_result([later])
            waiting.told = None
        elif waiting.told is None:
            self._say(waiting.update, [later], last=False)

    async def _carry_out(self, waiting: Waiting) -> list[Answer]:
        update = waiting.update
        answers, deed = await self._answers(update)
        is_told = waiting.told is not None
        await self.store.transact(lambda book: self._note(book, update, answers, deed, is_told=is_told))
        try:
            await self.feed.found(update.room)
        except SluiceError as error:
            _LOG.warning("%s is shown later what it missed: %s", update.room, error)
        return answers

    def _note(self, book: SqlBook, update: Update, answers: list[Answer], deed: Deed | None, *, is_told: bool) -> None:
        """Write down that it was carried out: from here on it is answered, and not done again."""
        if deed is not None:
            book.audit.add(deed)
        if answers and not is_told:
            book.updates.answer(update.key, written.update(update, answers))
        else:
            book.updates.close(update.key)

    def _tell(self, update: Update, answers: list[Answer]) -> None:
        if answers:
            self._say(update, answers, last=True)

    def _say(self, update: Update, answers: list[Answer], *, last: bool) -> None:
        chat = self.chats.get(update.room.partition(":")[0])
        if chat is None:
            _LOG.warning("%s cannot be answered: its chat is not set up any more.", update.key)
            return
        for answer in answers:
            self.feed.say(update.room, self._words(chat, update, answer, ends=last and answer is answers[-1]))

    def _words(self, chat: Messenger, update: Update, answer: Answer, *, ends: bool) -> Words:
        async def say() -> None:
            await chat.answer(update, answer)
            if not ends:
                return
            try:
                await self.store.transact(lambda book: book.updates.close(update.key))
            except SluiceError as error:
                _LOG.warning("%s was answered, which is not written down: %s", update.key, error)

        return say

    def _deed(self, update: Update, outcome: str, said: str) -> Deed:
        """What somebody said who was not let in, for the audit: without what may be a code."""
        now = self.clock.now()
        return Deed(
            key=update.key,
            at=now,
            person=PersonId(""),
            account=update.account,
            room=update.room,
            line=_CODES.sub("(a code)", audited(update.line)) if update.line else f"a button ({update.token})",
            outcome=outcome,
            said=said,
        )

    async def _answers(self, update: Update) -> tuple[list[Answer], Deed | None]:
        """What is answered, and what is audited when nobody has looked at the line."""
        try:
            return await self._answered(update), None
        except (Unknown, NoPerson) as refusal:
            if not self.strangers.may_ask(update.account, self.clock.now()):
                return [], None
            return [_refused(refusal)], self._deed(update, "refused", str(refusal))
        except Refused as refusal:
            return [_refused(refusal)], self._deed(update, "refused", str(refusal))
        except (Interrupted, StoreUnavailable):
            raise
        except Exception as error:  # noqa: BLE001 - a worker's loop: what breaks is answered, and the lane goes on
            _LOG.exception("Carrying out %s", update.key)
            return [Answer(_BROKE, private=True)], self._deed(update, "broke", type(error).__name__)

    async def _answered(self, update: Update) -> list[Answer]:
        if update.is_bot:
            raise NoPerson
        account = await self.store.read(lambda book: book.accounts.find(update.account))
        if account is None:
            code = code_in(update.line)
            if not code:
                raise Unknown(update.account)
            welcome = await self.linking.join(update, code)
            self.feed.look_again()
            return [welcome]
        if update.is_alone and account.direct != update.room:
            await self.store.transact(lambda book: book.accounts.meet(account.id, update.room))
        said = Incoming(update.room, account.person, update.line, update.key, update.account, update.is_alone)
        if not update.token:
            return await self._done(said)
        pressed = await self.pressing.find(update.room, update.token)
        if needs_second_look(pressed.line, danger=pressed.danger):
            return [second_look(pressed.line)]
        return await self._done(replace(said, line=pressed.line))

    async def _done(self, said: Incoming) -> list[Answer]:
        return await self.dispatch.carry_out(said) or [Answer(_REPEATED, private=True)]


_REPEATED = Card("That was taken in before.", text="`status` shows what came of it; if nothing did, say it again.")
_BROKE = Card("That went wrong inside Sluice; nothing was changed.", Tone.BAD, "Its log says what.")
_CODES = re.compile(r"\b[A-Z2-9]{4}-?[A-Z2-9]{4}\b", re.IGNORECASE)


def _refused(refusal: Refused) -> Answer:
    return Answer(Card(str(refusal), Tone.BAD, refusal.hint), private=True)
