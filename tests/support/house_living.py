"""A house with a Sluice alive in the test's own process, and what its room hears."""

import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from bot.app import App, running
from bot.cards import Card
from bot.chat import Incoming
from bot.web.hub import Change, Listener
from bot.web.room import LOBBY
from engine.model import PersonId, Run
from tests.support.eventually import eventually
from tests.support.house_on_disk import House
from tests.support.victim import Story

WITHIN = 60.0


@dataclass(slots=True)
class Room:
    """Everything that the browsers of the lobby are told, from the moment on when it was opened."""

    listener: Listener
    told: list[Change] = field(default_factory=list)

    def heard(self, words: str) -> bool:
        """Whether a message with `words` was shown."""
        while not self.listener.queue.empty():
            change = self.listener.queue.get_nowait()
            if change is not None:
                self.told.append(change)
        return any(words in json.dumps(dict(change.data)) for change in self.told if change.kind == "message")


@dataclass(slots=True)
class Alive:
    """A Sluice with its first version deployed, and what people do with it."""

    house: House
    app: App

    async def ask(self, line: str, person: str = "ann") -> str:
        """Say a line; returns the answer in one piece: titles, texts and badges."""
        answers = await self.app.dispatch.answer(Incoming(LOBBY, PersonId(person), line))
        return " ".join(_words(answer.card) for answer in answers)

    async def begin(self) -> Story:
        """Begin a release of a new version."""
        story = Story(self.app, self.house.new_tag())
        await story.begin()
        return story

    async def until(self, story: Story, holds: Callable[[Run], bool], what: str) -> Run:
        """Wait until the release is as wanted."""
        seen: list[Run] = []

        async def look() -> bool:
            run = await story.run()
            assert run is not None
            seen[:] = [run]
            return holds(run)

        await eventually(look, what, WITHIN)
        return seen[0]

    async def until_heard(self, room: Room, words: str) -> None:
        """Wait until the room is told so."""

        async def look() -> bool:
            return room.heard(words)

        try:
            await eventually(look, f"the room hears: {words}", WITHIN)
        except AssertionError as error:
            raise AssertionError(f"{error}; it heard {[dict(one.data) for one in room.told]}") from None

    async def until_answered(self, line: str, words: str) -> None:
        """Say a line again and again until the answer has `words` in it."""
        last: list[str] = []

        async def look() -> bool:
            last[:] = [await self.ask(line)]
            return words in last[0]

        try:
            await eventually(look, f"{line} is answered with: {words}", WITHIN)
        except AssertionError as error:
            raise AssertionError(f"{error}; the last answer was {last}") from None

    @contextmanager
    def room(self) -> Iterator[Room]:
        """Listen as a browser does."""
        hub = self.app.chat.hub
        with hub.listen(LOBBY, hub.position) as listener:
            yield Room(listener)


@asynccontextmanager
async def alive(house: House) -> AsyncIterator[Alive]:
    """Let a Sluice live in the house, with version v1 released; nothing is left running after it."""
    async with AsyncExitStack() as after:
        app = await _moved_in(house, after)
        first = Story(app, house.new_tag())
        await first.meet(house.pipeline)
        await first.play()
        yield Alive(house, app)


async def _moved_in(house: House, after: AsyncExitStack) -> App:
    """Start a Sluice. Its target ends after it: while it lives, it would start its supervisord again."""
    sluice = running(house.settings)
    app = await sluice.__aenter__()
    after.push_async_callback(app.process.shutdown)
    after.push_async_exit(sluice)
    return app


@contextlib.contextmanager
def without(path: Any) -> Iterator[None]:
    """Let `path` vanish for as long as the block lasts."""
    hidden = path.with_name(f"{path.name}-hidden")
    path.rename(hidden)
    try:
        yield
    finally:
        hidden.rename(path)


def _words(card: Card) -> str:
    return f"{card.title} {card.text} {card.badge}".strip()
