"""A chat without a wire: `bot.chat.Messenger` that keeps what it is told, and fails when a test says so."""

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from bot.cards import Button, Card
from bot.chat import Answer, MessageLost, Pace, Update
from bot.inbox.pressing import Pressing
from engine.errors import Interrupted, SluiceError
from engine.model import RoomId

SWIFT = Pace(every=timedelta(0), burst=5, refresh=timedelta(seconds=1))
CHANNEL = RoomId("model:c1")


@dataclass(slots=True)
class Message:
    """A message in a room: everything it has shown, the newest last, and what was said in its thread."""

    cards: list[Card]
    thread: list[Card] = field(default_factory=list)

    @property
    def card(self) -> Card:
        return self.cards[-1]


@dataclass
class ModelMessenger:
    """Rooms by name. `fails` is asked before each call (its name and room) and may return what to raise."""

    name: str = "model"
    has_threads: bool = True
    rate: Pace = SWIFT
    rooms: dict[RoomId, dict[str, Message]] = field(default_factory=dict)
    answers: list[tuple[Update, Answer]] = field(default_factory=list)
    calls: list[tuple[str, RoomId]] = field(default_factory=list)
    fails: Callable[[str, RoomId], SluiceError | None] = lambda _call, _room: None
    pressing: Pressing | None = None
    stalls: dict[str, asyncio.Event] = field(default_factory=dict)
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def pace(self, room: RoomId) -> Pace:
        return self.rate

    async def post(self, room: RoomId, card: Card) -> str:
        await self._call("post", room, card)
        message = f"m{next(self._numbers)}"
        self.rooms.setdefault(room, {})[message] = Message([card])
        return message

    async def edit(self, room: RoomId, message: str, card: Card) -> None:
        await self._call("edit", room, card)
        if message not in self.rooms.get(room, {}):
            raise MessageLost(f"{message} is not there.")
        self.rooms[room][message].cards.append(card)

    async def reply(self, room: RoomId, message: str, card: Card) -> None:
        await self._call("reply", room, card)
        self.rooms[room][message].thread.append(card)

    async def answer(self, update: Update, answer: Answer) -> None:
        await self._call("answer", update.room, answer.card)
        self.answers.append((update, answer))

    async def direct(self, account: str) -> RoomId:
        await self._call("direct", RoomId(account), Card(""))
        return RoomId(f"{self.name}:direct-{account.rpartition(':')[2]}")

    def showing(self, room: RoomId, key: str) -> list[Card]:
        """The cards of this key that the room shows."""
        return [one.card for one in self.rooms.get(room, {}).values() if one.card.key == key]

    async def token(self, room: RoomId, button: Button) -> str:
        """How the button is called in the room."""
        assert self.pressing is not None
        return (await self.pressing.naming(room, Card("", buttons=(button,))))(button)

    async def _call(self, call: str, room: RoomId, card: Card) -> None:
        self.calls.append((call, room))
        if call in self.stalls:
            await self.stalls[call].wait()
        error = self.fails(call, room)
        if error is not None:
            raise error
        if self.pressing is not None:
            await self.pressing.naming(room, card)


def unreachable(_call: str, _room: RoomId) -> SluiceError:
    """Everything fails, as when the service is away."""
    return Interrupted("The model chat does not answer.")
