"""Locks: a locked workload takes no new release until somebody unlocks it. Pure.

The danger is the version that was taken back at night and is shipped again in the morning, by the clock, a push or a
colleague who was asleep. The promise: after a rollback by a person nothing but the way further back is begun, and
whoever tries hears who locked the workload, when and why. It holds because the lock is written in the transaction that
ends the rollback, and read in the one that begins a run or lets it out of the queue.
"""

from dataclasses import dataclass
from datetime import datetime

from engine.errors import Offer, Refused
from engine.model import PersonId, RunId
from engine.rollout.fleet import ReleaseId

LONGEST_REASON = 500
_NOBODYS = RunId("")


@dataclass(frozen=True, slots=True)
class Lock:
    """Why a workload takes no release. `run` is the rollback that locked it; empty when a person did it by hand.

    `barred` are the releases that were rolled back from since: not even a redeploy brings them while the lock is there.
    `told` are the pipelines of which a start that nobody waited for was turned away and said to be.
    """

    workload: str
    reason: str
    by: PersonId
    at: datetime
    run: RunId = _NOBODYS
    barred: tuple[ReleaseId, ...] = ()
    told: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Say it in one sentence."""
        return f"{self.workload} is locked by {self.by} since {self.at:%d %B, %H:%M} UTC: {self.reason.rstrip('.')}."

    @property
    def way_out(self) -> str:
        """What to do about it, in words."""
        return f"`unlock {self.workload}` lets it be released again."


class Locked(Refused):
    """A release of a locked workload was asked for."""

    def __init__(self, lock: Lock) -> None:
        super().__init__(f"{lock}", lock.way_out, (Offer("Unlock", f"unlock {lock.workload}", danger=True),))


def after_rollback(
    before: Lock | None, *, workload: str, by: PersonId, at: datetime, run: RunId, bad: ReleaseId | None, said: str
) -> Lock:
    """Lock after a rollback from the release `bad`. What a lock before says and bars is kept."""
    reason = said
    barred = (bad,) if bad else ()
    if before is not None:
        reason = f"{said.rstrip('.')}. Before that, {before.by}: {before.reason}"
        barred = tuple(dict.fromkeys((*before.barred, *barred)))
    return Lock(workload, reason[:LONGEST_REASON], by, at, run, barred)
