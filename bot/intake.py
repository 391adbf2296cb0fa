"""What chats deliver: kept first, acknowledged, and then carried out, once.

The danger is a chat that delivers twice, or a bot that dies between saying "yes" and doing it. The promise: what was
acknowledged is carried out, and once. It holds because an update is in the database, under the delivery's own key,
before the chat is told that it has arrived; what is still open when the bot starts is carried out then; and what
changes anything remembers the same key in the transaction that changes it. Updates of one account are carried out in
their order, those of different accounts beside each other.

Here it is also decided who speaks: an account that belongs to nobody is told how to get in, and nothing else.
"""

import asyncio
import contextlib
import json
import logging
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace

from bot.acting import audited
from bot.cards import Card, Tone
from bot.chat import Answer, Incoming, Messenger, Update
from bot.dispatch import Dispatch
from bot.feed import Feed
from bot.grammar import parse
from bot.linking import Linking
from bot.pressing import Pressing
from bot.second_look import needs_second_look, second_look
from engine.errors import Refused, SluiceError
from engine.model import PersonId, RoomId
from engine.ports import Clock
from storage.audit import Deed
from storage.book import SqlBook
from storage.store import SqlStore
from storage.updates import Kept

AGAIN_SECONDS = 1.0
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
class Intake:
    """Carries out what `chats` deliver."""

    store: SqlStore
    clock: Clock
    dispatch: Dispatch
    pressing: Pressing
    feed: Feed
    chats: Mapping[str, Messenger]
    _lanes: dict[str, deque[Update]] = field(default_factory=dict)
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    @property
    def linking(self) -> Linking:
        """What joins accounts to persons."""
        return self.dispatch.linking

    async def accept(self, update: Update) -> bool:
        """Keep an update and carry it out soon; False when it was delivered before.

        Raises `Interrupted` or `Broken` when it cannot be kept: then the chat must not be told that it arrived.
        """
        kept = Kept(update.key, self.clock.now(), json.dumps(asdict(update)))
        is_new = await self.store.transact(lambda book: book.updates.keep(kept))
        if is_new:
            self._queue(update)
        return is_new

    async def settle(self, update: Update) -> list[Answer]:
        """Keep an update, carry it out now, and return what it is answered with; nothing for a repeated delivery."""
        kept = Kept(update.key, self.clock.now(), json.dumps(asdict(update)))
        if not await self.store.transact(lambda book: book.updates.keep(kept)):
            return []
        try:
            answers, refusal = await self._answers(update)
            await self.store.transact(lambda book: self._close(book, update, refusal))
        except SluiceError as error:
            _LOG.warning("%s waits: %s", update.key, error)
            self._queue(update)
            return [Answer(Card("That is kept, and carried out as soon as it can be.", text=str(error)), private=True)]
        return answers

    async def recall(self) -> None:
        """Carry out what was accepted before the bot ended and not answered."""
        for kept in await self.store.read(lambda book: book.updates.open()):
            said = json.loads(kept.document)
            self._queue(Update(**{**said, "room": RoomId(said["room"])}))

    async def end(self) -> None:
        """Carry out nothing more; what is open is carried out after the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _queue(self, update: Update) -> None:
        lane = self._lanes.setdefault(update.account, deque())
        lane.append(update)
        if len(lane) == 1:
            task = asyncio.create_task(self._drain(update.account, lane))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _drain(self, account: str, lane: deque[Update]) -> None:
        while lane:
            try:
                await self._carry_out(lane[0])
            except SluiceError as error:
                _LOG.warning("%s of %s waits: %s", lane[0].key, account, error)
                await asyncio.sleep(AGAIN_SECONDS)
                continue
            lane.popleft()
        del self._lanes[account]

    async def _carry_out(self, update: Update) -> None:
        answers, refusal = await self._answers(update)
        await self.store.transact(lambda book: self._close(book, update, refusal))
        await self.feed.found(update.room)
        chat = self.chats[update.room.partition(":")[0]]
        for answer in answers or [Answer(_REPEATED, private=True)]:
            self._say(chat, update, answer)

    def _say(self, chat: Messenger, update: Update, answer: Answer) -> None:
        async def say() -> None:
            await chat.answer(update, answer)

        self.feed.say(update.room, say)

    def _close(self, book: SqlBook, update: Update, refusal: Refused | None) -> None:
        if refusal is not None:
            book.audit.add(self._deed(update, refusal))
        book.updates.close(update.key)

    def _deed(self, update: Update, refusal: Refused) -> Deed:
        return Deed(
            key=update.key,
            at=self.clock.now(),
            person=PersonId(""),
            account=update.account,
            room=update.room,
            line=audited(update.line) if update.line else f"a button ({update.token})",
            outcome="refused",
            said=str(refusal),
        )

    async def _answers(self, update: Update) -> tuple[list[Answer], Refused | None]:
        """What is answered, and the refusal when it is refused before anybody has looked at the line."""
        try:
            return await self._answered(update), None
        except Refused as refusal:
            return [Answer(Card(str(refusal), Tone.BAD, refusal.hint), private=True)], refusal

    async def _answered(self, update: Update) -> list[Answer]:
        if update.is_bot:
            raise NoPerson
        account = await self.store.read(lambda book: book.accounts.find(update.account))
        if account is None:
            code = _code(update.line)
            if not code:
                raise Unknown(update.account)
            return [await self.linking.join(update, code)]
        if update.is_alone and account.direct != update.room:
            await self.store.transact(lambda book: book.accounts.meet(account.id, update.room))
        said = Incoming(update.room, account.person, update.line, update.key, update.account, update.is_alone)
        if not update.token:
            return await self.dispatch.answer(said)
        pressed = await self.pressing.find(update.room, update.token)
        if needs_second_look(pressed.line, danger=pressed.danger):
            return [second_look(pressed.line)]
        return await self.dispatch.answer(replace(said, line=pressed.line))


_REPEATED = Card("That is done already.", text="It was carried out when you said it first.")


def _code(line: str) -> str:
    """The code in ``link CODE``; empty when the line is anything else."""
    with contextlib.suppress(Refused):
        said = parse(line)
        if said.verb.name == "link" and said.words:
            return said.words[0]
    return ""
