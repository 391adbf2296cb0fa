"""What is broken, and that it works again, said in rooms of chats: to those who look at no console.

The danger is a trouble that comes and goes and fills every room, or one that tells a room of a group that is closed to
it. The promise: a room hears what concerns the pipelines that it follows and what concerns all, the same sentence once
an hour at most, and of closed groups no name but those of these pipelines. In a chat where no room follows anything,
those rooms hear it in which runs were asked for lately. Who hears is remembered, because a database that is away is
trouble, too.

The last word in a room is true: what breaks again after it was mended is said again, with the remark that it comes and
goes, and then neither its end nor its next beginning is said within the hour.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from bot.cards import Card, Tone
from bot.rights.holders import Sight, sight_of_pipelines
from bot.rooms.following import seen
from engine.errors import SluiceError
from engine.model import RoomId, RunId
from storage.book import SqlBook
from storage.store import SqlStore

AGAIN = 3600.0
"""Seconds in which a sentence is said once."""
LATELY = 20
"""How many of the latest runs are looked at."""
AND_AGAIN = "It comes and goes; `status` tells whether it works now."
_TOLD = (Tone.BAD, Tone.GOOD)


@dataclass(frozen=True, slots=True)
class Said:
    """When a sentence was said, about what, and whether as one that comes and goes."""

    at: float
    about: str
    is_repeated: bool


@dataclass(slots=True)
class Alarms:
    """Says trouble and its end. `post` has a card shown in a room; nothing happens where there is no such chat."""

    store: SqlStore
    post: Callable[[RoomId, Card], None]
    _known: Mapping[RoomId, Sight] = field(default_factory=dict)
    _said: dict[tuple[str, Tone], Said] = field(default_factory=dict)

    async def recall(self) -> None:
        """Find out who hears of trouble."""
        self._known = await self.store.read(listeners)

    async def tell(self, card: Card, about: str = "") -> None:
        """Say it to whom it concerns; `about` is a run, a workload or a pipeline, empty: what concerns all."""
        now, key = asyncio.get_running_loop().time(), (card.title, card.tone)
        self._said = {one: said for one, said in self._said.items() if now - said.at < AGAIN}
        if card.tone not in _TOLD or not self._is_news(card, about):
            return
        is_repeated = card.tone is Tone.BAD and key in self._said
        self._said = {one: said for one, said in self._said.items() if one != key}
        self._said[key] = Said(now, about, is_repeated)
        if is_repeated:
            card = replace(card, text=AND_AGAIN)
        for room, sight in (await self._listeners(about)).items():
            if sight.may_read(f"{card.title} {card.text}"):
                self.post(room, card)

    def _is_news(self, card: Card, about: str) -> bool:
        """Whether it was not said lately, or what it takes back was said since; its matter is what it is about."""
        said = list(self._said)
        if (card.title, card.tone) not in said:
            return True
        since = said[said.index((card.title, card.tone)) + 1 :]
        other = Tone.GOOD if card.tone is Tone.BAD else Tone.BAD
        later = [self._said[one] for one in since if one[1] is other]
        return any(one.about == about and not one.is_repeated for one in later)

    async def _listeners(self, about: str) -> Mapping[RoomId, Sight]:
        try:
            if about:
                return await self.store.read(lambda book: listeners(book, about))
            await self.recall()
        except SluiceError:
            return {} if about else self._known
        return self._known


def listeners(book: SqlBook, about: str = "") -> dict[RoomId, Sight]:
    """The rooms that hear of trouble with a run, a workload, a pipeline or all, and what is hidden from each."""
    followed = _followed(book)
    if about:
        run = book.runs.find(RunId(about))
        concerned = {about, *({run.pipeline} if run is not None else _releasing(book, about))}
        followed = {room: names for room, names in followed.items() if names & concerned}
        if run is not None:
            followed.setdefault(run.room, {run.pipeline})
    return {room: sight_of_pipelines(book, names) for room, names in followed.items()}


def _followed(book: SqlBook) -> dict[RoomId, set[str]]:
    followed: dict[RoomId, set[str]] = {}
    for wish in seen(book, book.subscriptions.all()):
        followed.setdefault(wish.room, set()).add(wish.pipeline)
    chats = {_chat(room) for room in followed}
    for run in book.runs.latest(None, LATELY):
        if _chat(run.room) not in chats:
            followed.setdefault(run.room, set()).add(run.pipeline)
    return followed


def _releasing(book: SqlBook, about: str) -> set[str]:
    return {pipeline for workload, pipeline in book.grants.released() if workload == about}


def _chat(room: RoomId) -> str:
    return room.partition(":")[0]
