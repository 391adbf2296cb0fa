"""The state machine of a run, as tables. Pure: no clock, no I/O, no logging; `now` is an argument.

The danger in a machine that many hands drive (people, hooks, the clock, workers, a restart) is a state that somebody wrote
as "this cannot happen here". So everything that may happen stands in one of three tables, and what does not stand there is
refused with a sentence:

* `ACCEPTS`   state of the stage × command → the event that it leads to
* `STAGE_NEXT` state of the stage × event → state of the stage
* `RUN_NEXT`  event → the state of the run after it, and the states it may come from

`decide` turns a command into events and changes nothing; `evolve` turns an event into the next value and refuses nothing.
After the event that was asked for, `consequence` is asked until it has nothing more to say: that is how a finished stage
leads to the next one, a failed one to its error policy, a decided review to its outcome. Replaying a journal through
`evolve` gives the stored run, for ever.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from engine import commands as c
from engine import events as e
from engine.errors import InvariantViolation, Refused
from engine.model import (
    Json,
    Mode,
    OnError,
    PersonId,
    Run,
    RunState,
    StageKind,
    StageRule,
    StageRun,
    StageState,
    Unwinding,
    Verdict,
    Vote,
)

S = StageState
R = RunState
ENGINE = PersonId("sluice")
"""Who is named when nobody asked: the machine itself."""

_LIVE = (S.PENDING, S.AWAITING_TRIGGER, S.RUNNING, S.AWAITING_REVIEW, S.HELD)

ACCEPTS: Mapping[tuple[StageState, type[c.Command]], type[e.Event]] = {
    **{(state, c.Stop): e.UnwindingBegan for state in _LIVE},
    **{(state, c.RollBack): e.UnwindingBegan for state in _LIVE},
    **{(state, c.MeetCondition): e.ConditionMet for state in _LIVE},
    (S.PENDING, c.Admit): e.RunStarted,
    (S.PENDING, c.Retry): e.RunResumed,
    (S.HELD, c.Retry): e.StageRetried,
    (S.HELD, c.Expire): e.StageFailed,
    (S.AWAITING_REVIEW, c.Expire): e.StageRejected,
    (S.AWAITING_REVIEW, c.CastVote): e.Voted,
    (S.AWAITING_REVIEW, c.Remind): e.Reminded,
    (S.AWAITING_REVIEW, c.ChangeShare): e.ShareChanged,
    (S.RUNNING, c.ChangeShare): e.ShareChanged,
    (S.RUNNING, c.ReportNote): e.StageNoted,
    (S.RUNNING, c.ReportReview): e.ReviewOpened,
    (S.RUNNING, c.ReportSuccess): e.StageSucceeded,
    (S.RUNNING, c.ReportFailure): e.StageFailed,
    (S.RUNNING, c.ReportChanged): e.VotesVoided,
}
"""What a run accepts while it is active and not being taken back, by the state of the stage that it is at."""

UNWINDING_ACCEPTS: Mapping[type[c.Command], type[e.Event]] = {
    c.ReportNote: e.StageNoted,
    c.ReportUnwound: e.RunEnded,
}
"""What a run accepts while it is being taken back."""

STAGE_NEXT: Mapping[tuple[StageState, type[e.StageEvent]], StageState] = {
    (S.PENDING, e.StageAwaited): S.AWAITING_TRIGGER,
    (S.PENDING, e.StageStarted): S.RUNNING,
    (S.AWAITING_TRIGGER, e.StageStarted): S.RUNNING,
    (S.RUNNING, e.ReviewOpened): S.AWAITING_REVIEW,
    (S.RUNNING, e.StageSucceeded): S.SUCCEEDED,
    (S.RUNNING, e.StageFailed): S.FAILED,
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
}
"""How an event changes the stage that it is about."""

_ACTIVE = frozenset({R.RUNNING, R.WAITING})
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
    e.StageSucceeded: (_ACTIVE, R.RUNNING),
    e.StageFailed: (_ACTIVE, R.RUNNING),
    e.StageHeld: (_ACTIVE, R.WAITING),
    e.StageIgnored: (_ACTIVE, R.RUNNING),
    e.StageRejected: (_ACTIVE, R.RUNNING),
    e.StageRetried: (_ACTIVE, R.RUNNING),
    e.ReturnedToStart: (_ACTIVE, R.WAITING),
    e.RunResumed: (_ACTIVE, R.RUNNING),
    e.ShareChanged: (_ACTIVE, None),
    e.UnwindingBegan: (_ACTIVE, R.RUNNING),
    e.RunEnded: (_ACTIVE | {R.QUEUED}, None),
}
"""From which states of the run an event may come, and the state after it (None: as it was, or as the event says)."""


def decide(run: Run, command: c.Command, now: datetime) -> list[e.Event]:
    """What follows from `command`, in order. Raises `Refused` when the run does not accept it now."""
    events = [_first(run, command, now)]
    after = evolve(run, events[0])
    while (event := consequence(after, now)) is not None:
        events.append(event)
        after = evolve(after, event)
    return events


def begin(run: Run, now: datetime) -> list[e.Event]:
    """The first entry of a new run's journal."""
    return [e.RunRequested(at=now, by=run.requested_by, run=run)]


