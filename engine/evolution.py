"""What an event makes of a run and of its stages. Pure, and refuses nothing: that is what the tables are for.

A change is told as the fields that it changes, and all that an event changes is put together once: making a run of
twenty fields anew costs more than everything that is looked up to decide about it.

What a deploying stage has written down of its release stays with it through failures, retries and a return to the
start: without it nobody could take the release back. Only a new go, which may release something else, begins without.

A gray release that stands while nobody is asked and nothing works on it (a trigger is awaited, the run is back at its
start, or over) has a moment until which it may stand. Everywhere else the stage has a deadline of its own.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from engine import events as e
from engine.errors import InvariantViolation
from engine.model import Json, Run, RunState, StageKind, StageRule, StageRun, StageState, Unwinding

S = StageState
R = RunState
E = TypeVar("E", bound=e.Event)
Stages = tuple[StageRun, ...]
Fields = dict[str, Any]
"""Fields of a run, or of a stage, with their new values."""
Change = Callable[[Run, e.Event], Fields]
DEPLOYING = (StageKind.GRAY, StageKind.OFFICIAL)


def new_stages(rules: tuple[StageRule, ...]) -> Stages:
    """Make a run's stages as they are before anything has happened."""
    return tuple(StageRun(rule.name, rule.kind) for rule in rules)


def run_after(run: Run, event: e.Event, state: RunState) -> Run:
    """Change what `event`, which leads to `state`, changes of the run as a whole."""
    fields: Fields = {"seq": run.seq + 1, "state": state}
    change = _CHANGES.get(type(event))
    if change:
        fields |= change(run, event)
    return replace(run, **fields)


def run_after_stage(run: Run, event: e.StageEvent, state: RunState, stage: StageRun) -> Run:
    """Change what `event`, which leads to `state` and makes its stage `stage`, changes of the run as a whole."""
    stages = (*run.stages[: event.stage], stage, *run.stages[event.stage + 1 :])
    fields: Fields = {"seq": run.seq + 1, "state": state, "stages": stages}
    match event:
        case e.StageStarted():
            fields |= {"stages": _without_earlier_go(stages, event.stage), "gray_until": None}
        case e.StageAwaited():
            fields["gray_until"] = _gray_until(run, event.at)
        case e.StageSucceeded() | e.StageIgnored():
            fields["position"] = min(event.stage + 1, len(stages) - 1)
        case e.VotesVoided():
            fields |= {"stages": _voided(stages, event.stage), "position": event.stage}
        case _:
            pass
    return replace(run, **fields)


def stage_after(stage: StageRun, event: e.StageEvent, state: StageState) -> StageRun:
    """Change what `event`, which leads to `state`, changes of its stage."""
    if isinstance(event, e.StageStarted):
        return _begun(stage, event, state)
    return replace(stage, state=state, **_stage_fields(stage, event))


def _stage_fields(stage: StageRun, event: e.StageEvent) -> Fields:
    fields: Fields = {}
    match event:
        case e.ReviewOpened() | e.ReviewEscalated() | e.Voted() | e.VotesVoided():
            fields = _review_fields(stage, event)
        case e.StageSucceeded(outputs=outputs, at=at):
            fields = {"outputs": _merged(stage.outputs, outputs), "ended_at": at, "note": "", "deadline": None}
        case e.StageNoted(note=note, outputs=outputs):
            fields = {"note": note, "outputs": _merged(stage.outputs, outputs)}
        case e.StageFrozen(until=until, sentence=sentence):
            fields = {"note": sentence, "deadline": until}
        case e.StageThawed(at=at):
            fields = {"note": "", "deadline": None, "started_at": at}
        case e.StageFailed(reason=reason, at=at) | e.StageRejected(reason=reason, at=at):
            fields = {"reason": reason, "ended_at": at, "note": ""}
        case e.StageHeld(until=until):
            fields = {"deadline": until}
        case e.StageRetried(settle=how, by=by):
            decided = {"settle": {"how": how, "by": by}, "disputed": []} if how else {}
            fields = {"deadline": None, "reason": "", "outputs": _merged(stage.outputs, decided)}
        case _:
            pass
    return fields


def _review_fields(stage: StageRun, event: e.StageEvent) -> Fields:
    fields: Fields = {}
    match event:
        case e.ReviewOpened(fingerprint=fingerprint, plan=plan, deadline=deadline, deputies_from=deputies_from):
            fields = {"fingerprint": fingerprint, "outputs": plan, "deadline": deadline, "votes": (), "note": ""}
            fields |= {"deputies_from": deputies_from, "is_escalated": False}
        case e.ReviewEscalated():
            fields = {"is_escalated": True}
        case e.Voted(vote=vote):
            fields = {"votes": (*(old for old in stage.votes if old.person != vote.person), vote)}
        case e.VotesVoided(difference=said, at=at):
            fields = {
                "started_at": at,
                "ended_at": None,
                "deadline": None,
                "votes": (),
                "fingerprint": "",
                "note": said,
                "deputies_from": None,
                "is_escalated": False,
            }
        case _:
            pass
    return fields


