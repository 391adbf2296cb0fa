"""`WebChat`: the console's room as a chat. Messages are stored first and then shown, so a reload never shows less.

A run has one card in the room. When it is posted again, it moves to the end; the place where it stood remembers that,
and an edit of the old message changes the card where it is now. Everything that changes one room happens one after
another: the order in which browsers are told is the order in which it was stored.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from bot.cards import Card
from bot.chat import Pace
from bot.web.hub import Hub
from bot.web.render import render_live, render_message
from bot.web.said import SLUICE, Document, Line, Moved, Shown, read, write
from engine.errors import SluiceError
from engine.model import PersonId, RoomId
from engine.ports import Clock
from storage.book import SqlBook
from storage.store import SqlStore

LOBBY = RoomId("web:lobby")
REMEMBERED = 500
SHOWN = 100
LIVE = 12
PACE = Pace(every=timedelta(milliseconds=50), burst=10, refresh=timedelta(seconds=1))


@dataclass(slots=True)
class WebChat:
    """`bot.chat.Chat` for browsers. `hub` knows which of them are there."""

    store: SqlStore
    clock: Clock
    name: str = "web"
    hub: Hub = field(default_factory=Hub)
    _rooms: dict[RoomId, dict[int, Shown]] = field(default_factory=dict)
    _unkept: int = 0
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def pace(self, room: RoomId) -> Pace:  # noqa: ARG002 - browsers take as much in every room
        """As fast as people can read what moves."""
        return PACE

    async def post(self, room: RoomId, card: Card) -> str:
        """Show a new card at the end of the room; an older one of the same key gives way."""
        async with self._turn:
            seen = await self._recall(room)
            older = [one for one in seen.values() if card.key and one.key == card.key]
            shown = await self._say(room, SLUICE, card, [replace(one, document=Moved(card.key)) for one in older])
            self._tell_live(room)
            return str(shown.seq)

    async def edit(self, room: RoomId, message: str, card: Card) -> None:
        """Show `card` where the message was, or where its card has moved to."""
        async with self._turn:
            seen = await self._recall(room)
            place = _place(seen, int(message))
            known = seen.get(place)
            at, by = (known.at, known.by) if known else (self.clock.now(), SLUICE)
            await self._change(room, Shown(place, at, by, card))
            self._tell_live(room)

    async def announce(self, room: RoomId, card: Card) -> None:
        """Show a card even when nothing can be kept: then it lasts as long as the browsers that saw it."""
        try:
            await self.post(room, card)
        except SluiceError:
            self._unkept -= 1
            self._tell(room, Shown(self._unkept, self.clock.now(), SLUICE, card))

    async def say(self, room: RoomId, person: PersonId, line: Line) -> None:
        """Show what a person said."""
        async with self._turn:
            await self._recall(room)
            await self._say(room, person, line)

    async def present(self, room: RoomId, limit: int = SHOWN) -> list[Shown]:
        """Return the room as it is now, oldest first, without what has moved."""
        async with self._turn:
            seen = await self._recall(room)
            return _visible(seen)[-limit:]

    async def live(self, room: RoomId) -> list[Shown]:
        """Return the cards of what is going on or waits for somebody, newest first."""
        async with self._turn:
            return _live(await self._recall(room))

    async def pressed(self, room: RoomId, line: str) -> str:
        """Return the text of the newest button that says `line`; empty when the room shows none."""
        async with self._turn:
            seen = await self._recall(room)
            cards = [one.document for one in reversed(_visible(seen)) if isinstance(one.document, Card)]
            return next((button.text for card in cards for button in card.buttons if button.line == line), "")

    async def _recall(self, room: RoomId) -> dict[int, Shown]:
        if room not in self._rooms:
            messages = await self.store.read(lambda book: book.chats.said(room, REMEMBERED))
            self._rooms[room] = {message.seq: read(message) for message in messages}
        return self._rooms[room]

    async def _say(self, room: RoomId, by: str, document: Document, moved: Sequence[Shown] = ()) -> Shown:
        now, text = self.clock.now(), write(document)

        def keep(book: SqlBook) -> int:
            for one in moved:
                book.chats.replace(one.seq, write(one.document))
            return book.chats.say(room, now, by, text)

        shown = Shown(await self.store.transact(keep), now, by, document)
        for one in (shown, *moved):
            self._rooms[room][one.seq] = one
            self._tell(room, one)
        while len(self._rooms[room]) > REMEMBERED:
            del self._rooms[room][min(self._rooms[room])]
        return shown

    async def _change(self, room: RoomId, shown: Shown) -> None:
        text = write(shown.document)
        await self.store.transact(lambda book: book.chats.replace(shown.seq, text))
        if shown.seq in self._rooms[room]:
            self._rooms[room][shown.seq] = shown
        self._tell(room, shown)

    def _tell(self, room: RoomId, shown: Shown) -> None:
        if isinstance(shown.document, Moved):
            self.hub.tell(room, "gone", {"id": shown.seq})
        else:
            self.hub.tell(room, "message", told(shown), shown.key, shown.words)

    def _tell_live(self, room: RoomId) -> None:
        self.hub.tell(room, "live", {"html": render_live(_live(self._rooms[room]))})


def told(shown: Shown) -> dict[str, object]:
    """Return a message as browsers are told of it."""
    return {
        "id": shown.seq,
        "key": shown.key,
        "html": render_message(shown),
        "by": shown.by,
        "at": shown.at.isoformat(),
    }


def _place(seen: dict[int, Shown], seq: int) -> int:
    known = seen.get(seq)
    if known is None or not isinstance(known.document, Moved):
        return seq
    key = known.document.key
    return max((one.seq for one in seen.values() if one.key == key), default=seq)


def _visible(seen: dict[int, Shown]) -> list[Shown]:
    return [one for _, one in sorted(seen.items()) if not isinstance(one.document, Moved)]


def _live(seen: dict[int, Shown]) -> list[Shown]:
    return [one for one in reversed(_visible(seen)) if one.is_live][:LIVE]
