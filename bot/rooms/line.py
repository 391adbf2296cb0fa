"""One room, written to by one task at a time: what matters first, what only moves when there is room for it.

The danger is a chat that limits, stalls or goes away: it must neither be hammered nor make the rest wait, and nothing
that people wait for may be lost in it. So a line keeps only names of what has to be shown, never the cards themselves:
whatever happens meanwhile, a run is shown once, as it is when its turn comes, and memory stays what it was. Answers to
people go first, then votes, questions and outcomes, then notices, then progress, then what is told in threads; progress
leaves the room's last token to them. When the chat asks to wait, the whole line waits exactly that long.
"""

import asyncio
import contextlib
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import IntEnum

from bot.cards import Card
from bot.chat import Chat, RoomLost, RoomMoved, Slower, Undeliverable
from bot.rooms.pacing import Bucket
from engine.errors import Interrupted, SluiceError
from engine.model import RoomId, RunId

FIRST_PAUSE = 0.25
LONGEST_PAUSE = 10.0
LONGEST_WORDS = 200
WORDS_IN_A_ROW = 5
"""After so many answers a vote or an outcome that waits is shown before the next one."""
TRIES = 3
"""How often an answer is tried whose failure is its own, and not that the chat is away."""
_LOG = logging.getLogger(__name__)


class Urgency(IntEnum):
    """What goes first. From `PROGRESS` on, one token is left in the bucket."""

    WORDS = 0
    OUTCOME = 1
    NOTICE = 2
    PROGRESS = 3
    THREAD = 4
    MOVING = 5


@dataclass(slots=True)
class Errand:
    """Something to show: `seq` is the oldest journal entry that asks for it. One that failed goes after all others."""

    urgency: Urgency
    seq: int
    order: int
    failures: int = 0

    @property
    def turn(self) -> tuple[bool, int, int]:
        """What goes first is smaller."""
        return self.failures > 0, self.urgency, self.order


@dataclass(frozen=True, slots=True)
class Name:
    """What an errand is about: a run's card, what is told in its thread, or (with `card`) a message of its own."""

    run: RunId
    about: str = "card"
    card: Card | None = None


Show = Callable[[RoomId, Name], Awaitable[bool]]
"""Shows something in a room; False when the room shows it already."""
Words = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class Said:
    """An answer that is to be given, and how often that failed for a reason of its own."""

    words: Words
    failures: int = 0


