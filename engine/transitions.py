"""The state machine of a run, as tables. Pure: no clock, no I/O, no logging; `now` is an argument.

The danger in a machine that many hands drive (people, hooks, the clock, workers, a restart) is a state that somebody
wrote as "this cannot happen here". So everything that may happen stands in one of three tables, and what does not
stand there is refused with a sentence:

* `ACCEPTS`   state of the stage and command → the event that it leads to (`UNWINDING_ACCEPTS` and `OVER_ACCEPTS`: for a
  run that goes back, and for one that is over)
* `STAGE_NEXT` state of the stage and event → state of the stage
* `RUN_NEXT`  event → the state of the run after it, and the states it may come from

`decide` turns a command into events and changes nothing; `evolve` turns an event into the next value and refuses
nothing. After the event that was asked for, `consequence` is asked until it has nothing more to say: that is how a
finished stage leads to the next one, a failed one to its error policy, a decided review to its outcome. Replaying a
journal through `evolve` gives the stored run, for ever.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from engine import commands as c
from engine import events as e
from engine.consequences import ENGINE, consequence, was_placed
from engine.decisions import DECISIONS, check_report, refusal, refuse_over
from engine.errors import InvariantViolation
from engine.evolution import new_stages, run_after, run_after_stage, stage_after
from engine.model import PersonId, Run, RunState, StageRun, StageState
from engine.voting import missing

__all__ = [
    "ACCEPTS",
    "ENGINE",
    "OVER_ACCEPTS",
    "RUN_NEXT",
    "STAGE_NEXT",
    "UNWINDING_ACCEPTS",
    "begin",
    "consequence",
    "decide",
    "evolve",
    "missing_reviewers",
    "needs_worker",
    "new_stages",
    "was_placed",
]
S = StageState
R = RunState

_LIVE = (S.PENDING, S.AWAITING_TRIGGER, S.RUNNING, S.AWAITING_REVIEW, S.HELD, S.FROZEN)
_LEFT_ALONE = (S.PENDING, S.AWAITING_TRIGGER)
"""Where nothing works on the run and nobody is asked; everywhere else the stage has a deadline of its own."""

ACCEPTS: Mapping[tuple[StageState, type[c.Command]], type[e.Event]] = {
    **{(state, c.Stop): e.UnwindingBegan for state in _LIVE},
    **{(state, c.RollBack): e.UnwindingBegan for state in _LIVE},
    **{(state, c.MeetCondition): e.ConditionMet for state in _LIVE},
    **{(state, c.OverruleFreezes): e.FreezeOverruled for state in _LIVE},
    **{(state, c.RemindGray): e.GrayReminded for state in _LEFT_ALONE},
    **{(state, c.ExpireGray): e.UnwindingBegan for state in _LEFT_ALONE},
    (S.PENDING, c.Admit): e.RunStarted,
    (S.PENDING, c.Retry): e.RunResumed,
    (S.HELD, c.Retry): e.StageRetried,
    (S.HELD, c.Expire): e.StageFailed,
    (S.FROZEN, c.Expire): e.StageThawed,
    (S.FROZEN, c.Thaw): e.StageThawed,
    (S.AWAITING_REVIEW, c.Expire): e.StageRejected,
    (S.AWAITING_REVIEW, c.Adopt): e.StageNoted,
    (S.AWAITING_REVIEW, c.CastVote): e.Voted,
    (S.AWAITING_REVIEW, c.Remind): e.Reminded,
    (S.AWAITING_REVIEW, c.Escalate): e.ReviewEscalated,
    (S.AWAITING_REVIEW, c.ChangeShare): e.ShareChanged,
    (S.RUNNING, c.ChangeShare): e.ShareChanged,
    (S.RUNNING, c.ReportNote): e.StageNoted,
    (S.RUNNING, c.ReportReview): e.ReviewOpened,
    (S.RUNNING, c.ReportSuccess): e.StageSucceeded,
    (S.RUNNING, c.ReportFailure): e.StageFailed,
    (S.RUNNING, c.ReportChanged): e.VotesVoided,
    (S.RUNNING, c.ReportFrozen): e.StageFrozen,
}
"""What a run accepts while it is active and not being taken back, by the state of the stage that it is at."""

UNWINDING_ACCEPTS: Mapping[type[c.Command], type[e.Event]] = {
    c.ReportNote: e.StageNoted,
    c.ReportUnwound: e.RunEnded,
    c.GiveUp: e.RunEnded,
}
"""What a run accepts while it is being taken back."""

OVER_ACCEPTS: Mapping[type[c.Command], type[e.Event]] = {
    c.RemindGray: e.GrayReminded,
    c.ExpireGray: e.GrayEnded,
    c.EndGray: e.GrayEnded,
}
"""What a run accepts when it is over: words about a gray release that it has left standing."""

STAGE_NEXT: Mapping[tuple[StageState, type[e.StageEvent]], StageState] = {
    (S.PENDING, e.StageAwaited): S.AWAITING_TRIGGER,
    (S.PENDING, e.StageStarted): S.RUNNING,
    (S.AWAITING_TRIGGER, e.StageStarted): S.RUNNING,
    (S.RUNNING, e.ReviewOpened): S.AWAITING_REVIEW,
    (S.RUNNING, e.StageSucceeded): S.SUCCEEDED,
    (S.RUNNING, e.StageFailed): S.FAILED,
    (S.RUNNING, e.StageFrozen): S.FROZEN,
    (S.FROZEN, e.StageThawed): S.RUNNING,
    (S.AWAITING_REVIEW, e.StageSucceeded): S.SUCCEEDED,
    (S.AWAITING_REVIEW, e.StageRejected): S.REJECTED,
    (S.AWAITING_REVIEW, e.VotesVoided): S.RUNNING,
    (S.SUCCEEDED, e.VotesVoided): S.RUNNING,
    (S.FAILED, e.StageHeld): S.HELD,
    (S.FAILED, e.StageIgnored): S.IGNORED,
    (S.HELD, e.StageRetried): S.PENDING,
    (S.HELD, e.StageFailed): S.FAILED,
    **{(state, e.StageNoted): state for state in S},
    (S.AWAITING_REVIEW, e.Voted): S.AWAITING_REVIEW,
    (S.AWAITING_REVIEW, e.Reminded): S.AWAITING_REVIEW,
    (S.AWAITING_REVIEW, e.ReviewEscalated): S.AWAITING_REVIEW,
}
"""How an event changes the stage that it is about."""

_ACTIVE = frozenset({R.RUNNING, R.WAITING})
_OVER = frozenset(state for state in R if state.is_over)
RUN_NEXT: Mapping[type[e.Event], tuple[frozenset[RunState], RunState | None]] = {
    e.RunStarted: (frozenset({R.QUEUED}), R.RUNNING),
    e.StageAwaited: (_ACTIVE, R.WAITING),
    e.ConditionMet: (_ACTIVE | {R.QUEUED}, None),
    e.StageStarted: (_ACTIVE, R.RUNNING),
    e.StageNoted: (_ACTIVE, None),
    e.ReviewOpened: (_ACTIVE, R.WAITING),
    e.Voted: (_ACTIVE, R.WAITING),
    e.VotesVoided: (_ACTIVE, R.RUNNING),
    e.Reminded: (_ACTIVE, R.WAITING),
    e.ReviewEscalated: (_ACTIVE, R.WAITING),
    e.StageFrozen: (_ACTIVE, R.WAITING),
    e.StageThawed: (_ACTIVE, R.RUNNING),
    e.StageSucceeded: (_ACTIVE, R.RUNNING),
    e.StageFailed: (_ACTIVE, R.RUNNING),
    e.StageHeld: (_ACTIVE, R.WAITING),
    e.StageIgnored: (_ACTIVE, R.RUNNING),
    e.StageRejected: (_ACTIVE, R.RUNNING),
    e.StageRetried: (_ACTIVE, R.RUNNING),
    e.ReturnedToStart: (_ACTIVE, R.WAITING),
    e.RunResumed: (_ACTIVE, R.RUNNING),
    e.ShareChanged: (_ACTIVE, None),
    e.FreezeOverruled: (_ACTIVE | {R.QUEUED}, None),
    e.GrayReminded: (_ACTIVE | _OVER, None),
    e.GrayKept: (_ACTIVE | _OVER, None),
    e.GrayEnded: (_OVER, None),
    e.UnwindingBegan: (_ACTIVE, R.RUNNING),
    e.RunEnded: (_ACTIVE | {R.QUEUED}, None),
}
"""From which states of the run an event may come, and the state after it (None: as it was, or as the event says)."""


def begin(run: Run, now: datetime) -> list[e.Event]:
    """Make the first entry of a new run's journal."""
    return [e.RunRequested(at=now, by=run.requested_by, run=run)]


