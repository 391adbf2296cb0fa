"""What is broken, and that it works again, said in rooms of chats: to those who look at no console.

The danger is a trouble that comes and goes and fills every room, or one that tells a room of a group that is closed to
it. The promise: a room hears what concerns the pipelines that it follows and what concerns all, the same sentence once
an hour at most, and no name that is hidden from it. In a chat where no room follows anything, those rooms hear it in
which runs were asked for lately. Who hears is remembered, because a database that is away is trouble, too.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bot.cards import Card, Tone
from bot.rights.holders import Sight, sight_of_groups
from engine.errors import SluiceError
from engine.model import RoomId, RunId
from storage.book import SqlBook
from storage.store import SqlStore

AGAIN = 3600.0
"""Seconds in which a sentence is said once."""
LATELY = 20
"""How many of the latest runs are looked at."""
_TOLD = (Tone.BAD, Tone.GOOD)


@dataclass(slots=True)
class Alarms:
    """Says trouble and its end. `post` has a card shown in a room; nothing happens where there is no such chat."""

    store: SqlStore
    post: Callable[[RoomId, Card], None]
    _known: Mapping[RoomId, Sight] = field(default_factory=dict)
    _said: dict[Card, float] = field(default_factory=dict)

    async def recall(self) -> None:
        """Find out who hears of trouble."""
        self._known = await self.store.read(listeners)

    async def tell(self, card: Card, about: str = "") -> None:
        """Say it to whom it concerns; `about` is a run or a workload, empty: what concerns all."""
        now = asyncio.get_running_loop().time()
        self._said = {one: at for one, at in self._said.items() if now - at < AGAIN}
        if card.tone not in _TOLD or not self._is_news(card):
            return
        self._said[card] = now
        for room, sight in (await self._listeners(about)).items():
            if sight.may_read(f"{card.title} {card.text}"):
                self.post(room, card)

    def _is_news(self, card: Card) -> bool:
        """Whether it was not said lately. That something works again is news whenever trouble was said since."""
        before = self._said.get(card)
        if before is None or card.tone is Tone.BAD:
            return before is None
        return any(at > before for one, at in self._said.items() if one.tone is Tone.BAD)

    async def _listeners(self, about: str) -> Mapping[RoomId, Sight]:
        try:
            if about:
                return await self.store.read(lambda book: listeners(book, about))
            await self.recall()
        except SluiceError:
            return {} if about else self._known
        return self._known


def listeners(book: SqlBook, about: str = "") -> dict[RoomId, Sight]:
    """The rooms that hear of trouble with a run, a workload or (empty) everything, and what is hidden from each."""
    followed = _followed(book)
    if about:
        run = book.runs.find(RunId(about))
        concerned = {run.pipeline} if run is not None else _releasing(book, about)
        followed = {room: names for room, names in followed.items() if names & concerned}
        if run is not None:
            followed.setdefault(run.room, {run.pipeline})
    return {room: _sight(book, names) for room, names in followed.items()}


def _followed(book: SqlBook) -> dict[RoomId, set[str]]:
    followed: dict[RoomId, set[str]] = {}
    for wish in book.subscriptions.all():
        followed.setdefault(wish.room, set()).add(wish.pipeline)
    chats = {_chat(room) for room in followed}
    for run in book.runs.latest(None, LATELY):
        if _chat(run.room) not in chats:
            followed.setdefault(run.room, set()).add(run.pipeline)
    return followed


def _releasing(book: SqlBook, about: str) -> set[str]:
    return {pipeline for workload, pipeline in book.grants.released() if workload == about}


def _sight(book: SqlBook, pipelines: set[str]) -> Sight:
    groups = {group for name in pipelines if (group := book.grants.group_of(name)) is not None}
    return sight_of_groups(book, groups)


def _chat(room: RoomId) -> str:
    return room.partition(":")[0]
