"""The whole bot in one process, as people meet it: they say lines and read cards, and the room shows what goes on.

Everything under it is real (git, bundles, the database, supervisord, Envoy), in a home of its own that is ended and
removed afterwards. A pipeline that deploys nothing starts neither supervisord nor Envoy.
"""

import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bot.app import App, running
from bot.cards import Card
from bot.chat import Incoming, Messenger
from bot.settings import Settings
from bot.web.room import LOBBY
from engine.model import Person, PersonId, Run, RunId, RunState, StageState
from engine.ports import Target
from engine.targets.process import ProcessTarget
from tests.support.eventually import eventually
from tests.support.repository import Repository
from tests.support.store import lay_tables

PEOPLE = ("ann", "bob", "cleo")
PATIENCE = 60.0
_STARTED = re.compile(r"([a-z0-9-]+-\d+) is on its way\.")


@dataclass(repr=False)
class Bot:
    """A running bot that knows `PEOPLE`. It has no repr: asyncio asks for them, and a whole bot's takes seconds."""

    app: App
    home: Path
    heard: list[Card] = field(default_factory=list)

    async def say(self, line: str, person: str = "ann", key: str = "") -> str:
        """Say a line in the lobby; returns all the words of the answer."""
        answers = await self.app.dispatch.answer(Incoming(LOBBY, PersonId(person), line, key))
        self.heard = [answer.card for answer in answers]
        return "\n".join(words_of(card) for card in self.heard)

    async def start(self, line: str, person: str = "ann") -> RunId:
        """Say a line that asks back (run, rollback), say yes, and return the run that began."""
        asked = await self.say(line, person)
        answer = await self.say("yes", person)
        found = _STARTED.search(answer)
        assert found, f"{line!r} was answered:\n{asked}\n{answer}"
        return RunId(found.group(1))

    async def run(self, name: str) -> Run:
        """The run as it is now."""
        return await self.app.store.read(lambda book: book.runs.load(RunId(name)))

    async def runs(self, pipeline: str) -> list[Run]:
        """The pipeline's runs, newest first."""
        return await self.app.store.read(lambda book: book.runs.latest(pipeline, 50))

    async def until(self, name: str, holds: Callable[[Run], bool], what: str, within: float = PATIENCE) -> Run:
        """Wait until the run is as wanted."""

        async def look() -> bool:
            return holds(await self.run(name))

        try:
            await eventually(look, f"{name}: {what}", within)
        except AssertionError as error:
            run = await self.run(name)
            said = (
                f"{run.state}, {run.stage.name} {run.stage.state}: {run.reason or run.stage.reason or run.stage.note}"
            )
            raise AssertionError(f"{error}; it is {said}") from None
        return await self.run(name)

    async def asks(self, name: str, within: float = PATIENCE) -> Run:
        """Wait until the run's review is open."""
        return await self.until(
            name, lambda run: run.stage.state is StageState.AWAITING_REVIEW, "asks its reviewers", within
        )

    async def is_held(self, name: str, within: float = PATIENCE) -> Run:
        """Wait until the run is held at a failed stage."""
        return await self.until(name, lambda run: run.stage.state is StageState.HELD, "is held", within)

    async def ends(self, name: str, state: RunState, within: float = PATIENCE) -> Run:
        """Wait until the run is over, which must be as `state`."""
        run = await self.until(name, lambda run: run.state.is_over, f"ends {state}", within)
        assert run.state is state, f"{name} is {run.state}: {run.reason or run.stage.reason}"
        return run

    async def cards(self) -> list[Card]:
        """Every card that the lobby shows, oldest first."""
        return [one.document for one in await self.app.chat.present(LOBBY) if isinstance(one.document, Card)]

    async def card(self, name: str) -> Card:
        """The run's card in the lobby; there is exactly one."""
        found = [card for card in await self.cards() if card.key == name]
        assert len(found) == 1, f"{len(found)} cards of {name}"
        return found[0]

    async def shows(self, name: str, holds: Callable[[Card], bool], what: str, within: float = 15.0) -> Card:
        """Wait until the run's card in the lobby is as wanted."""

        async def look() -> bool:
            found = [card for card in await self.cards() if card.key == name]
            return len(found) == 1 and holds(found[0])

        await eventually(look, f"the card of {name} {what}", within)
        return await self.card(name)

    async def release(self, line: str, person: str = "ann") -> RunId:
        """Start a run, approve it when it asks, and wait for its success."""
        name = await self.start(line)
        await self.asks(name)
        await self.say(f"approve {name}", person)
        await self.ends(name, RunState.SUCCEEDED)
        return name


def words_of(card: Card) -> str:
    """All the text of a card, a line each."""
    return "\n".join(_texts(asdict(card)))


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list | tuple):
        return [str(value)] if value not in (None, "") else []
    return [text for item in value for text in _texts(item)]


@asynccontextmanager
async def a_bot(
    home: Path,
    target: Target | None = None,
    messengers: Mapping[str, Messenger] | None = None,
    settings: Mapping[str, object] | None = None,
) -> AsyncIterator[Bot]:
    """Run a bot in `home`, and end everything that it deployed afterwards. The same home may be used again.

    With `target`, that is where it deploys, and not on this machine; `messengers` are chats by name.
    `settings` are more of them.
    """
    given = {"home": home, "database": "", "local_git": True, "port": 0, "hooks_port": 0, **(settings or {})}
    process: ProcessTarget | None = None
    if not given["database"]:
        lay_tables(home / "sluice.db")
    try:
        async with running(
            Settings.model_validate(given), targets={"process": target} if target else None, messengers=messengers
        ) as app:
            process = app.process
            for name in PEOPLE:
                await app.store.transact(lambda book, name=name: book.people.add(Person(PersonId(name))))  # type: ignore[misc]
            yield Bot(app, home)
    finally:
        if target is None and process is not None:
            await process.shutdown()


@asynccontextmanager
async def a_new_bot(
    *definitions: str, target: Target | None = None, messengers: Mapping[str, Messenger] | None = None
) -> AsyncIterator[Bot]:
    """Run a bot in a new home whose path is short enough for sockets, with these pipelines defined."""
    folder = Path(tempfile.mkdtemp(prefix="sluice-"))
    try:
        async with a_bot(folder / "home", target, messengers) as bot:
            for text in definitions:
                answer = await bot.say(f"define\n{text}")
                assert "is defined, version" in answer, answer
            yield bot
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def a_repository(path: Path, *tags: str, files: dict[str, str] | None = None) -> Repository:
    """A repository with one commit for each tag."""
    repository = Repository(path)
    for tag in tags:
        repository.commit({**(files or {}), "README": f"{tag}\n"}, f"Make {tag}")
        repository.git("tag", tag)
    return repository
