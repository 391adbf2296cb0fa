"""What a chat is to the rest of the bot: where updates come from, and where cards go."""

from dataclasses import dataclass
from typing import Protocol

from bot.cards import Card
from engine.model import PersonId, RoomId


@dataclass(frozen=True, slots=True)
class Incoming:
    """One thing a person said or pressed. `key` names the delivery: the same key a second time is a repetition."""

    room: RoomId
    person: PersonId
    line: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said back, to the room (`private`: only to the person)."""

    card: Card
    private: bool = False


class Chat(Protocol):
    """A place where people talk. Its rooms' ids begin with `name` and a colon."""

    name: str

    async def post(self, room: RoomId, card: Card) -> str:
        """Show a new card; returns the message's id in this chat."""
        ...

    async def edit(self, room: RoomId, message: str, card: Card) -> None:
        """Show `card` where `message` was."""
        ...
