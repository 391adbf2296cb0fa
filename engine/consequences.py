"""What follows of itself from where a run is: the next stage, the error policy, the outcome of the votes. Pure."""

from collections.abc import Callable, Mapping
from datetime import datetime

from engine import events as e
from engine.model import Mode, OnError, PersonId, Run, RunState, StageKind, StageState, Verdict, Way
from engine.voting import is_passed

S = StageState
R = RunState
ENGINE = PersonId("sluice")
"""Who is named when nobody asked: the machine itself."""


def consequence(run: Run, now: datetime) -> e.Event | None:
    """Tell the event that follows of itself from where the run is, if any."""
    if run.state.is_over or run.state is R.QUEUED or run.paused:
        return None
    if run.unwinding is not None:
        back = run.unwinding
        return None if was_placed(run) else e.RunEnded(at=now, by=ENGINE, state=back.final, reason=back.reason)
    follow = _CONSEQUENCES.get(run.stage.state)
    return follow(run, now) if follow else None


def was_placed(run: Run) -> bool:
    """Whether the run may have put anything of a new version in place. What it adopts was there before."""
    return run.way is not Way.ADOPT and any(
        stage.kind in (StageKind.GRAY, StageKind.OFFICIAL) and stage.attempt > 0 for stage in run.stages
    )


def _go_or_wait(run: Run, now: datetime) -> e.Event | None:
    if _conditions_met(run):
        return e.StageStarted(at=now, by=ENGINE, stage=run.position, attempt=run.stage.attempt + 1)
    if run.stage.state is S.AWAITING_TRIGGER:
        return None
    return e.StageAwaited(at=now, by=ENGINE, stage=run.position)


def _conditions_met(run: Run) -> bool:
    rule, met = run.rule, run.stage.conditions
    if not rule.conditions:
        return True
    return (all if rule.mode is Mode.ALL else any)(key in met for key in rule.conditions)


def _after_failure(run: Run, now: datetime) -> e.Event:
    rule, stage = run.rule, run.stage
    if run.way is Way.ADOPT:
        return e.RunEnded(at=now, by=ENGINE, state=R.FAILED, reason=stage.reason)
    if rule.on_error is OnError.IGNORE:
        return e.StageIgnored(at=now, by=ENGINE, stage=run.position)
    if rule.on_error is OnError.RETURN_TO_START:
        return e.ReturnedToStart(at=now, by=ENGINE, reason=stage.reason)
    if stage.deadline is None:
        return e.StageHeld(at=now, by=ENGINE, stage=run.position, until=now + rule.hold)
    return e.UnwindingBegan(at=now, by=ENGINE, final=R.FAILED, reason=stage.reason)


def _after_success(run: Run, now: datetime) -> e.Event | None:
    if run.position + 1 == len(run.stages):
        return e.RunEnded(at=now, by=ENGINE, state=R.SUCCEEDED)
    return None


def _after_votes(run: Run, now: datetime) -> e.Event | None:
    refused = next((vote for vote in run.stage.votes if vote.verdict is Verdict.REJECT), None)
    if refused is not None:
        reason = f"{refused.person} refused" + (f": {refused.reason}" if refused.reason else ".")
        return e.StageRejected(at=now, by=refused.person, stage=run.position, reason=reason)
    return e.StageSucceeded(at=now, by=ENGINE, stage=run.position) if is_passed(run, run.position) else None


def _after_overruling(run: Run, now: datetime) -> e.Event | None:
    return None if run.override is None else e.StageThawed(at=now, by=run.override.by, stage=run.position)


def _after_refusal(run: Run, now: datetime) -> e.Event:
    if run.rule.take_back_on_refusal:
        return e.UnwindingBegan(at=now, by=ENGINE, final=R.REJECTED, reason=run.stage.reason)
    return e.RunEnded(at=now, by=ENGINE, state=R.REJECTED, reason=run.stage.reason)


_CONSEQUENCES: Mapping[StageState, Callable[[Run, datetime], e.Event | None]] = {
    S.PENDING: _go_or_wait,
    S.AWAITING_TRIGGER: _go_or_wait,
    S.AWAITING_REVIEW: _after_votes,
    S.FROZEN: _after_overruling,
    S.FAILED: _after_failure,
    S.SUCCEEDED: _after_success,
    S.IGNORED: _after_success,
    S.REJECTED: _after_refusal,
}
