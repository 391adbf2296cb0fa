"""From a command to the events that it asks for, or to a sentence that says why not. Pure.

`engine.transitions.ACCEPTS` has already said that the run takes a command of this kind now; what is looked at here is
the rest: who asks, about which attempt, and whether there is anything to do.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from engine import commands as c
from engine import events as e
from engine.consequences import was_placed
from engine.errors import InvariantViolation, Refused
from engine.evolution import DEPLOYING
from engine.model import Run, RunState, StageKind, StageState, Vote
from engine.voting import check_vote

S = StageState
R = RunState
C = TypeVar("C", bound=c.Command)
Decision = Callable[[Run, c.Command, datetime], Sequence[e.Event]]
WHOLE = 100
"""Percent."""

_VERBS: Mapping[type[c.Command], str] = {
    c.Admit: "started",
    c.Stop: "stopped",
    c.RollBack: "rolled back",
    c.GiveUp: "given up",
    c.Retry: "retried",
    c.Adopt: "adopted into",
    c.CastVote: "voted on",
    c.ChangeShare: "given another split",
    c.MeetCondition: "triggered",
    c.OverruleFreezes: "let through",
}
_HINTS: Mapping[type[c.Command], str] = {
    c.GiveUp: "Only a run that is being taken back can be; `stop RUN` ends others.",
    c.Retry: "Only a stage that is held after a failure can be retried.",
    c.Adopt: "What was changed can be adopted while its review is open, or when it stops at that.",
    c.CastVote: "A review has to be open.",
    c.ChangeShare: "The split can be changed while gray runs or its review is open.",
}


def refuse_over(run: Run, command: c.Command) -> Refused:
    """Nothing can be asked of a run that is over."""
    return Refused(
        f"Run {run.id} is {_said(run.state)}; it cannot be {_verb(command)}.", "`status` shows what is going on."
    )


def refusal(run: Run, command: c.Command) -> Refused:
    """The run does not take this command where it is."""
    if run.unwinding is not None:
        said = f"Run {run.id} is being taken back; it cannot be {_verb(command)}."
        return Refused(said, f"If that cannot succeed, `giveup {run.id}` ends it and leaves what is there.")
    at = f"Run {run.id} is at stage {run.stage.name}, which is {_said(run.stage.state)}"
    hint = _HINTS.get(type(command), "")
    if run.stage.state is S.FROZEN:
        hint = f"It goes on by itself. `override {run.id} REASON` asks for it now; somebody else has to confirm that."
    return Refused(f"{at}; it cannot be {_verb(command)} now.", hint)


def check_report(run: Run, command: c.Command) -> None:
    """Refuse what the worker or the clock says of another stage, or of an earlier attempt."""
    if not isinstance(command, c.Report | c.Expire | c.Remind | c.Escalate):
        return
    if (command.stage, command.attempt) != (run.position, run.stage.attempt):
        raise Refused(
            f"Run {run.id} is at stage {run.stage.name}, attempt {run.stage.attempt}; "
            f"{type(command).__name__} was about stage {command.stage + 1}, attempt {command.attempt}."
        )


def _admit(run: Run, command: c.Admit, now: datetime) -> list[e.Event]:
    if run.state is not R.QUEUED:
        raise Refused(f"Run {run.id} has begun already.")
    return [e.RunStarted(at=now, by=command.by)]


def _stop(run: Run, command: c.Stop, now: datetime) -> list[e.Event]:
    if run.state is R.QUEUED:
        return [e.RunEnded(at=now, by=command.by, state=command.final, reason=command.reason)]
    return [e.UnwindingBegan(at=now, by=command.by, final=command.final, reason=command.reason)]


def _roll_back(run: Run, command: c.RollBack, now: datetime) -> list[e.Event]:
    if not was_placed(run):
        raise Refused(f"Run {run.id} has not deployed anything yet.", f"`stop {run.id}` ends it.")
    return [e.UnwindingBegan(at=now, by=command.by, final=R.ROLLED_BACK, reason=command.reason)]


def _give_up(run: Run, command: c.GiveUp, now: datetime) -> list[e.Event]:
    if run.unwinding is None:
        raise refusal(run, command)
    because = f": {command.reason}" if command.reason else ""
    reason = f"{command.by} gave up taking it back{because}. What it placed was left as it was."
    return [e.RunEnded(at=now, by=command.by, state=R.FAILED, reason=reason)]


def _retry(run: Run, command: c.Retry, now: datetime) -> list[e.Event]:
    if command.settle and (run.paused or run.stage.kind not in (*DEPLOYING, StageKind.REVIEW)):
        raise Refused(f"Run {run.id} is at {run.stage.name}; nothing is disputed there.")
    if run.paused:
        return [e.RunResumed(at=now, by=command.by)]
    if run.stage.state is not S.HELD:
        raise refusal(run, command)
    return [e.StageRetried(at=now, by=command.by, stage=run.position, settle=command.settle)]


def _adopt(run: Run, command: c.Adopt, now: datetime) -> list[e.Event]:
    outputs = {**command.shown, "disputed": [], "settle": {"how": "adopt", "by": command.by}}
    said = f"{command.by} adopts what others have put in the place of the old version; what was voted before is void."
    return [
        e.StageNoted(at=now, by=command.by, stage=run.position, note=said, outputs=outputs),
        e.VotesVoided(at=now, by=command.by, stage=run.position, difference=said),
    ]


def _vote(run: Run, command: c.CastVote, now: datetime) -> list[e.Event]:
    stage = run.stage
    seen = (command.stage, command.attempt, command.fingerprint)
    is_now = (run.position, stage.attempt, stage.fingerprint)
    if any(was not in (None, "", now_) for was, now_ in zip(seen, is_now, strict=True)):
        raise Refused(
            f"That button belongs to an earlier review of run {run.id}; nothing was counted.", "Use the newest card."
        )
    check_vote(run, command)
    vote = Vote(command.by, command.verdict, now, stage.fingerprint, command.reason)
    return [e.Voted(at=now, by=command.by, stage=run.position, vote=vote)]


def _change_share(run: Run, command: c.ChangeShare, now: datetime) -> list[e.Event]:
    if run.stage.kind not in (StageKind.GRAY, StageKind.REVIEW) or not was_placed(run):
        at = f"it is at stage {run.stage.name}"
        raise Refused(f"Run {run.id} has no gray release to split traffic with now; {at}.")
    if not 0 <= command.percent <= WHOLE:
        hint = f"Write a percentage from 0 to 100, for example `split {run.id} 20`."
        raise Refused(f"{command.percent} is not a share.", hint)
    if run.share == command.percent:
        raise Refused(f"Gray is set to {command.percent} % already.")
    changed = e.ShareChanged(at=now, by=command.by, percent=command.percent, before=run.share)
    return [changed] if run.stage.state is S.RUNNING else [changed, _voided_by(run, changed)]


def _voided_by(run: Run, changed: e.ShareChanged) -> e.Event:
    before = "as defined" if changed.before is None else f"{changed.before} %"
    said = f"The gray share was changed from {before} to {changed.percent} %; what was voted before does not count."
    return e.VotesVoided(at=changed.at, by=changed.by, stage=run.position, difference=said)


def _meet(run: Run, command: c.MeetCondition, now: datetime) -> list[e.Event]:
    ahead = [
        number for number, rule in enumerate(run.rules) if number >= run.position and command.key in rule.conditions
    ]
    if not any(run.stages[number].state in (S.PENDING, S.AWAITING_TRIGGER) for number in ahead):
        raise Refused(f"No stage of run {run.id} waits for {command.key}.")
    if all(command.key in run.stages[number].conditions for number in ahead):
        raise Refused(f"{command.key} was met already for run {run.id}.")
    return [e.ConditionMet(at=now, by=command.by, key=command.key, variables=command.variables)]


def _expire(run: Run, command: c.Expire, now: datetime) -> list[e.Event]:
    stage = run.stage
    if stage.deadline is not None and now < stage.deadline:
        raise Refused(f"The deadline of {stage.name} in run {run.id} is not over yet.")
    if stage.state is S.FROZEN:
        return [e.StageThawed(at=now, by=command.by, stage=run.position)]
    if stage.state is S.HELD:
        reason = f"{stage.reason} Nobody retried it in time."
        return [e.StageFailed(at=now, by=command.by, stage=run.position, reason=reason)]
    reason = "Nobody decided before the deadline."
    if run.rule.pass_on_deadline:
        outputs = {"passed": f"{reason} It passes then, as the pipeline says."}
        return [e.StageSucceeded(at=now, by=command.by, stage=run.position, outputs=outputs)]
    return [e.StageRejected(at=now, by=command.by, stage=run.position, reason=reason)]


def _remind(run: Run, command: c.Remind, now: datetime) -> list[e.Event]:
    return [e.Reminded(at=now, by=command.by, stage=run.position)]


def _escalate(run: Run, command: c.Escalate, now: datetime) -> list[e.Event]:
    stage = run.stage
    if stage.is_escalated or stage.deputies_from is None or now < stage.deputies_from:
        raise Refused(f"Run {run.id} has no deputies to turn to now at stage {stage.name}.")
    return [e.ReviewEscalated(at=now, by=command.by, stage=run.position)]


def _freeze(run: Run, command: c.ReportFrozen, now: datetime) -> list[e.Event]:
    until, sentence = command.until, command.sentence
    return [e.StageFrozen(at=now, by=command.by, stage=run.position, until=until, sentence=sentence)]


def _thaw(run: Run, command: c.Thaw, now: datetime) -> list[e.Event]:
    return [e.StageThawed(at=now, by=command.by, stage=run.position)]


def _overrule(run: Run, command: c.OverruleFreezes, now: datetime) -> list[e.Event]:
    if run.override is not None:
        raise Refused(f"Run {run.id} is let through freezes already: {run.override.by} asked for it.")
    if command.override.by == command.override.confirmed_by:
        raise Refused(f"{command.override.by} has asked for it; somebody else has to confirm it.")
    return [e.FreezeOverruled(at=now, by=command.by, override=command.override)]


def _remind_gray(run: Run, command: c.RemindGray, now: datetime) -> list[e.Event]:
    return [e.GrayReminded(at=now, by=command.by, until=_standing_until(run, command))]


def _expire_gray(run: Run, command: c.ExpireGray, now: datetime) -> list[e.Event]:
    until = _standing_until(run, command)
    if now < until:
        raise Refused(f"Run {run.id} has a gray release that may stand longer.")
    rule = next(rule for rule in run.rules if rule.kind is StageKind.GRAY)
    if rule.keep_on_deadline and rule.deadline is not None:
        return [e.GrayKept(at=now, by=command.by, until=now + rule.deadline)]
    reason = "Nobody promoted the gray release before its deadline."
    if run.state.is_over:
        return [e.GrayEnded(at=now, by=command.by, reason=reason)]
    return [e.UnwindingBegan(at=now, by=command.by, final=R.ROLLED_BACK, reason=reason)]


def _end_gray(run: Run, command: c.EndGray, now: datetime) -> list[e.Event]:
    _standing_until(run, command)
    return [e.GrayEnded(at=now, by=command.by, reason=command.reason)]


def _standing_until(run: Run, command: c.Command) -> datetime:
    if run.gray_until is None:
        raise refuse_over(run, command) if run.state.is_over else refusal(run, command)
    return run.gray_until


def _note(run: Run, command: c.ReportNote, now: datetime) -> list[e.Event]:
    return [e.StageNoted(at=now, by=command.by, stage=run.position, note=command.note, outputs=command.outputs)]


def _open_review(run: Run, command: c.ReportReview, now: datetime) -> list[e.Event]:
    if run.stage.kind is not StageKind.REVIEW:
        raise Refused(f"Stage {run.stage.name} of run {run.id} is no review; nobody can be asked about it.")
    _check_seen(run, command)
    opened = e.ReviewOpened(
        at=now,
        by=command.by,
        stage=run.position,
        fingerprint=command.fingerprint,
        plan=command.plan,
        deadline=command.deadline,
        deputies_from=None if run.rule.escalate_after is None else now + run.rule.escalate_after,
    )
    return [opened]


def _succeed(run: Run, command: c.ReportSuccess, now: datetime) -> list[e.Event]:
    if run.stage.kind is StageKind.REVIEW:
        raise Refused(f"Stage {run.stage.name} of run {run.id} is a review; only its reviewers can pass it.")
    if run.stage.kind is StageKind.GRAY:
        _check_seen(run, command)
    return [e.StageSucceeded(at=now, by=command.by, stage=run.position, outputs=command.outputs)]


def _check_seen(run: Run, command: c.Report) -> None:
    """Refuse a report on a split that was changed while the worker looked: what it saw is not what is wanted now."""
    if command.seen is not None and command.seen != run.seq:
        raise Refused(f"Run {run.id} was changed while stage {run.stage.name} was looked at; it is looked at again.")


def _fail(run: Run, command: c.ReportFailure, now: datetime) -> list[e.Event]:
    return [e.StageFailed(at=now, by=command.by, stage=run.position, reason=command.reason)]


def _void(run: Run, command: c.ReportChanged, now: datetime) -> list[e.Event]:
    reviews = [
        number
        for number, stage in enumerate(run.stages[: run.position])
        if stage.kind is StageKind.REVIEW and stage.state is S.SUCCEEDED
    ]
    if command.review not in reviews:
        raise Refused(f"Run {run.id} has passed no review at stage {command.review + 1} that could begin again.")
    return [e.VotesVoided(at=now, by=command.by, stage=command.review, difference=command.difference)]


def _unwound(run: Run, command: c.ReportUnwound, now: datetime) -> list[e.Event]:
    if run.unwinding is None:
        raise InvariantViolation(f"Run {run.id} was taken back without being asked to.")
    return [e.RunEnded(at=now, by=command.by, state=run.unwinding.final, reason=run.unwinding.reason)]


def _for(kind: type[C], decision: Callable[[Run, C, datetime], list[e.Event]]) -> tuple[type[c.Command], Decision]:
    """Pair a kind of command with what decides about it, so that each takes exactly its own kind."""

    def decided(run: Run, command: c.Command, now: datetime) -> Sequence[e.Event]:
        if not isinstance(command, kind):
            raise InvariantViolation(f"{type(command).__name__} was decided as if it were {kind.__name__}.")
        return decision(run, command, now)

    return kind, decided


DECISIONS: Mapping[type[c.Command], Decision] = dict(
    (
        _for(c.Admit, _admit),
        _for(c.Stop, _stop),
        _for(c.RollBack, _roll_back),
        _for(c.GiveUp, _give_up),
        _for(c.Retry, _retry),
        _for(c.Adopt, _adopt),
        _for(c.CastVote, _vote),
        _for(c.ChangeShare, _change_share),
        _for(c.MeetCondition, _meet),
        _for(c.Expire, _expire),
        _for(c.Remind, _remind),
        _for(c.Escalate, _escalate),
        _for(c.Thaw, _thaw),
        _for(c.OverruleFreezes, _overrule),
        _for(c.RemindGray, _remind_gray),
        _for(c.ExpireGray, _expire_gray),
        _for(c.EndGray, _end_gray),
        _for(c.ReportNote, _note),
        _for(c.ReportReview, _open_review),
        _for(c.ReportSuccess, _succeed),
        _for(c.ReportFailure, _fail),
        _for(c.ReportChanged, _void),
        _for(c.ReportFrozen, _freeze),
        _for(c.ReportUnwound, _unwound),
    )
)


def _verb(command: c.Command) -> str:
    return _VERBS.get(type(command), "changed")


def _said(state: RunState | StageState) -> str:
    return state.value.replace("_", " ")