def _begun(stage: StageRun, event: e.StageStarted, state: StageState) -> StageRun:
    decided = stage.outputs.get("settle") or {"done": True}
    goes_on = stage.started_at is not None and (stage.kind in DEPLOYING or not decided.get("done"))
    placed = stage.outputs.get("release") or stage.outputs.get("placed")
    outputs = stage.outputs if goes_on else {"placed": placed} if placed else {}
    return StageRun(
        stage.name, stage.kind, state, event.attempt, event.at, conditions=stage.conditions, outputs=outputs
    )


def _without_earlier_go(stages: Stages, started: int) -> Stages:
    """Forget what later stages wrote down in an earlier go, once this go deploys something of its own."""
    if stages[started].kind not in DEPLOYING or "release" in stages[started].outputs:
        return stages
    later = (replace(stage, outputs={}) if stage.outputs else stage for stage in stages[started + 1 :])
    return (*stages[: started + 1], *later)


def _voided(stages: Stages, review: int) -> Stages:
    later = (
        StageRun(stage.name, stage.kind, attempt=stage.attempt, conditions=stage.conditions)
        for stage in stages[review + 1 :]
    )
    return (*stages[: review + 1], *later)


def _started(_run: Run, event: e.RunStarted) -> Fields:
    return {"started_at": event.at}


def _condition(run: Run, event: e.ConditionMet) -> Fields:
    stages = tuple(
        replace(stage, conditions=(*stage.conditions, event.key))
        if number >= run.position and event.key in rule.conditions and event.key not in stage.conditions
        else stage
        for number, (stage, rule) in enumerate(zip(run.stages, run.rules, strict=True))
    )
    return {"stages": stages, "variables": {**run.variables, **event.variables}}


def _returned(run: Run, event: e.ReturnedToStart) -> Fields:
    stages = tuple(
        StageRun(stage.name, stage.kind, attempt=stage.attempt, conditions=stage.conditions, outputs=stage.outputs)
        for stage in run.stages
    )
    until = _gray_until(run, event.at)
    return {"stages": stages, "position": 0, "paused": True, "reason": event.reason, "gray_until": until}


def _resumed(_run: Run, _event: e.RunResumed) -> Fields:
    return {"paused": False, "reason": "", "gray_until": None}


def _gray_until(run: Run, now: datetime) -> datetime | None:
    """Until when the run's gray release may stand on, left alone from now on; None when none does."""
    if any(stage.kind is StageKind.OFFICIAL and stage.state is S.SUCCEEDED for stage in run.stages):
        return None
    for stage, rule in zip(run.stages, run.rules, strict=True):
        if stage.kind is StageKind.GRAY and (stage.outputs.get("release") or stage.outputs.get("placed")):
            return None if rule.deadline is None else now + rule.deadline
    return None


def _gray_kept(_run: Run, event: e.GrayKept) -> Fields:
    return {"gray_until": event.until}


def _gray_ended(_run: Run, _event: e.GrayEnded) -> Fields:
    return {"gray_until": None}


def _overruled(_run: Run, event: e.FreezeOverruled) -> Fields:
    return {"override": event.override}


def _shared(_run: Run, event: e.ShareChanged) -> Fields:
    return {"share": event.percent}


def _unwinding(_run: Run, event: e.UnwindingBegan) -> Fields:
    return {"unwinding": Unwinding(event.final, event.by, event.reason), "paused": False, "gray_until": None}


def _ended(run: Run, event: e.RunEnded) -> Fields:
    stages = tuple(_closed(stage, number, run, event) for number, stage in enumerate(run.stages))
    over = {"state": event.state, "reason": event.reason, "ended_at": event.at, "stages": stages}
    until = None if run.unwinding else _gray_until(run, event.at)
    return over | {"unwinding": None, "paused": False, "gray_until": until}


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


def _for(kind: type[E], change: Callable[[Run, E], Fields]) -> tuple[type[e.Event], Change]:
    """Pair a kind of event with its change, so that each takes exactly its own kind."""

    def changed(run: Run, event: e.Event) -> Fields:
        if not isinstance(event, kind):
            raise InvariantViolation(f"{type(event).__name__} was taken for {kind.__name__}.")
        return change(run, event)

    return kind, changed


_CHANGES: Mapping[type[e.Event], Change] = dict(
    (
        _for(e.RunStarted, _started),
        _for(e.ConditionMet, _condition),
        _for(e.ReturnedToStart, _returned),
        _for(e.RunResumed, _resumed),
        _for(e.ShareChanged, _shared),
        _for(e.FreezeOverruled, _overruled),
        _for(e.GrayKept, _gray_kept),
        _for(e.GrayEnded, _gray_ended),
        _for(e.UnwindingBegan, _unwinding),
        _for(e.RunEnded, _ended),
    )
)