def evolve(run: Run | None, event: e.Event) -> Run:
    """The run after `event`. Any journal, replayed, gives the run that was stored."""
    if isinstance(event, e.RunRequested):
        return replace(event.run, seq=1)
    if run is None:
        raise InvariantViolation(f"A journal begins with {type(event).__name__} instead of RunRequested.")
    allowed, after = RUN_NEXT[type(event)]
    if run.state not in allowed:
        raise InvariantViolation(f"{type(event).__name__} cannot happen to run {run.id}, which is {run.state}.")
    run = replace(run, seq=run.seq + 1, state=after or run.state)
    if isinstance(event, e.StageEvent):
        run = _with_stage(run, event.stage, _evolve_stage(run.stages[event.stage], event))
    change = _RUN_CHANGES.get(type(event))
    return change(run, event) if change else run


def consequence(run: Run, now: datetime) -> e.Event | None:
    """The event that follows of itself from where the run is, if any."""
    if run.state.is_over or run.state is R.QUEUED or run.paused:
        return None
    if run.unwinding is not None:
        return None if was_placed(run) else e.RunEnded(
            at=now, by=ENGINE, state=run.unwinding.final, reason=run.unwinding.reason
        )
    follow = _CONSEQUENCES.get(run.stage.state)
    return follow(run, now) if follow else None


def needs_worker(run: Run) -> bool:
    """Whether a worker has something to do for the run now."""
    if run.state.is_over or run.state is R.QUEUED or run.paused:
        return False
    return run.unwinding is not None or run.stage.state is S.RUNNING


def was_placed(run: Run) -> bool:
    """Whether the run may have put anything of a new version in place."""
    return any(stage.kind in (StageKind.GRAY, StageKind.OFFICIAL) and stage.attempt > 0 for stage in run.stages)


def missing_reviewers(run: Run) -> tuple[PersonId, ...]:
    """Reviewers of the open review who have not voted."""
    voted = {vote.person for vote in run.stage.votes}
    return tuple(person for person in run.rule.reviewers if person not in voted)


# -- commands -----------------------------------------------------------------------------------------------------------


def _first(run: Run, command: c.Command, now: datetime) -> e.Event:
    if run.state.is_over:
        raise Refused(f"Run {run.id} is {_said(run.state)}; it cannot be {_verb(command)}.", "`runs` lists what is going on.")
    _check_report(run, command)
    kind = UNWINDING_ACCEPTS.get(type(command)) if run.unwinding else ACCEPTS.get((run.stage.state, type(command)))
    if kind is None:
        raise _refusal(run, command)
    return _BUILDERS[type(command)](run, command, now)


def _check_report(run: Run, command: c.Command) -> None:
    if not isinstance(command, c.Report | c.Expire | c.Remind):
        return
    if (command.stage, command.attempt) != (run.position, run.stage.attempt):
        raise Refused(
            f"Run {run.id} is at stage {run.stage.name}, attempt {run.stage.attempt}; "
            f"{type(command).__name__} was about stage {command.stage + 1}, attempt {command.attempt}."
        )


