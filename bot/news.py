"""Journal entries as sentences: the news of a room, the words under a run's card. Pure."""

from collections.abc import Callable, Mapping

from bot.presenters import detail_of, gray_outcome
from engine import events as e
from engine.model import Run
from engine.voting import asked_at_first, missing

Words = Callable[[Run, e.Event], str]


def sentence(run: Run, event: e.Event) -> str:
    """Return what happened as one sentence that begins with the run's name; empty when it is not worth one."""
    words = _SENTENCES.get(type(event))
    said = words(run, event) if words else ""
    return f"{run.id}: {said}" if said else ""


def _stage(run: Run, event: e.Event) -> str:
    return run.stages[event.stage].name if isinstance(event, e.StageEvent) else ""


def _requested(_run: Run, event: e.Event) -> str:
    return f"asked for by {event.by}"


def _noted(run: Run, event: e.Event) -> str:
    note = getattr(event, "note", "")
    return f"{_stage(run, event)}: {note}" if note else ""


def _failed(run: Run, event: e.Event) -> str:
    return f"{_stage(run, event)} failed: {getattr(event, 'reason', '')}"


def _succeeded(run: Run, event: e.Event) -> str:
    brought = detail_of(run.stages[event.stage]) if isinstance(event, e.StageEvent) else ""
    return f"{_stage(run, event)} succeeded" + (f": {brought}" if brought else "")


def _voted(run: Run, event: e.Event) -> str:
    if not isinstance(event, e.Voted):
        return ""
    because = f" ({event.vote.reason})" if event.vote.reason else ""
    said = {"approve": "approved", "reject": "rejected"}[event.vote.verdict]
    return f"{event.by} {said} {_stage(run, event)}{because}"


def _opened(run: Run, event: e.Event) -> str:
    return (
        f"{_stage(run, event)} is open: {', '.join(asked_at_first(run, event.stage))}"
        if isinstance(event, e.StageEvent)
        else ""
    )


def _reminded(run: Run, event: e.Event) -> str:
    people = missing(run, event.stage) if isinstance(event, e.Reminded) else ()
    return f"{_stage(run, event)} still waits for {', '.join(people)}"


def _escalated(run: Run, event: e.Event) -> str:
    deputies = run.rules[event.stage].deputies if isinstance(event, e.ReviewEscalated) else ()
    return f"{_stage(run, event)} was not decided in its time; now {', '.join(deputies)} may vote, too"


def _overruled(_run: Run, event: e.Event) -> str:
    if not isinstance(event, e.FreezeOverruled):
        return ""
    over = event.override
    return f"{over.by} overrules freezes, confirmed by {over.confirmed_by}: {over.reason}"


def _gray_reminded(run: Run, event: e.Event) -> str:
    until = f"{event.until:%d %B, %H:%M} UTC" if isinstance(event, e.GrayReminded) else ""
    return f"nobody promotes its gray release; on {until} {gray_outcome(run)}"


def _gray_kept(_run: Run, event: e.Event) -> str:
    until = f"{event.until:%d %B, %H:%M} UTC" if isinstance(event, e.GrayKept) else ""
    return f"its gray release still stands, and nobody promoted it; it is kept until {until}"


def _gray_ended(_run: Run, event: e.Event) -> str:
    return f"its gray release stands no longer: {getattr(event, 'reason', '')}"


def _unwinding(_run: Run, event: e.Event) -> str:
    reason = getattr(event, "reason", "")
    return f"{event.by} takes it back" + (f": {reason}" if reason else "")


def _ended(_run: Run, event: e.Event) -> str:
    if not isinstance(event, e.RunEnded):
        return ""
    because = f": {event.reason}" if event.reason else ""
    return event.state.value.replace("_", " ") + because


def _met(_run: Run, event: e.Event) -> str:
    return f"{getattr(event, 'key', '')} was called"


def _shared(_run: Run, event: e.Event) -> str:
    return f"{event.by} set the gray share to {getattr(event, 'percent', '')} %"


_SENTENCES: Mapping[type[e.Event], Words] = {
    e.RunRequested: _requested,
    e.RunStarted: lambda _run, _event: "begins",
    e.StageAwaited: lambda run, event: f"{_stage(run, event)} waits for its trigger",
    e.ConditionMet: _met,
    e.StageStarted: lambda run, event: f"{_stage(run, event)} begins",
    e.StageNoted: _noted,
    e.ReviewOpened: _opened,
    e.Voted: _voted,
    e.VotesVoided: lambda run, event: f"{_stage(run, event)} begins again: {getattr(event, 'difference', '')}",
    e.Reminded: _reminded,
    e.ReviewEscalated: _escalated,
    e.StageFrozen: lambda _run, event: f"{getattr(event, 'sentence', '')}",
    e.StageThawed: lambda run, event: f"{_stage(run, event)} is not frozen any more",
    e.FreezeOverruled: _overruled,
    e.StageSucceeded: _succeeded,
    e.StageFailed: _failed,
    e.StageHeld: lambda run, event: f"{_stage(run, event)} is held and can be retried",
    e.StageIgnored: lambda run, event: f"{_stage(run, event)} failed and the run goes on",
    e.StageRejected: lambda run, event: f"{_stage(run, event)} was refused: {getattr(event, 'reason', '')}",
    e.StageRetried: lambda run, event: f"{event.by} retries {_stage(run, event)}",
    e.ReturnedToStart: lambda _run, event: f"back at the start: {getattr(event, 'reason', '')}",
    e.RunResumed: lambda _run, event: f"{event.by} sends it off again",
    e.ShareChanged: _shared,
    e.GrayReminded: _gray_reminded,
    e.GrayKept: _gray_kept,
    e.GrayEnded: _gray_ended,
    e.UnwindingBegan: _unwinding,
    e.RunEnded: _ended,
}