@dataclass(slots=True)
class Line:
    """Writes to `room`. `show` does one errand; `lost` hears that the room is gone or has moved."""

    room: RoomId
    chat: Chat
    show: Show
    lost: Callable[[RoomId, SluiceError], Awaitable[None]]
    trouble: str = ""
    _errands: dict[Name, Errand] = field(default_factory=dict)
    _words: deque[Said] = field(default_factory=deque)
    _stirred: asyncio.Event = field(default_factory=asyncio.Event)
    _task: "asyncio.Task[None] | None" = None
    _bucket: Bucket | None = None
    _doing: int | None = None
    _failures: int = 0
    _in_a_row: int = 0
    _is_full: bool = False
    _count: int = 0

    @property
    def oldest(self) -> int | None:
        """The oldest journal entry that has not been shown; None when all have."""
        waiting = [errand.seq for errand in self._errands.values() if errand.urgency is not Urgency.MOVING]
        return min([*waiting, *([] if self._doing is None else [self._doing])], default=None)

    def ask(self, name: Name, urgency: Urgency, seq: int) -> None:
        """Have something shown. What is asked for again is shown once, as early as the more urgent asking says."""
        known = self._errands.get(name)
        if known is None:
            self._count += 1
            self._errands[name] = Errand(urgency, seq, self._count)
        else:
            known.seq = seq if known.urgency is Urgency.MOVING else min(known.seq, seq)
            known.urgency = min(known.urgency, urgency)
        self._stir()

    def leave_to(self, heir: "Line") -> None:
        """Have another line write what this one has not: the room goes on as that one's."""
        for name, errand in self._errands.items():
            heir.ask(name, errand.urgency, errand.seq)
        for said in self._words:
            heir.say(said.words)
        self._words.clear()

    def say(self, words: Words) -> None:
        """Answer somebody, before everything else but what has waited for several answers already."""
        if len(self._words) >= LONGEST_WORDS:
            if not self._is_full:
                _LOG.error("%s has %d answers waiting; more are not given until some are.", self.room, LONGEST_WORDS)
            self._is_full = True
            return
        self._is_full = False
        self._words.append(Said(words))
        self._stir()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is left to write."""
        return not self._words and not self._errands and (self._task is None or self._task.done())

    async def end(self) -> None:
        """Write no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _stir(self) -> None:
        self._stirred.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._live())

    async def _live(self) -> None:
        """Write until nothing is left."""
        clock = asyncio.get_running_loop().time
        bucket = self._bucket = self._bucket or Bucket.full(self.chat.pace(self.room), clock())
        while (urgency := self._next()) is not None:
            self._stirred.clear()
            delay = bucket.delay(clock(), is_urgent=urgency < Urgency.PROGRESS)
            if delay > 0:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(delay):
                        await self._stirred.wait()
                continue
            if await self._one(urgency, bucket):
                bucket.take(clock())

    async def _one(self, urgency: Urgency, bucket: Bucket) -> bool:
        """Write one thing; whether a token was used."""
        try:
            wrote = await self._do(urgency)
        except SluiceError as error:
            await self._failed(error, bucket)
            return True
        except Exception:  # noqa: BLE001 - this loop is a worker's: one thing that breaks must not silence the room
            _LOG.exception("Writing to %s", self.room)
            return True
        self._failures, self.trouble = 0, ""
        return wrote

    def _next(self) -> Urgency | None:
        first = self._first()
        errand = None if first is None else self._errands[first].urgency
        if self._words and not (self._in_a_row >= WORDS_IN_A_ROW and errand is not None and errand <= Urgency.OUTCOME):
            return Urgency.WORDS
        return errand

    def _first(self) -> Name | None:
        return min(self._errands, key=lambda one: self._errands[one].turn, default=None)

    async def _do(self, urgency: Urgency) -> bool:
        if urgency is Urgency.WORDS:
            self._in_a_row += 1
            await self._say(self._words.popleft())
            return True
        self._in_a_row = 0
        name = self._first()
        if name is None:
            return False
        errand = self._errands.pop(name)
        self._doing = None if errand.urgency is Urgency.MOVING else errand.seq
        try:
            return await self.show(self.room, name)
        except Undeliverable as error:
            _LOG.error("%s does not take %s of %s: %s", self.room, name.about, name.run, error)
            return True
        except BaseException as error:
            errand.failures += not isinstance(error, Interrupted | asyncio.CancelledError)
            self._put_back(name, errand)
            raise
        finally:
            self._doing = None

    async def _say(self, said: Said) -> None:
        try:
            await said.words()
        except Undeliverable as error:
            _LOG.error("%s does not take an answer: %s", self.room, error)
        except RoomLost as error:
            _LOG.warning("An answer is not given in %s: %s", self.room, error)
            raise
        except BaseException as error:
            said.failures += not isinstance(error, Interrupted | asyncio.CancelledError)
            if said.failures < TRIES:
                self._words.appendleft(said)
            else:
                _LOG.error("An answer is not given in %s: %s", self.room, error)
            raise

    def _put_back(self, name: Name, errand: Errand) -> None:
        asked = self._errands.get(name)
        if asked is not None:
            errand.urgency = min(errand.urgency, asked.urgency)
        self._errands[name] = errand

    async def _failed(self, error: SluiceError, bucket: Bucket) -> None:
        now = asyncio.get_running_loop().time()
        if isinstance(error, RoomLost | RoomMoved):
            try:
                await self.lost(self.room, error)
            except SluiceError as again:
                self._pause(again, bucket, now)
                return
            self._errands.clear()  # answers stay: whoever speaks where Sluice is not has another way to hear them
            self._failures, self.trouble = 0, ""
        elif isinstance(error, Slower):
            bucket.pause(now, error.after)
        else:
            self._pause(error, bucket, now)

    def _pause(self, error: SluiceError, bucket: Bucket, now: float) -> None:
        """Wait longer each time."""
        self._failures += 1
        self.trouble = str(error)
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(self._failures - 1, 10))
        bucket.pause(now, timedelta(seconds=pause * random.uniform(0.7, 1.0)))  # noqa: S311 - spreads, hides nothing
