"""A Sluice in a process of its own that brings one release to its end, from wherever it stands, and may be killed.

Its arguments are HOME DATABASE-URL PIPELINE-FILE TAG ENDING. It does what has not been done yet and decides what that
is by looking at the store, so that a second process takes up where a killed one was. ENDING is what the people do at
the review: ``approve``, ``reject`` or ``rollback``, or ``fire`` to end everything that was deployed. Prints how many
commits it made to the journal.
"""

import asyncio
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.app import App, running
from bot.cards import Card, Tone
from bot.chat import Incoming
from bot.presenters import badge_of
from bot.settings import Settings
from bot.web.room import LOBBY
from engine.model import Person, PersonId, Run, RunId, StageState
from tests.support.eventually import eventually
from tests.support.house_on_disk import REVIEWERS

WITHIN = 60.0
BETWEEN = 0.03


@dataclass(slots=True)
class Story:
    """A release of `tag` of the pipeline hello, and how its people decide."""

    app: App
    tag: str
    ending: str = "approve"

    async def say(self, person: str, line: str) -> list[Card]:
        """Say a line; what is refused is an error here."""
        answers = await self.app.dispatch.answer(Incoming(LOBBY, PersonId(person), line))
        for answer in answers:
            assert answer.card.tone is not Tone.BAD, f"{line}: {answer.card}"
        return [answer.card for answer in answers]

    async def meet(self, pipeline: str) -> None:
        """Make the reviewers known and the pipeline defined, unless that was done before."""
        for name in REVIEWERS:
            if await self.app.store.read(lambda book, name=name: book.people.find(PersonId(name))) is None:  # type: ignore[misc]
                await self.app.store.transact(lambda book, name=name: book.people.add(Person(PersonId(name))))  # type: ignore[misc]
        if not await self.app.store.read(lambda book: book.pipelines.page("", 1)):
            await self.say("ann", f"define\n{pipeline}")

    async def run(self) -> Run | None:
        """The run of the tag."""
        latest = await self.app.store.read(lambda book: book.runs.latest("hello", 3))
        return next((run for run in latest if run.variables["tag"] == self.tag), None)

    async def begin(self) -> None:
        """Start the run, unless there is one."""
        if await self.run() is None:
            if await self.app.store.read(lambda book: book.locks.find("hello")) is not None:
                await self.say("ann", "unlock hello")
                await self.say("ann", "yes")
            await self.say("ann", f"run hello tag={self.tag}")
            await self.say("ann", "yes")

    async def play(self) -> Run:
        """Bring the run to its end."""
        await self.begin()
        await eventually(self._is_over, f"the run of {self.tag} ends", WITHIN, BETWEEN)
        run = await self.run()
        assert run is not None
        await eventually(lambda: self._is_shown(run), f"{run.id} is shown as {run.state}", WITHIN, BETWEEN)
        return run

    async def _is_over(self) -> bool:
        run = await self.run()
        assert run is not None
        assert run.stage.state is not StageState.HELD, run.stage.reason
        if run.stage.state is StageState.AWAITING_REVIEW and run.unwinding is None:
            await self._decide(run)
        return run.state.is_over

    async def _decide(self, run: Run) -> None:
        if self.ending == "rollback":
            await self.say("ann", f"rollback {run.id}")
            await self.say("ann", "yes")
            return
        voted = {vote.person for vote in run.stage.votes}
        for name in REVIEWERS[: 1 if self.ending == "reject" else 2]:
            if name not in voted:
                await self.say(name, f"{self.ending} {run.id}")

    async def _is_shown(self, run: Run) -> bool:
        said = await self.app.chat.present(LOBBY)
        return any(isinstance(one.document, Card) and _shows(one.document, run) for one in said)


def _shows(card: Card, run: Run) -> bool:
    return RunId(card.key) == run.id and card.badge == badge_of(run)


async def _main(settings: Settings, pipeline: str, tag: str, ending: str) -> None:
    if ending == "fire":
        async with running(settings) as app:
            pass
        await app.process.shutdown()
        return
    async with running(settings) as app:
        story = Story(app, tag, ending)
        await story.meet(pipeline)
        run = await story.play()
        print(json.dumps({"state": run.state, "commits": app.store.writer.faults.count}))


def main(arguments: Sequence[str]) -> None:
    """Live as the arguments say: see above."""
    logging.basicConfig(level="WARNING")
    home, database, file, tag, ending = arguments
    settings = Settings(home=Path(home), database=database, local_git=True, port=0, hooks_port=0)
    asyncio.run(_main(settings, Path(file).read_text(), tag, ending))
