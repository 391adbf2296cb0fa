"""What a chat is to the rest of the bot: where updates come from, and where cards go.

A chat that has accounts of its own (a `Messenger`) hands in `Update`s and is told `Answer`s; one that does not (the
console, the terminal) knows its persons and makes `Incoming`s itself.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol, runtime_checkable

from bot.cards import Card
from bot.forms import Form
from engine.errors import Broken, Interrupted, SluiceError
from engine.model import PersonId, RoomId


@dataclass(frozen=True, slots=True)
class Incoming:
    """One thing a person said or pressed. `key` names the delivery: the same key a second time is a repetition.

    `account` is theirs in that chat, when it has accounts. `is_alone`: nobody else reads along. `is_view`: a page that
    is open asks; nobody said it.
    """

    room: RoomId
    person: PersonId
    line: str
    key: str = ""
    account: str = ""
    is_alone: bool = True
    is_view: bool = False


FORM = "form"
"""In the context of an update: it was typed into a form, which only its sender sees, whatever the room."""


@dataclass(frozen=True, slots=True)
class Update:
    """One delivery of a chat. It can be kept as JSON: after a crash it is carried out from there.

    `key` is the same when the chat delivers it again. Either `line` (what was said) or `token` (the button pressed) is
    set. `context` is what the chat needs to answer it: a thread, the message pressed, a callback's id.
    """

    key: str
    room: RoomId
    account: str
    line: str = ""
    token: str = ""
    name: str = ""
    is_bot: bool = False
    is_alone: bool = False
    context: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Enclosure:
    """A file that goes with an answer, in chats that carry files: its name, and where it lies on this machine."""

    name: str
    place: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said back, to the room (`private`: only to the person). A chat that has forms may show `form` instead."""

    card: Card
    private: bool = False
    form: Form | None = None
    encloses: Enclosure | None = None


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a room may be written to: `burst` messages at once, then one `every` so long.

    What only moves (an observed share) is shown again after `refresh` at the earliest.
    """

    every: timedelta
    burst: int
    refresh: timedelta


class Slower(Interrupted):
    """The chat wants no more messages for `after`."""

    def __init__(self, chat: str, after: timedelta) -> None:
        super().__init__(f"{chat} asks to wait {after.total_seconds():g} s.")
        self.after = after


class RoomLost(SluiceError):
    """The room cannot be written to any more: it was deleted, or Sluice was blocked or sent away."""


class RoomMoved(SluiceError):
    """The room goes on under another name."""

    def __init__(self, old: RoomId, new: RoomId) -> None:
        super().__init__(f"{old} is {new} now.")
        self.new = new


class MessageLost(SluiceError):
    """The message that should be edited is not there any more."""


class Undeliverable(Broken):
    """The chat does not take this message, however often it is sent."""


class Chat(Protocol):
    """A place where people talk. Its rooms' ids begin with `name` and a colon."""

    name: str

    def pace(self, room: RoomId) -> Pace:
        """How often the room may be written to."""
        ...

    async def post(self, room: RoomId, card: Card) -> str:
        """Show a new card; returns the message's id in this chat."""
        ...

    async def edit(self, room: RoomId, message: str, card: Card) -> None:
        """Show `card` where `message` was. Raises `MessageLost` when it is gone."""
        ...


@runtime_checkable
class Messenger(Chat, Protocol):
    """A chat with accounts, threads perhaps, and rooms for one person alone.

    Every call may raise `Slower`, `RoomLost`, `RoomMoved`, `Undeliverable`, or `Interrupted` when the chat cannot be
    reached; whoever calls tries again.
    """

    has_threads: bool

    async def answer(self, update: Update, answer: Answer) -> None:
        """Answer what a person said or pressed: where they see it at once, and if it is private, nobody else."""
        ...

    async def reply(self, room: RoomId, message: str, card: Card) -> None:
        """Say something below a message, in its thread."""
        ...

    async def direct(self, account: str) -> RoomId:
        """The room where this account is spoken to alone."""
        ...


class Hearing(Protocol):
    """What takes a chat's deliveries."""

    async def accept(self, update: Update) -> bool:
        """Keep an update and carry it out soon; False when it was delivered before.

        Raises `Interrupted` or `Broken` when it cannot be kept: then the chat must not be told that it arrived.
        """
        ...

    async def settle(self, update: Update) -> list[Answer]:
        """Keep an update, carry it out now, and return what it is answered with, for a form that waits for it."""
        ...


class Ears(Protocol):
    """The side of a chat that listens."""

    @property
    def web(self) -> Callable[..., Awaitable[None]] | None:
        """An ASGI application for the port for machines; None: it needs none."""
        ...

    @property
    def trouble(self) -> str:
        """What keeps deliveries from coming now, while it is tried again; empty when they come."""
        ...

    def listening(self, hearing: Hearing) -> AbstractAsyncContextManager[None]:
        """Take deliveries inside the `async with`."""
        ...
