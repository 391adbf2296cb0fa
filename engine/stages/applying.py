"""What a run has applied, written down while it is there: once gray is taken back, nobody can look it up any more.

The danger is a run that is killed or stopped between what it applies and the note of it. So it is read from the target,
which knows whose each object is, at every look at it; and before a way back changes anything, what is not noted yet is.
What the way back itself applies is the version before, and not noted: the run's journal says that it may have begun.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.model import Json, RunId
from engine.ports import Placement, Store, Target
from engine.stages.job import Job

_MOST = 1000
"""Of so many runs it is remembered what is written down already."""
_NOTED = "applied_noted"
"""In the outputs of the stage that a run goes back from: everything that it had applied is written down."""


@dataclass(slots=True)
class Applying:
    """Keeps what runs apply, object by object. What is in memory only saves writing the same again."""

    store: Store
    _kept: dict[RunId, bytes] = field(default_factory=dict)

    async def keep(self, job: Job, target: Target, place: Placement) -> None:
        """Write down what the job's stage has applied so far."""
        things = await target.applied(place)
        digest = _digest(job.run.position, things)
        if self._kept.get(job.run.id) == digest:
            return
        await self._write(job, things)
        self._kept[job.run.id] = digest
        while len(self._kept) > _MOST:
            self._kept.pop(next(iter(self._kept)))

    async def keep_before_the_way_back(self, job: Job, target: Target, place: Placement) -> None:
        """Write down what the run has applied and nobody has noted, the first time that it is asked."""
        if job.state.outputs.get(_NOTED):
            return
        await self._write(job, await target.applied(place), missing=True)
        self._kept.pop(job.run.id, None)
        await job.note("", {_NOTED: True})

    async def _write(self, job: Job, things: Mapping[str, Json], *, missing: bool = False) -> None:
        run, stage, now = job.run.id, job.run.position, job.now()
        if things:
            await self.store.transact(lambda book: book.applied.keep(run, stage, things, now, missing=missing))


def _digest(stage: int, things: Mapping[str, Json]) -> bytes:
    return hashlib.sha256(json.dumps([stage, things], sort_keys=True).encode()).digest()
