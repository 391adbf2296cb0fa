"""The journal, told to rooms: one card per run and room, edited in place.

The danger is a chat that is slow or gone holding up a release, or a room that is told twice or never. The promise:
releases never wait for rooms, and every room ends up showing the present state. It holds because the journal is read
once, from a durable cursor, and each entry only names what has to be shown; every room has a `Line` that shows it when
the chat lets it, made from the run as it is then. Entries that piled up become one edit. The cursor moves on when every
line has shown what came before it, and a message remembers which state of its run it shows: a restart reads a little of
the journal again and writes only what is missing. Between entries, a run whose traffic is split is shown anew, so the
observed share moves.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field

from bot.cards import Card
from bot.chat import Chat, Messenger, RoomMoved
from bot.desk import Desk
from bot.rooms.alarms import Alarms
from bot.rooms.audience import (
    audience_of,
    escalation,
    failure_of,
    gray_reminder,
    hear_failure,
    is_loud,
    notices,
    reminder,
)
from bot.rooms.line import Line, Name, Urgency, Words
from bot.rooms.meeting import Meeting
from bot.rooms.telling import Telling
from engine.errors import SluiceError
from engine.events import GrayKept, GrayReminded, Reminded, ReturnedToStart, ReviewEscalated, RunEnded, StageHeld
from engine.model import RoomId, Run, RunId, StageState
from engine.ports import Entry
from storage.book import SqlBook
from storage.store import SqlStore

REFRESH_SECONDS = 1.0
PAGE = 500
MOST_LINES = 500
"""From then on, rooms where nothing is left to say are forgotten; they are made anew when there is."""
_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class Feed:
    """Tells rooms what happens to runs. `always` are the rooms that are told everything; `chats` by their names.

    `lost` hears of a room that cannot be reached any more.
    """

    store: SqlStore
    desk: Desk
    chats: Mapping[str, Chat]
    always: tuple[RoomId, ...]
    lost: Callable[[RoomId, str], Awaitable[None]]
    alarms: Alarms = field(init=False)
    _telling: Telling = field(init=False)
    _meeting: Meeting = field(init=False)
    _lines: dict[RoomId, Line] = field(default_factory=dict)
    _gone: set[RoomId] = field(default_factory=set)
    _moved: dict[RoomId, RoomId] = field(default_factory=dict)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _read: int = 0
    _kept: int = 0
    _is_behind: bool = False
    _is_other: bool = False

    def __post_init__(self) -> None:
        """Make the parts that write, and that find whom to write to."""
        self.alarms = Alarms(self.store, self.post)
        self._telling = Telling(self.store, self.desk, self.chat_of)
        self._meeting = Meeting(self.store, self.chat_of, self._met)

    async def live(self) -> None:
        """Tell until cancelled."""
        self.store.on_commit(self._heard)
        begun = False
        try:
            while True:
                self._is_behind = True
                try:
                    if not begun:
                        await self._begin()
                        begun = True
                    await self._tell()
                    await self._ask_again()
                    self._refresh()
                    self._is_behind = False
                except SluiceError as error:
                    _LOG.warning("The rooms cannot be told: %s", error)
                await self._rest()
        finally:
            await asyncio.gather(self._meeting.end(), *(line.end() for line in self._lines.values()))

    def chat_of(self, room: RoomId) -> Chat | None:
        """The chat that the room is in, when cards can be sent there."""
        return self.chats.get(room.partition(":")[0])

    def say(self, room: RoomId, words: Words) -> None:
        """Answer somebody in a room, before what is told there."""
        line = self._line(room)
        if line is not None:
            line.say(words)

    def post(self, room: RoomId, card: Card) -> None:
        """Show a card in a room of a chat that nobody there has asked for; nothing where that cannot be."""
        where = self._moved.get(room, room)
        chat = self.chat_of(where)
        if chat is None or where in self._gone or where in self.always:
            return

        async def shown() -> None:
            there = self._moved.get(room, room)
            if there not in self._gone:
                await chat.post(there, card)

        self.say(where, shown)

    async def found(self, room: RoomId) -> None:
        """Something came from the room, so it can be reached (again)."""
        if room in self._gone:
            await self.store.transact(lambda book: book.rooms.lose(room, ""))
            self._gone.discard(room)
            for run in await self.store.read(lambda book: book.rooms.behind(room)):
                self._ask(room, Name(run), Urgency.OUTCOME, self._read)
            for name in await self.store.read(lambda book: list(self._failures(book, room))):
                self._ask(room, name, Urgency.NOTICE, self._read)
            self.look_again()

    def _failures(self, book: SqlBook, room: RoomId) -> Iterator[Name]:
        """The failures that runs stand still for and that the room hears of."""
        for run in book.runs.active():
            if about := failure_of(run):
                asked, shown = hear_failure(book, run)
                if room in asked or (room in shown and self._is_quiet(room)):
                    yield Name(run.id, about)

    def look_again(self) -> None:
        """Somebody can be told now who could not, or the other way round: open reviews are shown anew."""
        self._is_other = True
        self._news.set()

    def troubles(self) -> tuple[str, ...]:
        """What keeps rooms from being told now, a sentence for each chat."""
        found = {line.chat.name: line.trouble for line in self._lines.values() if line.trouble}
        return tuple(f"{name}: {sentence}" for name, sentence in found.items())

    def _heard(self, _runs: Mapping[RunId, int]) -> None:
        self._news.set()

    async def _rest(self) -> None:
        """Wait for news; meanwhile shares move, the cursor follows, and a database that was away may be back."""
        is_waiting = self._telling.moving or self._is_behind or self._kept != self._read
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(REFRESH_SECONDS if is_waiting else None):
                await self._news.wait()
        self._news.clear()

    async def _begin(self) -> None:
        """Go on from the cursor; active runs are shown anew, in case a card missed its last edit."""
        cursor, head, active = await self.store.read(
            lambda book: (book.rooms.cursor(), book.journal.head(), book.runs.active())
        )
        await self.alarms.recall()
        gone, self._moved = await self.store.read(lambda book: (book.rooms.lost(), book.rooms.moved()))
        self._gone = set(gone)
        self._read = self._kept = head if cursor is None else cursor
        if cursor is None:
            await self.store.transact(lambda book: book.rooms.set_cursor(head))
        for run in active:
            await self._show(run, Urgency.OUTCOME, self._read)

    async def _tell(self) -> None:
        """Read what has happened, and name it to the lines."""
        while True:
            after = self._read
            entries = await self.store.read(lambda book: book.journal.since(after, PAGE))  # noqa: B023 - read at once
            if not entries:
                break
            for name in dict.fromkeys(entry.run for entry in entries):
                await self._tell_run(name, [entry for entry in entries if entry.run == name])
            self._read = entries[-1].seq
        await self._keep()

    async def _ask_again(self) -> None:
        """Show open reviews to whoever can be told now, and in every room who cannot."""
        if not self._is_other:
            return
        self._is_other = False
        try:
            for run in await self.store.read(lambda book: book.runs.active()):
                if run.stage.state is StageState.AWAITING_REVIEW:
                    await self._show(run, Urgency.OUTCOME, self._read)
        except SluiceError:
            self._is_other = True
            raise

    async def _tell_run(self, name: RunId, entries: list[Entry]) -> None:
        ended = next((entry for entry in entries if isinstance(entry.event, RunEnded)), None)
        run, told = await self.store.read(lambda book: _run_and_notices(book, name, is_over=ended is not None))
        if run is None:
            return
        urgency = Urgency.OUTCOME if any(is_loud(entry) for entry in entries) else Urgency.PROGRESS
        await self._show(run, urgency, entries[0].seq)
        for room, card in told.items():
            self._ask(room, Name(run.id, "end", card), Urgency.NOTICE, entries[-1].seq)
        for entry in entries:
            if isinstance(entry.event, Reminded) and run.stage.state is StageState.AWAITING_REVIEW:
                await self._remind(run, entry, reminder(run))
            elif isinstance(entry.event, ReviewEscalated) and run.stage.is_escalated:
                await self._remind(run, entry, escalation(run))
            elif isinstance(entry.event, StageHeld | ReturnedToStart) and failure_of(run):
                await self._say_failure(run, entry)
            elif isinstance(entry.event, GrayReminded | GrayKept) and run.gray_until == entry.event.until:
                card = await self.store.read(lambda book, event=entry.event: gray_reminder(book, run, event))  # type: ignore[misc]
                await self._remind(run, entry, card)

    async def _show(self, run: Run, urgency: Urgency, seq: int) -> None:
        for room in await self._rooms(run):
            self._ask(room, Name(run.id), urgency, seq)
            chat = self.chat_of(room)
            if isinstance(chat, Messenger) and chat.has_threads:
                self._ask(room, Name(run.id, "thread"), Urgency.THREAD, seq)

    async def _remind(self, run: Run, entry: Entry, card: Card) -> None:
        """Say again what somebody has to do, where they see it: below what has been said since."""
        name = Name(run.id, f"reminder-{entry.n}", card)
        for room in await self._rooms(run):
            self._ask(room, name, Urgency.NOTICE, entry.seq)

    async def _say_failure(self, run: Run, entry: Entry) -> None:
        """Have it heard that the run waits for somebody to mend it: an edited card makes no sound without a thread."""
        asked, shown = await self.store.read(lambda book: hear_failure(book, run))
        for room in dict.fromkeys([*asked, *(room for room in shown if self._is_quiet(room))]):
            self._ask(room, Name(run.id, failure_of(run)), Urgency.NOTICE, entry.seq)

    def _is_quiet(self, room: RoomId) -> bool:
        """Whether people in the room hear nothing when a card is edited there."""
        chat = self.chat_of(self._moved.get(room, room))
        return isinstance(chat, Messenger) and not chat.has_threads

    async def _rooms(self, run: Run) -> list[RoomId]:
        told = await self.store.read(lambda book: audience_of(book, run))
        for account in told.accounts:
            if not account.direct:
                self._meeting.want(account, run.id)
        own = (account.direct for account in told.accounts if account.direct)
        rooms = dict.fromkeys(self._moved.get(room, room) for room in (*self.always, *told.rooms, *own))
        return [room for room in rooms if room not in self._gone and self.chat_of(room) is not None]

    async def _met(self, room: RoomId, name: RunId) -> None:
        """Somebody whom a run waits for can be spoken to alone now."""
        run = await self.store.read(lambda book: book.runs.find(name))
        if run is not None and run.stage.state is StageState.AWAITING_REVIEW and room not in self._gone:
            self._ask(room, Name(name), Urgency.OUTCOME, self._read)

    def _ask(self, room: RoomId, name: Name, urgency: Urgency, seq: int) -> None:
        where = self._moved.get(room, room)
        line = None if where in self._gone else self._line(where)
        if line is not None:
            line.ask(name, urgency, seq)

    def _line(self, room: RoomId) -> Line | None:
        chat = self.chat_of(room)
        if room not in self._lines and chat is not None:
            self._lines[room] = Line(room, chat, self._telling.show, self._lost)
        return self._lines.get(room)

    async def _lost(self, room: RoomId, error: SluiceError) -> None:
        if isinstance(error, RoomMoved) and error.new == room:
            return
        if isinstance(error, RoomMoved):
            await self.store.transact(lambda book: book.rooms.move(room, error.new))
            self._moved[room] = error.new
            left, heir = self._lines.pop(room), self._line(error.new)
            if heir is not None and error.new not in self._gone:
                left.leave_to(heir)
        elif room not in self._gone:
            await self.store.transact(lambda book: book.rooms.lose(room, str(error)))
            self._gone.add(room)
            self.look_again()
            await self.lost(room, str(error))
        self._telling.forget(room)

    async def _keep(self) -> None:
        """Move the cursor to where every line has shown everything before it."""
        waiting = [line.oldest for line in self._lines.values() if line.oldest is not None]
        done = min((seq - 1 for seq in waiting), default=self._read)
        if done > self._kept:
            await self.store.transact(lambda book: book.rooms.set_cursor(done))
            self._kept = done
        if len(self._lines) > MOST_LINES:
            self._lines = {room: line for room, line in self._lines.items() if not line.is_idle}

    def _refresh(self) -> None:
        now = asyncio.get_running_loop().time()
        for room, run in self._telling.due(now):
            self._ask(room, Name(run), Urgency.MOVING, self._read)


def _run_and_notices(book: SqlBook, name: RunId, *, is_over: bool) -> tuple[Run | None, dict[RoomId, Card]]:
    run = book.runs.find(name)
    return run, notices(book, run) if run is not None and is_over else {}
