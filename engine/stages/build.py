"""The build stage: the commit becomes an image, kept by its digest."""

from dataclasses import dataclass
from datetime import datetime

from engine.errors import InvariantViolation
from engine.model import Run, StageKind
from engine.ports import Builder, BuildOrder, Commit
from engine.stages.job import Finished, Job, Outcome


@dataclass(frozen=True, slots=True)
class BuildStage:
    """Asks the builder. An order that was carried out before a crash is found again, not built twice."""

    builder: Builder

    async def act(self, job: Job) -> Outcome:
        """Build, or find."""
        stage = job.stage
        if stage is None or stage.build is None:
            raise InvariantViolation(f"Stage {job.state.name} has no build.")
        order = BuildOrder(
            commit=commit_of(job.run),
            image=stage.build.image,
            script=stage.build.script,
            procfile=stage.build.procfile,
            variables=job.run.variables,
            timeout=stage.timeout,
        )
        built = await self.builder.build(order, job.log)
        job.log(f"{built.image} is {built.digest[:19]}{', found again' if built.reused else ''}")
        return Finished({"image": built.image, "digest": built.digest, "reused": built.reused})


def commit_of(run: Run) -> Commit:
    """The commit that the run's source stage found."""
    for stage in reversed(run.stages[: run.position]):
        if stage.kind is StageKind.SOURCE and stage.outputs:
            found = stage.outputs
            return Commit(
                url=found["url"],
                ref=found["ref"],
                sha=found["sha"],
                subject=found["subject"],
                author=found["author"],
                at=datetime.fromisoformat(found["at"]),
            )
    raise InvariantViolation(f"Run {run.id} builds before it has any source.")
