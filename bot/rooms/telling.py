"""What a line's errand does: makes the card from the run as it is now, and posts or edits it in the room."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from bot.cards import Card, Tone
from bot.chat import Chat, MessageLost, Messenger, Undeliverable
from bot.desk import Desk
from bot.news import sentence
from bot.presenters import present_failure
from bot.rooms.audience import FAILED, failure_of
from bot.rooms.line import Name
from engine.errors import InvariantViolation
from engine.events import StageFailed
from engine.model import RoomId, Run, RunId
from storage.rooms import Place
from storage.store import SqlStore

LOG_LINES = 40


@dataclass(slots=True)
class Seen:
    """What a room was shown of a run that is not over, and when (seconds of the loop's clock)."""

    card: Card
    at: float


@dataclass(slots=True)
class Telling:
    """Shows runs in rooms. Remembers what rooms were shown of active runs, so that nothing is written twice."""

    store: SqlStore
    desk: Desk
    chat_of: Callable[[RoomId], Chat | None]
    _seen: dict[tuple[RoomId, RunId], Seen] = field(default_factory=dict)
    _unkept: dict[tuple[RoomId, RunId], Place] = field(default_factory=dict)

    @property
    def moving(self) -> bool:
        """Whether any room shows traffic that is split now."""
        return any(seen.card.split is not None for seen in self._seen.values())

    def due(self, now: float) -> Iterator[tuple[RoomId, RunId]]:
        """What is shown anew because traffic moves, as often as each chat wants it."""
        for (room, run), seen in list(self._seen.items()):
            chat = self.chat_of(room)
            if seen.card.split is None or chat is None:
                continue
            if now - seen.at >= chat.pace(room).refresh.total_seconds():
                yield room, run

    async def show(self, room: RoomId, name: Name) -> bool:
        """Do one errand. False when the room shows it already."""
        if name.card is not None:
            return await self._notice(room, name, name.card)
        run, place = await self.store.read(lambda book: (book.runs.find(name.run), book.rooms.place(room, name.run)))
        if run is None:
            return False
        if name.about.startswith(FAILED):
            return name.about == failure_of(run) and await self._notice(room, name, present_failure(run))
        place = self._unkept.get((room, run.id), place)
        if name.about == "thread":
            return await self._thread(room, run, place)
        return await self._card(room, run, place)

    async def _card(self, room: RoomId, run: Run, place: Place | None) -> bool:
        card = await self.desk.card_of(run)
        if place is not None and self._shows(room, run, place, card):
            return False
        chat = self._chat(room)
        try:
            message = await _shown(chat, room, place, card)
        except Undeliverable:
            plain = Card(card.title, card.tone, buttons=card.buttons, key=card.key, badge=card.badge)
            try:
                message = await _shown(chat, room, place, plain)
            except Undeliverable:
                message = await chat.post(room, plain)
        told = 0 if place is None else place.told
        await self._put(room, run.id, Place(message, run.seq, told))
        self._remember(room, run, card)
        if place is None and (failure := failure_of(run)):
            await self._put(room, _key(Name(run.id, failure)), Place(message, 0))  # the card itself has been heard
        return True

    def _shows(self, room: RoomId, run: Run, place: Place, card: Card) -> bool:
        """Whether the room shows this already. What only ages is not written again."""
        seen = self._seen.get((room, run.id))
        if seen is None:
            return run.state.is_over and place.seq >= run.seq
        if place.seq < run.seq:
            return False
        seen.at = asyncio.get_running_loop().time()
        return _without_time(seen.card) == _without_time(card)

    def _remember(self, room: RoomId, run: Run, card: Card) -> None:
        if run.state.is_over:
            self._seen.pop((room, run.id), None)
        else:
            self._seen[room, run.id] = Seen(card, asyncio.get_running_loop().time())

    async def _notice(self, room: RoomId, name: Name, card: Card) -> bool:
        """Post a message of its own, once."""
        key = _key(name)
        if await self.store.read(lambda book: book.rooms.place(room, key)) is not None:
            return False
        place = self._unkept.get((room, key))
        if place is None:
            place = Place(await self._chat(room).post(room, card), 0)
        await self._put(room, key, place)
        return True

    async def _thread(self, room: RoomId, run: Run, place: Place | None) -> bool:
        """Tell below the card what has happened since it was told last."""
        chat = self._chat(room)
        if place is None or not isinstance(chat, Messenger):
            return False
        entries = await self.store.read(lambda book: book.journal.of(run.id, place.told))
        words = [words for entry in entries if (words := sentence(run, entry.event))]
        failed = next((entry.event.stage for entry in entries if isinstance(entry.event, StageFailed)), None)
        if words:
            short = [one.removeprefix(f"{run.id}: ") for one in words]
            code = "" if failed is None else await self._log(run.id, failed)
            card = Card(f"{run.id}", Tone.PLAIN, "\n".join(short), code=code)
            await chat.reply(room, place.message, card)
        if entries:
            await self._put(room, run.id, replace(place, told=entries[-1].n))
        return bool(words)

    async def _log(self, run: RunId, stage: int) -> str:
        pieces = await self.store.read(lambda book: book.logs.tail(run, stage, LOG_LINES))
        return "\n".join(piece.text for piece in pieces)

    async def _put(self, room: RoomId, key: RunId, place: Place) -> None:
        """Remember where something is shown: also when that cannot be written down, so that it is not shown twice."""
        self._unkept[room, key] = place
        await self.store.transact(lambda book: book.rooms.put(room, key, place))
        del self._unkept[room, key]

    def forget(self, room: RoomId) -> None:
        """The room shows nothing any more."""
        for seen in [known for known in self._seen if known[0] == room]:
            del self._seen[seen]

    def _chat(self, room: RoomId) -> Chat:
        chat = self.chat_of(room)
        if chat is None:
            raise InvariantViolation(f"{room} is in no chat.")
        return chat


def _key(name: Name) -> RunId:
    """Under what is remembered where a message of its own was posted."""
    return RunId(f"{name.run}#{name.about}")


async def _shown(chat: Chat, room: RoomId, place: Place | None, card: Card) -> str:
    """Show a card where it is, or anew; returns its message."""
    if place is not None:
        try:
            await chat.edit(room, place.message, card)
        except MessageLost:
            return await chat.post(room, card)
        return place.message
    return await chat.post(room, card)


def _without_time(card: Card) -> Card:
    """The card without what changes by itself as time goes."""
    stops = tuple(replace(stop, seconds=None) for stop in card.topology)
    fields = tuple(field for field in card.fields if field.label != "Running for")
    return replace(card, topology=stops, fields=fields)
