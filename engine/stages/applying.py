"""What a run has applied, written down while it is there: once gray is taken back, nobody can look it up any more.

The danger is a run that is killed or stopped between what it applies and the note of it. So it is read from the target,
which knows whose each object is, at every look at it; and before a way back changes anything, what is not noted yet is.
What the way back itself applies is the version before, and not noted.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from engine.model import Json, RunId
from engine.ports import Placement, Store, Target
from engine.stages.job import Job

T = TypeVar("T")
_MOST = 1000
"""Of so many runs it is remembered what is written down already."""


@dataclass(slots=True)
class Applying:
    """Keeps what runs apply, object by object. What is in memory only saves writing the same again."""

    store: Store
    _kept: dict[RunId, tuple[int, Mapping[str, Json]]] = field(default_factory=dict)
    _leaving: dict[RunId, None] = field(default_factory=dict)

    async def keep(self, job: Job, target: Target, place: Placement) -> None:
        """Write down what the job's stage has applied so far."""
        things = await target.applied(place)
        if self._kept.get(job.run.id) == (job.run.position, things):
            return
        await self._write(job, things)
        self._kept[job.run.id] = (job.run.position, things)
        _shorten(self._kept)

    async def keep_before_the_way_back(self, job: Job, target: Target, place: Placement) -> None:
        """Write down what the run has applied and nobody has noted, the first time that it is asked."""
        if job.run.id in self._leaving:
            return
        await self._write(job, await target.applied(place), missing=True)
        self._kept.pop(job.run.id, None)
        self._leaving[job.run.id] = None
        _shorten(self._leaving)

    async def _write(self, job: Job, things: Mapping[str, Json], *, missing: bool = False) -> None:
        run, stage, now = job.run.id, job.run.position, job.now()
        if things:
            await self.store.transact(lambda book: book.applied.keep(run, stage, things, now, missing=missing))


def _shorten(known: dict[RunId, T]) -> None:
    while len(known) > _MOST:
        known.pop(next(iter(known)))
