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
from bot.pacing import Bucket
from engine.errors import SluiceError
from engine.model import RoomId, RunId

FIRST_PAUSE = 0.25
LONGEST_PAUSE = 10.0
LONGEST_WORDS = 200
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
    """Something to show: `seq` is the oldest journal entry that asks for it."""

    urgency: Urgency
    seq: int
    order: int


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
class Line:
    """Writes to `room`. `show` does one errand; `lost` hears that the room is gone or has moved."""

    room: RoomId
    chat: Chat
    show: Show
    lost: Callable[[RoomId, SluiceError], Awaitable[None]]
    trouble: str = ""
    _errands: dict[Name, Errand] = field(default_factory=dict)
    _words: deque[Words] = field(default_factory=lambda: deque(maxlen=LONGEST_WORDS))
    _stirred: asyncio.Event = field(default_factory=asyncio.Event)
    _task: "asyncio.Task[None] | None" = None
    _bucket: Bucket | None = None
    _doing: int | None = None
    _failures: int = 0
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

    def waiting(self) -> list[tuple[Name, Errand]]:
        """What has not been shown."""
        return list(self._errands.items())

    def say(self, words: Words) -> None:
        """Answer somebody, before everything else."""
        self._words.append(words)
        self._stir()

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
            try:
                wrote = await self._do(urgency)
            except SluiceError as error:
                wrote = True
                await self._failed(error, bucket)
            else:
                self._failures, self.trouble = 0, ""
            if wrote:
                bucket.take(clock())

    def _next(self) -> Urgency | None:
        if self._words:
            return Urgency.WORDS
        return min((errand.urgency for errand in self._errands.values()), default=None)

    async def _do(self, urgency: Urgency) -> bool:
        if urgency is Urgency.WORDS:
            await self._words[0]()
            self._words.popleft()
            return True
        name = min(self._errands, key=lambda one: (self._errands[one].urgency, self._errands[one].order))
        errand = self._errands.pop(name)
        self._doing = None if errand.urgency is Urgency.MOVING else errand.seq
        try:
            return await self.show(self.room, name)
        except Undeliverable as error:
            _LOG.error("%s does not take %s of %s: %s", self.room, name.about, name.run, error)
            return True
        except BaseException:
            self._put_back(name, errand)
            raise
        finally:
            self._doing = None

    def _put_back(self, name: Name, errand: Errand) -> None:
        asked = self._errands.get(name)
        if asked is not None:
            errand.urgency = min(errand.urgency, asked.urgency)
        self._errands[name] = errand

    async def _failed(self, error: SluiceError, bucket: Bucket) -> None:
        now = asyncio.get_running_loop().time()
        if isinstance(error, RoomLost | RoomMoved):
            await self.lost(self.room, error)
            self._words.clear()
            self._errands.clear()
        elif isinstance(error, Undeliverable):
            _LOG.error("%s does not take an answer: %s", self.room, error)
            self._words.popleft()
        elif isinstance(error, Slower):
            bucket.pause(now, error.after)
        else:
            self._failures += 1
            self.trouble = str(error)
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(self._failures - 1, 10))
            bucket.pause(now, timedelta(seconds=pause * random.uniform(0.7, 1.0)))  # noqa: S311 - spreads, hides nothing
