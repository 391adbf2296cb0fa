"""What people under `notify` are told of a run: the outcome, what was released, who decided, how long it took. Pure."""

from dataclasses import replace
from datetime import datetime

from bot.cards import Button, Card, Field
from bot.presenters import present_run
from engine import events as e
from engine.model import Release, Run, RunState, StageState
from engine.notifications import Happened

_SAID = {
    RunState.SUCCEEDED: "succeeded",
    RunState.FAILED: "failed",
    RunState.REJECTED: "was refused",
    RunState.ROLLED_BACK: "was rolled back",
}


def report(seen: Happened, release: Release | None, now: datetime) -> Card:
    """Make the card: the run's own, with the outcome in its title and what can be done about it."""
    run = seen.after
    card = present_run(run, now)
    fields = card.fields
    if release is not None:
        released = f"{release.image} ({release.digest[7:19]})" if release.digest else release.image
        fields = (Field("Released" if run.state is RunState.SUCCEEDED else "Version", released), *fields)
    return replace(
        card,
        title=_title(seen, release),
        text=_text(seen) or card.text,
        fields=(Field("Pipeline", run.pipeline), *fields),
        split=None,
        buttons=(*_ways_out(run), Button("Status", f"status {run.id}")),
        key="",
        badge="",
    )


def _title(seen: Happened, release: Release | None) -> str:
    run, image = seen.after, f": {release.image}" if release else ""
    match seen.event:
        case e.StageHeld(stage=stage):
            return f"{run.id} failed at {run.stages[stage].name} and is held{image}"
        case e.ReturnedToStart():
            return f"{run.id} failed and is back at its start{image}"
        case _:
            return f"{run.id} {_SAID.get(run.state, run.state.value)}{image}"


def _text(seen: Happened) -> str:
    run = seen.after
    if isinstance(seen.event, e.StageHeld):
        reason = run.stages[seen.event.stage].reason
        until = f"{seen.event.until:%d %B, %H:%M} UTC"
        return f"{reason}\nIt can be retried until {until}; then what it placed is taken back."
    return ""


def _ways_out(run: Run) -> tuple[Button, ...]:
    if run.state.is_over:
        return ()
    if run.stage.state is StageState.HELD or run.paused:
        return (Button("Retry", f"retry {run.id}", danger=True), Button("Log", f"logs {run.id}"))
    return ()
