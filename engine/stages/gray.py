"""The gray stage: the new version comes up beside the old one and gets its share of the traffic."""

from dataclasses import dataclass

from engine.deployed import Deployed
from engine.errors import StageFailure
from engine.rollout.fleet import GoalKind
from engine.stages.job import Finished, Job, Later, Outcome
from engine.stages.rollout import TICK, Rollouts


@dataclass(frozen=True, slots=True)
class GrayStage:
    """Moves the workload towards its gray goal."""

    rollouts: Rollouts

    async def act(self, job: Job) -> Outcome:
        """One tick."""
        deployed = await self.rollouts.deployed(job)
        check_fixed(deployed)
        if not await self.rollouts.tick(job, deployed, GoalKind.GRAY):
            return Later(TICK)
        return Finished({"release": deployed.new.id})


def check_fixed(deployed: Deployed) -> None:
    """What cannot change once a workload is deployed: its port, its protocol and its way of upgrading."""
    if deployed.old is None:
        return
    now = deployed.spec.model_dump(mode="json")
    was = deployed.old.settings
    for name, before, after in (
        ("service.port", was["service"]["port"], now["service"]["port"]),
        ("service.protocol", was["service"]["protocol"], now["service"]["protocol"]),
        ("upgrade", was["upgrade"], now["upgrade"]),
    ):
        if before != after:
            raise StageFailure(
                f"{name} of {deployed.workload} is {before} and cannot become {after} once it is in effect.",
                f"Set {name} back to {before}, or release under another workload name.",
            )