def _refusal(run: Run, command: c.Command) -> Refused:
    if run.unwinding is not None:
        return Refused(f"Run {run.id} is being taken back; it cannot be {_verb(command)}.")
    hint = _HINTS.get(type(command), "")
    return Refused(f"Run {run.id} is at stage {run.stage.name}, which is {_said(run.stage.state)}; it cannot be {_verb(command)} now.", hint)


def _admit(run: Run, command: c.Command, now: datetime) -> e.Event:
    if run.state is not R.QUEUED:
        raise Refused(f"Run {run.id} has begun already.")
    return e.RunStarted(at=now, by=command.by)


def _stop(run: Run, command: c.Command, now: datetime) -> e.Event:
    assert isinstance(command, c.Stop)  # noqa: S101 - the table says so; mypy needs to hear it
    if run.state is R.QUEUED:
        return e.RunEnded(at=now, by=command.by, state=command.final, reason=command.reason)
    return e.UnwindingBegan(at=now, by=command.by, final=command.final, reason=command.reason)


def _roll_back(run: Run, command: c.Command, now: datetime) -> e.Event:
    assert isinstance(command, c.RollBack)  # noqa: S101
    if not was_placed(run):
        raise Refused(f"Run {run.id} has not deployed anything yet.", f"`stop {run.id}` ends it.")
    return e.UnwindingBegan(at=now, by=command.by, final=R.ROLLED_BACK, reason=command.reason)


def _retry(run: Run, command: c.Command, now: datetime) -> e.Event:
    if run.paused:
        return e.RunResumed(at=now, by=command.by)
    if run.stage.state is not S.HELD:
        raise _refusal(run, command)
    return e.StageRetried(at=now, by=command.by, stage=run.position)


def _vote(run: Run, command: c.Command, now: datetime) -> e.Event:
    assert isinstance(command, c.CastVote)  # noqa: S101
    stage, rule = run.stage, run.rule
    seen = (command.stage, command.attempt, command.fingerprint)
    is_now = (run.position, stage.attempt, stage.fingerprint)
    if any(was not in (None, "", now_) for was, now_ in zip(seen, is_now, strict=True)):
        raise Refused(f"That button belongs to an earlier review of run {run.id}; nothing was counted.", "Use the newest card.")
    if command.by not in rule.reviewers:
        raise Refused(f"Only {_list(rule.reviewers)} can decide about {stage.name} of run {run.id}.")
    if any(vote.person == command.by and vote.verdict is command.verdict for vote in stage.votes):
        raise Refused(f"You have already said {command.verdict} to {stage.name} of run {run.id}; it is counted once.")
    vote = Vote(command.by, command.verdict, now, stage.fingerprint, command.reason)
    return e.Voted(at=now, by=command.by, stage=run.position, vote=vote)


def _change_share(run: Run, command: c.Command, now: datetime) -> e.Event:
    assert isinstance(command, c.ChangeShare)  # noqa: S101
    if run.stage.kind not in (StageKind.GRAY, StageKind.REVIEW) or not was_placed(run):
        raise Refused(f"Run {run.id} has no gray release to split traffic with now; it is at stage {run.stage.name}.")
    if not 0 <= command.percent <= 100:  # noqa: PLR2004 - percent
        raise Refused(f"{command.percent} is not a share.", "Write a percentage from 0 to 100, for example `split 20`.")
    if run.share == command.percent:
        raise Refused(f"Gray is set to {command.percent} % already.")
    return e.ShareChanged(at=now, by=command.by, percent=command.percent, before=run.share)


