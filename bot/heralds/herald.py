"""Follows the journal and tells others: channels at once, webhooks and people by way of the outbox.

The danger is a message that is lost because the bot died after the stage had succeeded, or one that starts another
pipeline twice. The promise: each entry of the journal is consumed once. It holds because what follows from an entry (a
run that is started, a condition that is met, messages that are kept) and the cursor behind it are one transaction. An
entry that cannot be consumed because of a fault is written into the log and passed by: it must not silence all others.

Most pipelines tell nobody anything. Which ones do is remembered by their definitions' versions, so that an entry of the
others costs nothing but a look at its kind.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from bot.cards import Tone
from bot.heralds.courier import Courier
from bot.heralds.messages import Messages
from engine.errors import Broken, Interrupted, SluiceError
from engine.model import RunId
from engine.notifications import KINDS
from storage.book import SqlBook
from storage.outbox import News
from storage.store import SqlStore

NAME = "herald"
PAGE = 500
PAUSE = 0.02
"""Seconds in which entries gather."""
AGAIN = 1.0
_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class Herald:
    """Tells. `announce` says in the rooms of a run what was cut off."""

    store: SqlStore
    messages: Messages
    courier: Courier
    announce: Callable[[str, Tone, str], Awaitable[None]]
    _read: int = 0
    _kept: int = 0
    _begun: bool = False
    _telling: dict[str, tuple[int, bool]] = field(default_factory=dict)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def live(self) -> None:
        """Tell until cancelled."""
        self.store.on_commit(self._heard)
        while True:
            is_behind = True
            try:
                await self.catch_up()
                is_behind = False
            except SluiceError as error:
                _LOG.warning("Others cannot be told: %s", error)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(AGAIN if is_behind else None):
                    await self._news.wait()
            self._news.clear()
            await asyncio.sleep(PAUSE)

    async def catch_up(self) -> None:
        """Tell everything that has happened until now."""
        if not self._begun:
            await self._begin()
        self._begun = False  # if this fails, perhaps because somebody else has moved the cursor
        await self._tell()
        self._begun = True

    def _heard(self, _runs: Mapping[RunId, int]) -> None:
        self._news.set()

    async def _begin(self) -> None:
        """Go on from the cursor; at the first start, from now on."""
        head = await self.store.read(lambda book: book.journal.head())
        await self.store.transact(lambda book: book.outbox.begin(NAME, head))
        cursor = await self.store.read(lambda book: book.outbox.cursor(NAME))
        self._read = self._kept = head if cursor is None else cursor

    async def _tell(self) -> None:
        while True:
            after = self._read
            page = await self.store.read(lambda book: book.outbox.news(after, KINDS, PAGE))  # noqa: B023 - read at once
            if not page:
                return
            telling = await self.store.read(lambda book: self._telling_in(book, page))  # noqa: B023 - read at once
            for news in page:
                if news.pipeline in telling:
                    await self._consume(news)
                self._read = news.seq
            if self._read - self._kept >= PAGE:
                await self._keep()

    async def _consume(self, news: News) -> None:
        try:
            cut = await self.store.transact(lambda book: self._consumed(book, news))
        except (Interrupted, Broken):
            raise
        except Exception:  # noqa: BLE001 - a worker's loop: one entry that cannot be told must not silence the others
            _LOG.exception("Entry %d of run %s cannot be told", news.n, news.run)
            return
        self._kept = news.seq
        self.courier.hurry()
        for sentence in cut:
            await self.announce(sentence, Tone.BAD, news.run)

    def _consumed(self, book: SqlBook, news: News) -> tuple[str, ...]:
        """Do what follows from an entry, unless somebody else has. Gives what has to be said in the rooms."""
        if not book.outbox.move(NAME, self._kept, news.seq):
            raise Broken("Another Sluice tells others from this database.")
        return self.messages.follow(book, news)

    async def _keep(self) -> None:
        """Remember how far nothing had to be told."""
        before, after = self._kept, self._read
        await self.store.transact(lambda book: book.outbox.move(NAME, before, after))
        self._kept = after

    def _telling_in(self, book: SqlBook, page: list[News]) -> frozenset[str]:
        """Find out which of the pipelines tell anybody anything, in any version."""
        names = {news.pipeline for news in page}
        for name, version in book.outbox.versions(names).items():
            known, tells = self._telling.get(name, (0, False))
            if version != known:
                tells = tells or book.outbox.mentions(name, known, ("tell", "notify"))
                self._telling[name] = (version, tells)
        return frozenset(name for name in names if self._telling.get(name, (0, True))[1])
