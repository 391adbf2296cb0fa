"""The source stage: a branch or tag becomes one commit, fetched to this machine.

A run that a push started is made of the branch or tag that was pushed, at what it points to when the stage runs: the
pushed commit, or a newer one if somebody has pushed again meanwhile. So of several runs that wait, the last one to
begin never brings back older code than the one before it; what was taken, and why, stands in the log.
"""

from dataclasses import dataclass

from engine.definition import Source
from engine.errors import InvariantViolation
from engine.model import Json, Pushed
from engine.ports import Commit, Forge, LogSink
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
        commit = await self.forge.resolve(source.git, branch=branch, tag=tag, log=job.log, account=account)
        job.log(f"{commit.ref} is {commit.sha[:_SHORT]}: {commit.subject} ({commit.author})")
        if pushed is not None:
            _compare(pushed, commit, job.log)
        return Finished(commit_outputs(commit))


def _meant(source: Source, pushed: Pushed | None) -> tuple[str | None, str | None]:
    """Return the branch and the tag of which there is at most one."""
    if pushed is None:
        return source.branch, source.tag
    return (pushed.ref, None) if pushed.kind == "branch" else (None, pushed.ref)


def _compare(pushed: Pushed, commit: Commit, log: LogSink) -> None:
    if commit.sha == pushed.sha:
        log(f"That is the commit that was pushed to {pushed.kind} {pushed.ref}")
        return
    log(
        f"{pushed.sha[:_SHORT]} was pushed to {pushed.kind} {pushed.ref}, which points to {commit.sha[:_SHORT]} now: "
        "somebody has pushed since, and what is there now is taken"
    )


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