def _meet(run: Run, command: c.Command, now: datetime) -> e.Event:
    assert isinstance(command, c.MeetCondition)  # noqa: S101
    ahead = [number for number, rule in enumerate(run.rules) if number >= run.position and command.key in rule.conditions]
    if not any(run.stages[number].state in (S.PENDING, S.AWAITING_TRIGGER) for number in ahead):
        raise Refused(f"No stage of run {run.id} waits for {command.key}.")
    if all(command.key in run.stages[number].conditions for number in ahead):
        raise Refused(f"{command.key} was met already for run {run.id}.")
    return e.ConditionMet(at=now, by=command.by, key=command.key, variables=command.variables)


def _expire(run: Run, command: c.Command, now: datetime) -> e.Event:
    if run.stage.deadline is not None and now < run.stage.deadline:
        raise Refused(f"The deadline of {run.stage.name} in run {run.id} is not over yet.")
    if run.stage.state is S.HELD:
        return e.StageFailed(at=now, by=command.by, stage=run.position, reason=f"{run.stage.reason} Nobody retried it in time.")
    return e.StageRejected(at=now, by=command.by, stage=run.position, reason="Nobody decided before the deadline.")


def _remind(run: Run, command: c.Command, now: datetime) -> e.Event:
    return e.Reminded(at=now, by=command.by, stage=run.position)


def _note(run: Run, command: c.Command, now: datetime) -> e.Event:
    assert isinstance(command, c.ReportNote)  # noqa: S101
    return e.StageNoted(at=now, by=command.by, stage=run.position, note=command.note, outputs=command.outputs)


def _open_review(run: Run, command: c.Command, now: datetime) -> e.Event:
    assert isinstance(command, c.ReportReview)  # noqa: S101
    return e.ReviewOpened(
        at=now,
        by=command.by,
        stage=run.position,
        fingerprint=command.fingerprint,
        plan=command.plan,
        deadline=command.deadline,
    )


def _succeed(run: Run, command: c.Command, now: datetime) -> e.Event:
    assert isinstance(command, c.ReportSuccess)  # noqa: S101
    return e.StageSucceeded(at=now, by=command.by, stage=run.position, outputs=command.outputs)


def _fail(run: Run, command: c.Command, now: datetime) -> e.Event:
    assert isinstance(command, c.ReportFailure)  # noqa: S101
    return e.StageFailed(at=now, by=command.by, stage=run.position, reason=command.reason)


def _void(run: Run, command: c.Command, now: datetime) -> e.Event:
    assert isinstance(command, c.ReportChanged)  # noqa: S101
    return e.VotesVoided(at=now, by=command.by, stage=command.review, difference=command.difference)


def _unwound(run: Run, command: c.Command, now: datetime) -> e.Event:
    if run.unwinding is None:
        raise InvariantViolation(f"Run {run.id} was taken back without being asked to.")
    return e.RunEnded(at=now, by=command.by, state=run.unwinding.final, reason=run.unwinding.reason)


_BUILDERS: Mapping[type[c.Command], Callable[[Run, c.Command, datetime], e.Event]] = {
    c.Admit: _admit,
    c.Stop: _stop,
    c.RollBack: _roll_back,
    c.Retry: _retry,
    c.CastVote: _vote,
    c.ChangeShare: _change_share,
    c.MeetCondition: _meet,
    c.Expire: _expire,
    c.Remind: _remind,
    c.ReportNote: _note,
    c.ReportReview: _open_review,
    c.ReportSuccess: _succeed,
    c.ReportFailure: _fail,
    c.ReportChanged: _void,
    c.ReportUnwound: _unwound,
}


# -- consequences -------------------------------------------------------------------------------------------------------


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
    votes, rule = run.stage.votes, run.rule
    refused = next((vote for vote in votes if vote.verdict is Verdict.REJECT), None)
    if refused is not None:
        because = f": {refused.reason}" if refused.reason else "."
        return e.StageRejected(at=now, by=refused.person, stage=run.position, reason=f"{refused.person} refused{because}")
    passed = {vote.person for vote in votes if vote.verdict is Verdict.APPROVE}
    enough = passed.issuperset(rule.reviewers) if rule.votes_needed is Mode.ALL else bool(passed)
    return e.StageSucceeded(at=now, by=ENGINE, stage=run.position) if enough else None


