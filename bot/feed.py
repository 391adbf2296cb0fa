"""The journal, told to rooms: one card per run and room, edited in place.

The danger is a chat that is slow or gone holding up a release, or a room that is told twice or never. The promise:
releases never wait for rooms, and every room ends up showing the present state. It holds because a room has a durable
cursor into the journal, and a card is made from the run as it is now: entries that piled up become one edit, and a
restart goes on from the cursor. Between entries, a run whose traffic is split is shown anew each second, so the
observed share moves.
"""

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.cards import Card, Tone
from bot.chat import Chat
from bot.desk import Desk
from engine.errors import SluiceError
from engine.events import Reminded
from engine.model import RoomId, Run, RunId, StageState
from engine.ports import Entry
from engine.transitions import missing_reviewers
from storage.book import SqlBook
from storage.store import SqlStore

GATHER_SECONDS = 0.15
REFRESH_SECONDS = 1.0
PAGE = 500
_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class Feed:
    """Tells `rooms`, each by its chat, what happens to runs."""

    store: SqlStore
    desk: Desk
    rooms: Mapping[RoomId, Chat]
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _shown: dict[tuple[RoomId, RunId], Card] = field(default_factory=dict)
    _split: dict[RunId, Run] = field(default_factory=dict)
    _is_behind: bool = False

    async def live(self) -> None:
        """Tell until cancelled."""
        self.store.on_commit(self._heard)
        begun = False
        while True:
            self._is_behind = True
            try:
                if not begun:
                    await self._begin()
                    begun = True
                await self._tell()
                await self._refresh()
                self._is_behind = False
            except SluiceError as error:
                _LOG.warning("The rooms cannot be told: %s", error)
            await self._rest()

    def _heard(self, _runs: Mapping[RunId, int]) -> None:
        self._news.set()

    async def _rest(self) -> None:
        await asyncio.sleep(GATHER_SECONDS)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), REFRESH_SECONDS if self._split or self._is_behind else None)
        self._news.clear()

    async def _begin(self) -> None:
        """New rooms begin with what comes; active runs are shown anew, in case a card missed its last edit."""
        active = await self.store.read(lambda book: book.runs.active())
        for room in self.rooms:
            await self.store.transact(lambda book, room=room: _begin_at(book, room))  # type: ignore[misc]
            for run in active:
                await self._show(room, run)

    async def _tell(self) -> None:
        for room in self.rooms:
            while await self._tell_some(room):
                pass

    async def _tell_some(self, room: RoomId) -> bool:
        """Tell the room about the runs of the next entries; False when there are none."""
        cursor, entries = await self.store.read(lambda book: _next(book, room))
        if not entries:
            return False
        for name in dict.fromkeys(entry.run for entry in entries):
            run = await self.store.read(lambda book, name=name: book.runs.find(name))  # type: ignore[misc]
            if run is not None:
                await self._show(room, run)
        for entry in entries:
            if isinstance(entry.event, Reminded):
                await self._remind(room, entry.run)
        newest = entries[-1].seq
        await self.store.transact(lambda book: book.chats.set_cursor(room, newest))
        return len(entries) == PAGE and cursor < newest

    async def _remind(self, room: RoomId, name: RunId) -> None:
        """Ask the missing reviewers again, where they see it: below what has been said since."""
        run = await self.store.read(lambda book: book.runs.find(name))
        if run is not None and run.stage.state is StageState.AWAITING_REVIEW:
            missing = ", ".join(missing_reviewers(run))
            await self.rooms[room].post(room, Card(f"{run.id} still waits for {missing}", Tone.ASKING))

    async def _show(self, room: RoomId, run: Run) -> None:
        card = await self.desk.card_of(run)
        self._follow(run, card)
        if self._shown.get((room, run.id)) == card:
            return
        chat = self.rooms[room]
        message = await self.store.read(lambda book: book.chats.card(room, run.id))
        if message is None:
            message = await chat.post(room, card)
            posted = message
            await self.store.transact(lambda book: book.chats.set_card(room, run.id, posted, run.seq))
        else:
            await chat.edit(room, message, card)
        if run.state.is_over:
            self._shown.pop((room, run.id), None)
        else:
            self._shown[room, run.id] = card

    def _follow(self, run: Run, card: Card) -> None:
        if card.split is not None and not run.state.is_over:
            self._split[run.id] = run
        else:
            self._split.pop(run.id, None)

    async def _refresh(self) -> None:
        for run in tuple(self._split.values()):
            for room in self.rooms:
                await self._show(room, run)


def _begin_at(book: SqlBook, room: RoomId) -> None:
    if book.chats.cursor(room) is None:
        book.chats.set_cursor(room, book.journal.head())


def _next(book: SqlBook, room: RoomId) -> tuple[int, list[Entry]]:
    cursor = book.chats.cursor(room) or 0
    return cursor, book.journal.since(cursor, PAGE)
