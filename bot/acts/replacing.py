"""What a definition replaces: whose it was, what comes and goes with it, and how the old one is had again. Pure."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from bot.cards import Field
from bot.presenters import elapsed
from engine.complaints import Complaints
from engine.definition import Pipeline
from engine.pipeline import parse
from engine.ports import StoredPipeline

_NAMED = 6


def replaced(before: StoredPipeline, now: Pipeline, at: datetime) -> tuple[Field, ...]:
    """Say as fields of a card that a definition took the place of the one `before`."""
    whose = f"version {before.version} by {before.by}, {elapsed(at - before.at)} ago"
    again = f"`export {before.name} {before.version}` gives that one"
    return (Field("In place of", f"{whose}; {again}"), *_changed(before, now))


def _changed(before: StoredPipeline, now: Pipeline) -> Iterator[Field]:
    try:
        was = parse(before.text).pipeline
    except Complaints:
        return  # written for an earlier Sluice
    said = [*_came_and_went("Stages", _stages(was), _stages(now))]
    said += _came_and_went("Variables", list(was.values), list(now.values))
    for what, old, new in (("Workload", was.workload, now.workload), ("Group", was.group, now.group)):
        said += [f"{what}: {new or 'none'} instead of {old or 'none'}."] if old != new else []
    if said:
        yield Field("Changed", " ".join(said))


def _stages(pipeline: Pipeline) -> list[str]:
    return [f"{stage.name} ({stage.kind.value})" for stage in pipeline.stages]


def _came_and_went(what: str, was: Sequence[str], now: Sequence[str]) -> Iterator[str]:
    gone, new = [name for name in was if name not in now], [name for name in now if name not in was]
    parts = [f"{verb} {_some(names)}" for verb, names in (("without", gone), ("with", new)) if names]
    if parts:
        yield f"{what}: {', '.join(parts)}."


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return f"{', '.join(names[:_NAMED])} and {more} more" if more > 0 else ", ".join(names)
