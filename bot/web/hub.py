"""Who watches the room: what changes is handed to every connected browser, in order, or the browser starts afresh.

The danger is a phone in a tunnel: it must neither hold memory for ever nor come back to a stale card. So each
listener has a bounded queue and is dropped when it is full, and the last changes are kept under numbers: a browser
that comes back says the last number it saw and gets what it missed. When that is no longer known (another process,
too long ago), it gets the present state of the room instead, which is always right because every change is "this
message now looks so".
"""

import asyncio
import secrets
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from engine.model import RoomId

KEPT = 256
WAITING = 256
MOST = 500


@dataclass(frozen=True, slots=True)
class Change:
    """One thing to tell the browsers of a room. `kind` is the event's name, `data` becomes JSON.

    `words` is what is written in it: who may not read that is told nothing of the change.
    """

    number: int
    room: RoomId
    kind: str
    key: str
    data: Mapping[str, object]
    words: str = ""


@dataclass(slots=True, eq=False)
class Listener:
    """One connected browser. `missed` is None when it must be given the present state first."""

    room: RoomId
    key: str
    missed: list[Change] | None
    queue: asyncio.Queue[Change | None] = field(default_factory=lambda: asyncio.Queue(WAITING))
    lost: asyncio.Event = field(default_factory=asyncio.Event)

    def wants(self, change: Change) -> bool:
        """Whether the browser looks at what changed; one that looks at a run hears of that run only."""
        return change.room == self.room and self.key in ("", change.key)

    def tell(self, change: Change) -> None:
        """Queue the change, or give the browser up."""
        try:
            self.queue.put_nowait(change)
        except asyncio.QueueFull:
            self.lost.set()


@dataclass(slots=True)
class Hub:
    """Every listener, and the last changes. `boot` makes the numbers of two processes different."""

    boot: str = field(default_factory=lambda: secrets.token_hex(4))
    number: int = 0
    closed: bool = False
    _kept: deque[Change] = field(default_factory=lambda: deque(maxlen=KEPT))
    _listeners: set[Listener] = field(default_factory=set)

    @property
    def position(self) -> str:
        """What a page that is made now has seen."""
        return self.name(self.number)

    @property
    def is_full(self) -> bool:
        """Whether no further browser is let in."""
        return len(self._listeners) >= MOST

    def name(self, number: int) -> str:
        """Return the event id of the change with this number."""
        return f"{self.boot}-{number}"

    def tell(self, room: RoomId, kind: str, data: Mapping[str, object], key: str = "", words: str = "") -> None:
        """Tell everybody who looks at the room."""
        self.number += 1
        change = Change(self.number, room, kind, key, data, words)
        self._kept.append(change)
        for listener in [one for one in self._listeners if one.wants(change)]:
            listener.tell(change)

    @contextmanager
    def listen(self, room: RoomId, since: str, key: str = "") -> Iterator[Listener]:
        """Be told from the event id `since` on, until the block ends."""
        listener = Listener(room, key, None)
        missed = self._since(since)
        listener.missed = None if missed is None else [change for change in missed if listener.wants(change)]
        if self.closed:
            listener.lost.set()
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    def close(self) -> None:
        """Send everybody away: the bot ends."""
        self.closed = True
        for listener in self._listeners:
            listener.lost.set()

    def _since(self, position: str) -> list[Change] | None:
        boot, _, number = position.rpartition("-")
        if boot != self.boot or not number.isdecimal():
            return None
        seen = int(number)
        oldest = self._kept[0].number if self._kept else self.number + 1
        if seen > self.number or seen + 1 < oldest:
            return None
        return [change for change in self._kept if change.number > seen]
