"""What one act of a stage is given, and what may come of it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from engine.definition import Pipeline, Stage
from engine.model import Json, Run, StageRun
from engine.ports import LogSink


@dataclass(frozen=True, slots=True)
class Finished:
    """The stage did what it is for."""

    outputs: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Later:
    """Not there yet: act again after `after`, or as soon as the run changes."""

    after: timedelta


@dataclass(frozen=True, slots=True)
class Ask:
    """The reviewers can be asked about this plan."""

    fingerprint: str
    plan: Json
    deadline: datetime


@dataclass(frozen=True, slots=True)
class Changed:
    """What was approved at the review stage at `review` is no longer what would be released."""

    review: int
    difference: str


@dataclass(frozen=True, slots=True)
class Unwound:
    """Everything is taken back."""


@dataclass(frozen=True, slots=True)
class StandsStill:
    """Nothing may begin to be released before `until`; `sentence` says which freeze that is."""

    until: datetime
    sentence: str


Outcome = Finished | Later | Ask | Changed | StandsStill | Unwound


@dataclass(slots=True)
class Job:
    """One act on one stage of one run. `note` writes an intent or a wait down, durably, before it returns.

    `stage` is None in a run that only brings an earlier release back, and in one that is being taken back.
    """

    run: Run
    pipeline: Pipeline
    stage: Stage | None
    log: LogSink
    now: Callable[[], datetime]
    write: Callable[[str, Json], Awaitable[Run]]

    @property
    def state(self) -> StageRun:
        """The stage of the run that is acted on."""
        return self.run.stage

    async def note(self, note: str, outputs: Json | None = None) -> None:
        """Write down what is about to happen. `outputs` are merged into the stage's."""
        self.run = await self.write(note, outputs or {})


class Act(Protocol):
    """What a stage does when its turn comes. It may be called again at any time after a crash.

    Raises `StageFailure` when it failed for good, `Interrupted` or `Broken` when it should be tried again.
    """

    async def act(self, job: Job) -> Outcome:
        """Do the next piece."""
        ...