def _after_refusal(run: Run, now: datetime) -> e.Event:
    if run.rule.take_back_on_refusal:
        return e.UnwindingBegan(at=now, by=ENGINE, final=R.REJECTED, reason=run.stage.reason)
    return e.RunEnded(at=now, by=ENGINE, state=R.REJECTED, reason=run.stage.reason)


_CONSEQUENCES: Mapping[StageState, Callable[[Run, datetime], e.Event | None]] = {
    S.PENDING: _go_or_wait,
    S.AWAITING_TRIGGER: _go_or_wait,
    S.AWAITING_REVIEW: _after_votes,
    S.FAILED: _after_failure,
    S.SUCCEEDED: _after_success,
    S.IGNORED: _after_success,
    S.REJECTED: _after_refusal,
}


# -- evolution ----------------------------------------------------------------------------------------------------------


def _evolve_stage(stage: StageRun, event: e.StageEvent) -> StageRun:
    after = STAGE_NEXT.get((stage.state, type(event)))
    if after is None:
        raise InvariantViolation(f"{type(event).__name__} cannot happen to stage {stage.name}, which is {stage.state}.")
    stage = replace(stage, state=after)
    match event:
        case e.StageStarted(attempt=attempt, at=at):
            fresh = StageRun(stage.name, stage.kind, stage.state, attempt, at, conditions=stage.conditions)
            return replace(fresh, outputs=stage.outputs if stage.kind is StageKind.GRAY else {})
        case e.StageNoted(note=note, outputs=outputs):
            return replace(stage, note=note, outputs=_merged(stage.outputs, outputs))
        case e.ReviewOpened(fingerprint=fingerprint, plan=plan, deadline=deadline):
            return replace(stage, fingerprint=fingerprint, outputs=plan, deadline=deadline, votes=(), note="")
        case e.Voted(vote=vote):
            others = tuple(old for old in stage.votes if old.person != vote.person)
            return replace(stage, votes=(*others, vote))
        case e.VotesVoided(difference=difference):
            return replace(stage, votes=(), fingerprint="", note=difference, ended_at=None)
        case e.StageSucceeded(outputs=outputs, at=at):
            return replace(stage, outputs=_merged(stage.outputs, outputs), ended_at=at, note="", deadline=None)
        case e.StageFailed(reason=reason, at=at) | e.StageRejected(reason=reason, at=at):
            return replace(stage, reason=reason, ended_at=at, note="")
        case e.StageHeld(until=until):
            return replace(stage, deadline=until)
        case e.StageRetried():
            return replace(stage, deadline=None, reason="")
        case _:
            return stage


def _started(run: Run, event: e.Event) -> Run:
    return replace(run, started_at=event.at)


def _moved_on(run: Run, event: e.Event) -> Run:
    return replace(run, position=min(run.position + 1, len(run.stages) - 1))


def _condition(run: Run, event: e.Event) -> Run:
    assert isinstance(event, e.ConditionMet)  # noqa: S101
    stages = tuple(
        replace(stage, conditions=(*stage.conditions, event.key))
        if number >= run.position and event.key in rule.conditions and event.key not in stage.conditions
        else stage
        for number, (stage, rule) in enumerate(zip(run.stages, run.rules, strict=True))
    )
    return replace(run, stages=stages, variables={**run.variables, **event.variables})


def _returned(run: Run, event: e.Event) -> Run:
    assert isinstance(event, e.ReturnedToStart)  # noqa: S101
    stages = tuple(StageRun(stage.name, stage.kind, attempt=stage.attempt, outputs=stage.outputs) for stage in run.stages)
    return replace(run, stages=stages, position=0, paused=True, reason=event.reason)


def _resumed(run: Run, event: e.Event) -> Run:
    return replace(run, paused=False, reason="")


