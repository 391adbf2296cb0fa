"""The review stage: sees to it that gray is what it should be, then asks the people about exactly that."""

from dataclasses import dataclass

from engine.deployed import fingerprint
from engine.errors import InvariantViolation, StageFailure
from engine.model import Json, StageKind
from engine.rollout.fleet import GoalKind
from engine.stages.job import Ask, Job, Later, Outcome
from engine.stages.rollout import Rollouts
from engine.voting import WAY_OUT_OF_A_DEAD_END, dead_end


@dataclass(frozen=True, slots=True)
class ReviewStage:
    """Opens a review. A changed split is brought into effect first: people vote on what is there."""

    rollouts: Rollouts

    async def act(self, job: Job) -> Outcome:
        """One tick towards the wanted split, or the question."""
        review = job.stage.review if job.stage else None
        if review is None:
            raise InvariantViolation(f"Stage {job.state.name} has no review.")
        if sentence := dead_end(job.run.rule, job.run.requested_by):
            raise StageFailure(sentence, WAY_OUT_OF_A_DEAD_END)
        plan: dict[str, object] = {}
        kept: Json = {}
        if job.pipeline.deployment is not None and _may_deploy(job):
            deployed = await self.rollouts.deployed(job)
            if _gray_came_before(job):
                reached = await self.rollouts.tick(job, deployed, GoalKind.GRAY)
                if isinstance(reached, Later):
                    return reached
                kept = reached
            plan = dict(deployed.plan(job.run))
        mark = fingerprint(plan or {"attempt": job.state.attempt})
        outputs = {**job.state.outputs, **kept, "plan": plan}
        return Ask(mark, outputs, job.now() + review.deadline)


def _gray_came_before(job: Job) -> bool:
    return any(stage.kind is StageKind.GRAY for stage in job.run.stages[: job.run.position])


def _may_deploy(job: Job) -> bool:
    """Whether what will be deployed is known already: built, named by its image, or there from before."""
    if job.run.redeploys is not None:
        return True
    deployment = job.pipeline.deployment
    named = deployment is not None and deployment.image is not None
    return named or any("digest" in stage.outputs for stage in job.run.stages[: job.run.position])
