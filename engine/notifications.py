"""Who is told what when something has happened to a run. Pure: from a journal to what is worth telling.

A stage's own messages go out when it has succeeded, failed or been refused; a hold that runs out is no second failure.
The people under `notify` hear how a run ends, and of a failure when it can still be mended: when the stage is held, or
the run is back at its start. Whoever was told that is not told once more when nobody mended it. A run that somebody
stopped is nobody's news.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from engine import events as e
from engine.definition import Pipeline, Recipient, Tell
from engine.errors import Refused
from engine.model import Json, Run, RunState, StageState
from engine.pipeline import resolve
from engine.transitions import evolve
from engine.variables import SYSTEM_NAMES
from engine.yaml_text import read_yaml

When = Literal["success", "failure"]
KINDS = tuple(
    kind.__name__
    for kind in (e.StageSucceeded, e.StageFailed, e.StageRejected, e.StageHeld, e.ReturnedToStart, e.RunEnded)
)
"""The journal's entries of which somebody may be told."""
TRIES = tuple(timedelta(seconds=s) for s in (5, 20, 60, 180, 600, 1800, 3600, 7200, 14400, 21600, 28800))
"""How long after each try the next one comes: eleven more within a day."""
_BAD = (RunState.FAILED, RunState.REJECTED, RunState.ROLLED_BACK)


@dataclass(frozen=True, slots=True)
class Happened:
    """One entry of a run's journal, with the run before and after it."""

    before: Run
    after: Run
    event: e.Event
    n: int
    earlier: tuple[e.Event, ...] = ()


@dataclass(frozen=True, slots=True)
class Telling:
    """One message of a stage: its place in the definition, as the run's values make it, and as it was written."""

    stage: int
    position: int
    tell: Tell
    raw: Json


def happened(journal: Sequence[e.Event], n: int) -> Happened:
    """Replay a run's journal up to its entry `n`, which counts from 1 and is not the first."""
    run = evolve(None, journal[0])
    for event in journal[1 : n - 1]:
        run = evolve(run, event)
    return Happened(run, evolve(run, journal[n - 1]), journal[n - 1], n, tuple(journal[: n - 1]))


def outcome_of(seen: Happened) -> When | None:
    """Tell what a stage's messages go out for."""
    match seen.event:
        case e.StageSucceeded():
            return "success"
        case e.StageFailed(stage=stage):
            return None if seen.before.stages[stage].state is StageState.HELD else "failure"
        case e.StageRejected():
            return "failure"
        case _:
            return None


def result_of(seen: Happened) -> When | None:
    """Tell what the people under `notify` are told for."""
    match seen.event:
        case e.StageHeld() | e.ReturnedToStart():
            return "failure"
        case e.RunEnded(state=RunState.SUCCEEDED):
            return "success"
        case e.RunEnded(state=state) if state in _BAD:
            return None if _was_told(seen) else "failure"
        case _:
            return None


def tellings(text: str, seen: Happened) -> Iterator[Telling]:
    """Find the messages of the stage that the entry is about. `text` is the definition that the run goes through."""
    when = outcome_of(seen)
    if when is None or not isinstance(seen.event, e.StageEvent) or seen.after.is_straight:
        return
    name = seen.after.stages[seen.event.stage].name
    stages = definition_of(text, seen.after).stages
    number = next((number for number, stage in enumerate(stages) if stage.name == name), None)
    tree, _ = read_yaml(text)
    if number is None or tree is None:
        return
    raw = tree.data()["stages"][number].get("tell")
    for position, tell in enumerate(stages[number].tell):
        if when in tell.when:
            yield Telling(number, position, tell, raw[position])


def recipients(text: str, seen: Happened) -> tuple[Recipient, ...]:
    """Find the people who are told how the run goes."""
    when = result_of(seen)
    if when is None:
        return ()
    notify = definition_of(text, seen.after).notify
    return notify.on_success if when == "success" else notify.on_failure


def definition_of(text: str, run: Run) -> Pipeline:
    """Read a definition with the run's values; with its own where they do not fit (of a release from another time)."""
    try:
        return resolve(text, run.variables)
    except Refused:
        return resolve(text, {})


def values_of(text: str, run: Run) -> Mapping[str, str]:
    """Give every variable of the definition with the value that it has in the run, the system's among them."""
    declared = definition_of(text, run).values
    return {
        **declared,
        **{name: value for name, value in run.variables.items() if name in declared or name in SYSTEM_NAMES},
    }


def next_try(attempts: int, now: datetime, asked: timedelta | None = None) -> datetime | None:
    """Tell when to try again after so many tries, no sooner than `asked` for; None: it is given up."""
    if attempts > len(TRIES):
        return None
    pause = TRIES[attempts - 1]
    return now + max(pause, min(asked, TRIES[-1]) if asked else pause)


def _was_told(seen: Happened) -> bool:
    """Whether the failure that has ended the run was told when the stage was held."""
    if not isinstance(seen.event, e.RunEnded) or seen.event.state is not RunState.FAILED:
        return False
    stage = seen.before.position
    for event in reversed(seen.earlier):
        if isinstance(event, e.StageStarted):
            return False
        if isinstance(event, e.StageHeld) and event.stage == stage:
            return True
    return False
