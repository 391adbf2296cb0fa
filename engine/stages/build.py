"""The build stage: the commit becomes an image, kept by its digest."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from engine.definition import Build, Pipeline
from engine.errors import InvariantViolation, Refused, StageFailure
from engine.image_build import meant
from engine.model import Run, StageKind
from engine.ports import Builder, BuildOrder, Commit, Secrets
from engine.secret_variables import of_variables
from engine.stages.job import Finished, Job, Outcome
from engine.stages.progress import Progress


@dataclass(frozen=True, slots=True)
class BuildStage:
    """Asks the builder. An order that was carried out before a crash is found again, not built twice."""

    builder: Builder
    secrets: Secrets | None = None

    async def _secrets(self, job: Job) -> Mapping[str, str]:
        """The values of the pipeline's secret variables, which the order alone has."""
        names = of_variables(job.run.variables)
        if not names or self.secrets is None:
            return {}
        try:
            return await self.secrets.values(job.run.pipeline, names)
        except Refused as refused:
            raise StageFailure(str(refused), refused.hint) from refused

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
            builder=_meant(job.pipeline, stage.build),
            recipe=stage.build.recipe,
            pipeline=job.run.pipeline,
            run=job.run.id,
            secrets=await self._secrets(job),
        )
        progress = Progress(job)
        try:
            built = await self.builder.build(order, progress)
        finally:
            await progress.close()
        job.log(f"{built.image} is {built.digest[:19]}{', found again' if built.reused else ''}")
        outputs = {"image": built.image, "digest": built.digest, "reused": built.reused, "builder": built.builder}
        more = {"place": built.place, "why": built.why}
        return Finished(outputs | {name: said for name, said in more.items() if said})


def _meant(pipeline: Pipeline, build: Build) -> str:
    """Which builder is meant, by what is written and by what the pipeline does with the result."""
    return meant(dict(build), pipeline.deployment.target if pipeline.deployment else "")


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
                account=found.get("account", ""),
            )
    raise InvariantViolation(f"Run {run.id} builds before it has any source.")
