"""A long build tells now and then how far it is; a short one does not, and trouble with telling is none for it."""

import asyncio
from datetime import UTC, datetime

from engine.definition import Pipeline
from engine.errors import Broken
from engine.model import Json, Run
from engine.stages.job import Job
from engine.stages.progress import Progress
from tests.support.eventually import eventually, passed


class Noting:
    """A job whose notes are kept; `trouble` keeps the first from being written."""

    def __init__(self, *, trouble: bool = False) -> None:
        self.notes: list[str] = []
        self.log: list[str] = []
        self.trouble = trouble
        run: Run = None  # type: ignore[assignment]  # nothing looks at it
        pipeline: Pipeline = None  # type: ignore[assignment]
        self.job = Job(run, pipeline, None, self.log.append, lambda: datetime(2026, 1, 1, tzinfo=UTC), self.write)

    async def write(self, note: str, _outputs: Json) -> Run:
        if self.trouble:
            self.trouble = False
            raise Broken("The database is away.")
        self.notes.append(note)
        return self.job.run


async def test_the_latest_step_is_noted_once_in_a_while_and_every_line_is_in_the_log() -> None:
    noting = Noting()
    progress = Progress(noting.job, every=0.02)
    progress("Step 1/2 : FROM a")
    progress("it says\nStep 2/2 : RUN b\nmore")
    await eventually(lambda: noting.notes == ["Step 2/2 : RUN b"])
    progress("what a step prints")
    progress("Pushing it: 1 of 2 layers")
    await eventually(lambda: len(noting.notes) == 2)
    await progress.close()
    assert noting.notes == ["Step 2/2 : RUN b", "Pushing it: 1 of 2 layers"]
    assert noting.log[1:3] == ["it says\nStep 2/2 : RUN b\nmore", "what a step prints"]


async def test_what_may_surprise_is_noted_at_once() -> None:
    noting = Noting()
    progress = Progress(noting.job, every=60)
    progress("A bundle is built, though there is a Dockerfile: The engine is away.")
    await eventually(lambda: noting.notes == ["A bundle is built, though there is a Dockerfile: The engine is away."])
    await asyncio.wait_for(progress.close(), 5)


async def test_a_short_build_notes_nothing() -> None:
    noting = Noting()
    progress = Progress(noting.job, every=60)
    progress("Step 1/2 : FROM a")
    await passed(3)
    await asyncio.wait_for(progress.close(), 5)
    assert noting.notes == []


async def test_what_keeps_a_note_from_being_written_is_not_the_builds_trouble() -> None:
    noting = Noting(trouble=True)
    progress = Progress(noting.job, every=0.02)
    progress("Step 1/2 : FROM a")
    await eventually(lambda: not noting.trouble)
    progress("Step 2/2 : RUN b")
    await eventually(lambda: noting.notes == ["Step 2/2 : RUN b"])
    await progress.close()
