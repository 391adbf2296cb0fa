"""The source stage: a branch or tag becomes one commit, fetched to this machine."""

from dataclasses import dataclass

from engine.errors import InvariantViolation
from engine.model import Json
from engine.ports import Commit, Forge
from engine.stages.job import Finished, Job, Outcome


@dataclass(frozen=True, slots=True)
class SourceStage:
    """Asks the forge. Its outputs are the commit: later stages use exactly that one."""

    forge: Forge

    async def act(self, job: Job) -> Outcome:
        """Resolve and fetch."""
        source = job.stage.source if job.stage else None
        if source is None:
            raise InvariantViolation(f"Stage {job.state.name} has no source.")
        commit = await self.forge.resolve(source.git, branch=source.branch, tag=source.tag, log=job.log)
        job.log(f"{commit.ref} is {commit.sha[:12]}: {commit.subject} ({commit.author})")
        return Finished(commit_outputs(commit))


def commit_outputs(commit: Commit) -> Json:
    """A commit as a stage's outputs."""
    return {
        "url": commit.url,
        "ref": commit.ref,
        "sha": commit.sha,
        "subject": commit.subject,
        "author": commit.author,
        "at": commit.at.isoformat(),
    }