def _shared(run: Run, event: e.Event) -> Run:
    assert isinstance(event, e.ShareChanged)  # noqa: S101
    run = replace(run, share=event.percent)
    stage = run.stage
    if stage.state is not S.AWAITING_REVIEW:
        return run
    before = "as defined" if event.before is None else f"{event.before} %"
    said = f"The gray share was changed from {before} to {event.percent} %; what was voted before does not count."
    again = replace(stage, state=S.RUNNING, votes=(), fingerprint="", note=said, deadline=None)
    return replace(_with_stage(run, run.position, again), state=R.RUNNING)


def _voided(run: Run, event: e.Event) -> Run:
    assert isinstance(event, e.VotesVoided)  # noqa: S101
    later = [
        StageRun(stage.name, stage.kind, conditions=stage.conditions) if number > event.stage else stage
        for number, stage in enumerate(run.stages)
    ]
    return replace(run, stages=tuple(later), position=event.stage)


def _unwinding(run: Run, event: e.Event) -> Run:
    assert isinstance(event, e.UnwindingBegan)  # noqa: S101
    return replace(run, unwinding=Unwinding(event.final, event.by, event.reason), paused=False)


def _ended(run: Run, event: e.Event) -> Run:
    assert isinstance(event, e.RunEnded)  # noqa: S101
    stages = tuple(_closed(stage, number, run, event) for number, stage in enumerate(run.stages))
    return replace(run, state=event.state, reason=event.reason, ended_at=event.at, unwinding=None, paused=False, stages=stages)


def _closed(stage: StageRun, number: int, run: Run, event: e.RunEnded) -> StageRun:
    if stage.state in (S.SUCCEEDED, S.IGNORED, S.REJECTED):
        if event.state is R.ROLLED_BACK and stage.kind in (StageKind.GRAY, StageKind.OFFICIAL):
            return replace(stage, state=S.ROLLED_BACK)
        return stage
    if number > run.position or (number == run.position and stage.attempt == 0):
        return replace(stage, state=S.SKIPPED)
    if stage.state is S.FAILED or event.state is R.FAILED:
        return replace(stage, state=S.FAILED)
    final = {R.ROLLED_BACK: S.ROLLED_BACK, R.REJECTED: S.REJECTED}.get(event.state, S.CANCELLED)
    return replace(stage, state=final, ended_at=event.at, note="", deadline=None)


_RUN_CHANGES: Mapping[type[e.Event], Callable[[Run, e.Event], Run]] = {
    e.RunStarted: _started,
    e.StageSucceeded: _moved_on,
    e.StageIgnored: _moved_on,
    e.ConditionMet: _condition,
    e.ReturnedToStart: _returned,
    e.RunResumed: _resumed,
    e.ShareChanged: _shared,
    e.VotesVoided: _voided,
    e.UnwindingBegan: _unwinding,
    e.RunEnded: _ended,
}


def _with_stage(run: Run, number: int, stage: StageRun) -> Run:
    return replace(run, stages=(*run.stages[:number], stage, *run.stages[number + 1 :]))


def _merged(old: Json, new: Json) -> Json:
    return {**old, **new} if new else old


# -- words --------------------------------------------------------------------------------------------------------------

_VERBS: Mapping[type[c.Command], str] = {
    c.Admit: "started",
    c.Stop: "stopped",
    c.RollBack: "rolled back",
    c.Retry: "retried",
    c.CastVote: "voted on",
    c.ChangeShare: "given another split",
    c.MeetCondition: "triggered",
}
_HINTS: Mapping[type[c.Command], str] = {
    c.Retry: "Only a stage that is held after a failure can be retried.",
    c.CastVote: "A review has to be open.",
    c.ChangeShare: "The split can be changed while gray runs or its review is open.",
}


def _verb(command: c.Command) -> str:
    return _VERBS.get(type(command), "changed")


def _said(state: RunState | StageState) -> str:
    return state.value.replace("_", " ")


def _list(people: tuple[PersonId, ...]) -> str:
    return " and ".join(people) if len(people) < 3 else ", ".join(people)  # noqa: PLR2004 - a list reads so


def new_stages(rules: tuple[StageRule, ...]) -> tuple[StageRun, ...]:
    """A run's stages before anything has happened."""
    return tuple(StageRun(rule.name, rule.kind) for rule in rules)