def decide(run: Run, command: c.Command, now: datetime) -> list[e.Event]:
    """Tell what follows from `command`, in order. Raises `Refused` when the run does not accept it now."""
    return decided(run, command, now)[0]


def decided(run: Run, command: c.Command, now: datetime) -> tuple[list[e.Event], Run]:
    """Tell what follows from `command`, and the run after it."""
    events = list(_asked_for(run, command, now))
    after = run
    for event in events:
        after = evolve(after, event)
    while (follows := consequence(after, now)) is not None:
        events.append(follows)
        after = evolve(after, follows)
    return events, after


def _asked_for(run: Run, command: c.Command, now: datetime) -> Sequence[e.Event]:
    if run.state.is_over and type(command) not in OVER_ACCEPTS:
        raise refuse_over(run, command)
    if run.state.is_over:
        return DECISIONS[type(command)](run, command, now)
    check_report(run, command)
    kind = UNWINDING_ACCEPTS.get(type(command)) if run.unwinding else ACCEPTS.get((run.stage.state, type(command)))
    if kind is None:
        raise refusal(run, command)
    return DECISIONS[type(command)](run, command, now)


def evolve(run: Run | None, event: e.Event) -> Run:
    """Tell the run after `event`. Any journal, replayed, gives the run that was stored."""
    if isinstance(event, e.RunRequested):
        return replace(event.run, seq=1)
    if run is None:
        raise InvariantViolation(f"A journal begins with {type(event).__name__} instead of RunRequested.")
    allowed, after = RUN_NEXT[type(event)]
    if run.state not in allowed:
        raise InvariantViolation(f"{type(event).__name__} cannot happen to run {run.id}, which is {run.state}.")
    state = after or run.state
    if isinstance(event, e.StageEvent):
        return run_after_stage(run, event, state, _moved(run.stages[event.stage], event))
    return run_after(run, event, state)


def _moved(stage: StageRun, event: e.StageEvent) -> StageRun:
    after = STAGE_NEXT.get((stage.state, type(event)))
    if after is None:
        raise InvariantViolation(f"{type(event).__name__} cannot happen to stage {stage.name}, which is {stage.state}.")
    return stage_after(stage, event, after)


def needs_worker(run: Run) -> bool:
    """Whether a worker has something to do for the run now."""
    if run.state.is_over or run.state is R.QUEUED or run.paused:
        return False
    return run.unwinding is not None or run.stage.state is S.RUNNING


def missing_reviewers(run: Run) -> tuple[PersonId, ...]:
    """List who may vote on the open review and has not."""
    return missing(run, run.position)
