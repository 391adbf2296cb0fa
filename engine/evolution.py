"""What an event makes of a run and of its stages. Pure, and refuses nothing: that is what the tables are for.

What a deploying stage has written down of its release stays with it through failures, retries and a return to the
start: without it nobody could take the release back. Only a new go, which may release something else, begins without.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from engine import events as e
from engine.errors import InvariantViolation
from engine.model import Json, Run, RunState, StageKind, StageRule, StageRun, StageState, Unwinding

S = StageState
R = RunState
E = TypeVar("E", bound=e.Event)
Change = Callable[[Run, e.Event], Run]
DEPLOYING = (StageKind.GRAY, StageKind.OFFICIAL)


def new_stages(rules: tuple[StageRule, ...]) -> tuple[StageRun, ...]:
    """Make a run's stages as they are before anything has happened."""
    return tuple(StageRun(rule.name, rule.kind) for rule in rules)


def run_after(run: Run, event: e.Event) -> Run:
    """Change what `event` changes of the run as a whole."""
    change = _CHANGES.get(type(event))
    return change(run, event) if change else run


def stage_after(stage: StageRun, event: e.StageEvent) -> StageRun:
    """Change what `event` changes of its stage, beside the state."""
    match event:
        case e.StageStarted(attempt=attempt, at=at):
            stage = _begun(stage, attempt, at)
        case e.StageNoted(note=note, outputs=outputs):
            stage = replace(stage, note=note, outputs=_merged(stage.outputs, outputs))
        case e.ReviewOpened(fingerprint=fingerprint, plan=plan, deadline=deadline):
            stage = replace(stage, fingerprint=fingerprint, outputs=plan, deadline=deadline, votes=(), note="")
        case e.Voted(vote=vote):
            others = tuple(old for old in stage.votes if old.person != vote.person)
            stage = replace(stage, votes=(*others, vote))
        case e.VotesVoided(difference=said, at=at):
            stage = replace(stage, started_at=at, ended_at=None, deadline=None, votes=(), fingerprint="", note=said)
        case e.StageSucceeded(outputs=outputs, at=at):
            merged = _merged(stage.outputs, outputs)
            stage = replace(stage, outputs=merged, ended_at=at, note="", deadline=None)
        case e.StageFailed(reason=reason, at=at) | e.StageRejected(reason=reason, at=at):
            stage = replace(stage, reason=reason, ended_at=at, note="")
        case e.StageHeld(until=until):
            stage = replace(stage, deadline=until)
        case e.StageRetried():
            stage = replace(stage, deadline=None, reason="")
        case _:
            pass
    return stage


def _begun(stage: StageRun, attempt: int, at: datetime) -> StageRun:
    goes_on = stage.kind in DEPLOYING and stage.started_at is not None
    placed = stage.outputs.get("release") or stage.outputs.get("placed")
    outputs = stage.outputs if goes_on else {"placed": placed} if placed else {}
    return StageRun(stage.name, stage.kind, stage.state, attempt, at, conditions=stage.conditions, outputs=outputs)


def with_stage(run: Run, number: int, stage: StageRun) -> Run:
    """Put `stage` in its place."""
    return replace(run, stages=(*run.stages[:number], stage, *run.stages[number + 1 :]))


def _started(run: Run, event: e.RunStarted) -> Run:
    return replace(run, started_at=event.at)


def _stage_started(run: Run, event: e.StageStarted) -> Run:
    """Forget what later stages wrote down in an earlier go, once this go deploys something of its own."""
    if run.stages[event.stage].kind not in DEPLOYING or "release" in run.stages[event.stage].outputs:
        return run
    later = (replace(stage, outputs={}) if stage.outputs else stage for stage in run.stages[event.stage + 1 :])
    return replace(run, stages=(*run.stages[: event.stage + 1], *later))


def _moved_on(run: Run, event: e.StageSucceeded | e.StageIgnored) -> Run:
    return replace(run, position=min(event.stage + 1, len(run.stages) - 1))


def _condition(run: Run, event: e.ConditionMet) -> Run:
    stages = tuple(
        replace(stage, conditions=(*stage.conditions, event.key))
        if number >= run.position and event.key in rule.conditions and event.key not in stage.conditions
        else stage
        for number, (stage, rule) in enumerate(zip(run.stages, run.rules, strict=True))
    )
    return replace(run, stages=stages, variables={**run.variables, **event.variables})


def _returned(run: Run, event: e.ReturnedToStart) -> Run:
    stages = tuple(
        StageRun(stage.name, stage.kind, attempt=stage.attempt, outputs=stage.outputs) for stage in run.stages
    )
    return replace(run, stages=stages, position=0, paused=True, reason=event.reason)


def _resumed(run: Run, _event: e.RunResumed) -> Run:
    return replace(run, paused=False, reason="")


def _shared(run: Run, event: e.ShareChanged) -> Run:
    return replace(run, share=event.percent)


def _voided(run: Run, event: e.VotesVoided) -> Run:
    later = tuple(
        StageRun(stage.name, stage.kind, attempt=stage.attempt, conditions=stage.conditions)
        for stage in run.stages[event.stage + 1 :]
    )
    return replace(run, stages=(*run.stages[: event.stage + 1], *later), position=event.stage)


def _unwinding(run: Run, event: e.UnwindingBegan) -> Run:
    return replace(run, unwinding=Unwinding(event.final, event.by, event.reason), paused=False)


def _ended(run: Run, event: e.RunEnded) -> Run:
    stages = tuple(_closed(stage, number, run, event) for number, stage in enumerate(run.stages))
    over = replace(run, state=event.state, reason=event.reason, ended_at=event.at, stages=stages)
    return replace(over, unwinding=None, paused=False)


def _closed(stage: StageRun, number: int, run: Run, event: e.RunEnded) -> StageRun:
    if stage.state in (S.SUCCEEDED, S.IGNORED, S.REJECTED):
        if event.state is R.ROLLED_BACK and stage.kind in DEPLOYING:
            return replace(stage, state=S.ROLLED_BACK)
        return stage
    if number > run.position or (number == run.position and stage.started_at is None):
        return replace(stage, state=S.SKIPPED)
    if stage.state is S.FAILED or event.state is R.FAILED:
        return replace(stage, state=S.FAILED, note="", deadline=None)
    final = {R.ROLLED_BACK: S.ROLLED_BACK, R.REJECTED: S.REJECTED}.get(event.state, S.CANCELLED)
    return replace(stage, state=final, ended_at=event.at, note="", deadline=None)


def _merged(old: Json, new: Json) -> Json:
    return {**old, **new} if new else old


def _for(kind: type[E], change: Callable[[Run, E], Run]) -> tuple[type[e.Event], Change]:
    """Pair a kind of event with its change, so that each takes exactly its own kind."""

    def changed(run: Run, event: e.Event) -> Run:
        if not isinstance(event, kind):
            raise InvariantViolation(f"{type(event).__name__} was taken for {kind.__name__}.")
        return change(run, event)

    return kind, changed


_CHANGES: Mapping[type[e.Event], Change] = dict(
    (
        _for(e.RunStarted, _started),
        _for(e.StageStarted, _stage_started),
        _for(e.StageSucceeded, _moved_on),
        _for(e.StageIgnored, _moved_on),
        _for(e.ConditionMet, _condition),
        _for(e.ReturnedToStart, _returned),
        _for(e.RunResumed, _resumed),
        _for(e.ShareChanged, _shared),
        _for(e.VotesVoided, _voided),
        _for(e.UnwindingBegan, _unwinding),
        _for(e.RunEnded, _ended),
    )
)
