"""The official release: the new version becomes the only one.

Also a deployment of its own, and the way back to a version.
"""

from dataclasses import dataclass

from engine.deployed import Deployed, difference, fingerprint
from engine.errors import Broken, StageFailure
from engine.model import Run, StageKind, Way
from engine.rollout.fleet import GoalKind
from engine.stages.gray import check_fixed
from engine.stages.job import Changed, Finished, Job, Later, Outcome, Unwound
from engine.stages.rollout import Rollouts, noted_release


@dataclass(frozen=True, slots=True)
class OfficialStage:
    """Moves the workload towards its promotion, if it is still the one that was approved."""

    rollouts: Rollouts

    async def act(self, job: Job) -> Outcome:
        """One tick. Before the first move, what was approved is compared with what would be released now.

        In a freeze window none is made. A run that adopts moves nothing.
        """
        if job.run.way is Way.ADOPT:
            return Finished({"release": await self.rollouts.adopt(job)})
        deployed = await self.rollouts.deployed(job)
        check_fixed(deployed)
        if "release" not in job.state.outputs and (changed := await self._changed(job, deployed)) is not None:
            return changed
        if (still := await self.rollouts.stands_still(job)) is not None:
            return still
        try:
            reached = await self.rollouts.tick(job, deployed, GoalKind.PROMOTE)
        except StageFailure as failure:
            raise _stopped(job, deployed, failure) from failure
        if isinstance(reached, Later):
            return reached
        if deployed.new.idle:
            await self.rollouts.clear(deployed, deployed.new)
        return Finished({"release": deployed.new.id})

    async def _changed(self, job: Job, deployed: Deployed) -> Changed | None:
        review = _last_review(job.run)
        if review is None or not job.run.stages[review].fingerprint:
            return None
        approved = job.run.stages[review]
        plan = deployed.plan(job.run)
        if fingerprint(plan) == approved.fingerprint:
            return None
        return Changed(review, f"What was approved has changed: {difference(approved.outputs['plan'], plan)}.")


@dataclass(frozen=True, slots=True)
class WayBack:
    """Takes a run back: all traffic on the last good version, nothing of the new one left."""

    rollouts: Rollouts

    async def act(self, job: Job) -> Outcome:
        """One tick."""
        if noted_release(job.run) is None:
            return Unwound()
        deployed = await self.rollouts.deployed(job)
        try:
            reached = await self.rollouts.tick(job, deployed, GoalKind.ROLL_BACK)
        except StageFailure as failure:
            raise Broken(f"Taking {job.run.id} back does not get on: {failure}", "It is tried on and on.") from failure
        if isinstance(reached, Later):
            return reached
        await self.rollouts.clear(deployed, deployed.old)
        return Unwound()


def _stopped(job: Job, deployed: Deployed, failure: StageFailure) -> StageFailure:
    """Say what did not get on, and what serves: where a run goes straight to a version, the one before may be bad."""
    if not job.run.is_straight:
        hint = f"{failure.hint} Traffic stays on the healthy copy. Retry, or roll back."
        return StageFailure(f"The promotion failed: {failure}", hint.strip())
    moved, run = "release" in job.state.outputs, job.run
    old = deployed.old.image if deployed.old else "the version before"
    now = f"`instances {run.pipeline}` shows what serves." if moved else f"Nothing has changed: {old} still serves."
    ways = f"Retry; `versions {run.pipeline}` lists other versions; `rollback {run.id}` stays with {old}."
    return StageFailure(f"Bringing {deployed.new.image} back failed: {failure}", f"{failure.hint} {now} {ways}".strip())


def _last_review(run: Run) -> int | None:
    for number in range(run.position - 1, -1, -1):
        if run.stages[number].kind is StageKind.REVIEW:
            return number
    return None
