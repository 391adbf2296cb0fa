"""The source stage: a branch or tag becomes one commit, fetched to this machine.

A run that a push started is made of exactly the commit that was pushed: its image may be named by it, and whoever
pushed it may not approve it. If somebody has pushed on top of it meanwhile, theirs is a run of its own. A commit that
is not in its branch any more is not released, and no tag that was moved since.
"""

from dataclasses import dataclass

from engine.definition import Source
from engine.errors import InvariantViolation
from engine.model import Json, Pushed
from engine.ports import Commit, Forge
from engine.stages.job import Finished, Job, Outcome

_SHORT = 12


@dataclass(frozen=True, slots=True)
class SourceStage:
    """Asks the forge. Its outputs are the commit: later stages use exactly that one."""

    forge: Forge

    async def act(self, job: Job) -> Outcome:
        """Resolve and fetch."""
        source = job.stage.source if job.stage else None
        if source is None:
            raise InvariantViolation(f"Stage {job.state.name} has no source.")
        pushed = job.run.pushed if job.run.pushed and job.run.pushed.stage == job.state.name else None
        branch, tag = _meant(source, pushed)
        account = source.account or ""
        at = pushed.sha if pushed else ""
        commit = await self.forge.resolve(source.git, branch=branch, tag=tag, log=job.log, account=account, at=at)
        job.log(f"{commit.ref} is {commit.sha[:_SHORT]}: {commit.subject} ({commit.author})")
        return Finished(commit_outputs(commit))


def _meant(source: Source, pushed: Pushed | None) -> tuple[str | None, str | None]:
    """Return the branch and the tag of which there is at most one."""
    if pushed is None:
        return source.branch, source.tag
    return (pushed.ref, None) if pushed.kind == "branch" else (None, pushed.ref)


def commit_outputs(commit: Commit) -> Json:
    """A commit as a stage's outputs."""
    found = {
        "url": commit.url,
        "ref": commit.ref,
        "sha": commit.sha,
        "subject": commit.subject,
        "author": commit.author,
        "at": commit.at.isoformat(),
    }
    return {**found, "account": commit.account} if commit.account else found
