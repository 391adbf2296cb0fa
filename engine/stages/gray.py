"""The gray stage: the new version comes up beside the old one and gets its share of the traffic."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from engine.deployed import Deployed
from engine.deployment import FOUND
from engine.errors import StageFailure
from engine.manifest import selector_of
from engine.model import Json, Release
from engine.rollout.fleet import GoalKind
from engine.stages.job import Finished, Job, Later, Outcome
from engine.stages.rollout import Rollouts

_STANDARD = "standard"


@dataclass(frozen=True, slots=True)
class GrayStage:
    """Moves the workload towards its gray goal."""

    rollouts: Rollouts

    async def act(self, job: Job) -> Outcome:
        """One tick. None is taken in a freeze window that opened before the first one."""
        if (still := await self.rollouts.stands_still(job)) is not None:
            return still
        deployed = await self.rollouts.deployed(job)
        check_fixed(deployed)
        reached = await self.rollouts.tick(job, deployed, GoalKind.GRAY)
        return reached if isinstance(reached, Later) else Finished({"release": deployed.new.id, **reached})


def check_fixed(deployed: Deployed) -> None:
    """What cannot change once a workload is deployed: its service, its way of upgrading, and how it is made."""
    if deployed.old is None:
        return
    now = deployed.spec.model_dump(mode="json", exclude_none=True)
    was = deployed.old.settings
    creations = _creation(was, deployed.old), _creation(now, deployed.new)
    in_a_cluster = _fixed_in_a_cluster(was, now, creations) if deployed.spec.target == "kubernetes" else ()
    for name, before, after in (
        ("service.port", was["service"]["port"], now["service"]["port"]),
        ("service.protocol", was["service"]["protocol"], now["service"]["protocol"]),
        ("upgrade", was["upgrade"], now["upgrade"]),
        *in_a_cluster,
    ):
        if before != after:
            raise StageFailure(
                f"{name} of {deployed.workload} is {before} and cannot become {after} once it is in effect.",
                f"Set {name} back to {before}, or release under another workload name.",
            )


def _creation(settings: Json, release: Release) -> str:
    """How a release is made. What was adopted in the place of another is held to what that one was."""
    made = str(settings.get("creation", _STANDARD))
    if made != FOUND or not release.adopted_by:
        return made
    return "yaml" if settings.get("manifest") else _STANDARD


def _fixed_in_a_cluster(was: Json, now: Json, creations: tuple[str, str]) -> Iterator[tuple[str, Any, Any]]:
    """The one Service, which both versions stand behind, and the labels by which a Deployment finds its pods."""
    before, after = was["service"], now["service"]
    yield "service.name", before.get("name"), after.get("name")
    found = FOUND in creations
    if not found:
        yield "creation", *creations
    if "yaml" not in creations:
        for key, default in (("access", "cluster"), ("container_port", before["port"])):
            if key in after or not found:  # what was found is not asked to be otherwise by leaving it out
                yield f"service.{key}", before.get(key, default), after.get(key, default)
    elif not found:
        before, after = (selector_of(str(each.get("manifest", ""))) for each in (was, now))
        yield "the selector in the manifest", before, after
