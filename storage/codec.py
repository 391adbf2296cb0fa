"""Values to JSON text and back. One adapter per type, made once: making them is slow, using them is not."""

from dataclasses import dataclass
from threading import Lock
from typing import Any, TypeVar

from pydantic import TypeAdapter

from engine import events
from engine.events import Event
from engine.model import Release, Run

T = TypeVar("T")

EVENT_KINDS: dict[str, type[Event]] = {
    name: kind
    for name, kind in vars(events).items()
    if isinstance(kind, type) and issubclass(kind, Event) and kind not in (Event, events.StageEvent)
}

MOST_REMEMBERED = 256
_APART = {"rules", "stages"}


@dataclass(frozen=True, slots=True)
class _Known:
    """A run, its text, and the texts of the parts that most changes leave as they are."""

    text: str
    run: Run
    rules: str
    stages: tuple[str, ...]


_RUNS: dict[str, _Known] = {}
"""The latest text of each run, so that the writer need not parse what it has just written, nor write again what stays.

A text is taken for a run only when it is the very text that is stored, so it does not matter who wrote it, or whether
what was written was rolled back. Parts are the same when they are the same object: they never change.
"""
_RUNS_LOCK = Lock()

_ADAPTERS: dict[object, TypeAdapter[Any]] = {}


def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    known = _ADAPTERS.get(kind)
    if known is None:
        known = _ADAPTERS[kind] = TypeAdapter(kind)
    return known


def dump(value: object) -> str:
    """Any dataclass of the house as JSON text."""
    return _adapter(type(value)).dump_json(value).decode()


def load(kind: type[T], text: str | bytes) -> T:
    """The value of `kind` that `dump` wrote."""
    value: T = _adapter(kind).validate_json(text)
    return value


def load_event(kind: str, text: str) -> Event:
    """The event of the kind with this name."""
    return load(EVENT_KINDS[kind], text)


def dump_run(run: Run) -> str:
    """A run as it is stored."""
    known = _RUNS.get(run.id)
    rules = known.rules if known and known.run.rules is run.rules else f"[{','.join(map(_dump_brief, run.rules))}]"
    stages = _stage_texts(run, known)
    head = _adapter(Run).dump_json(run, exclude=_APART).decode()
    text = f'{head[:-1]},"rules":{rules},"stages":[{",".join(stages)}]}}'
    _remember(_Known(text, run, rules, stages))
    return text


def _stage_texts(run: Run, known: _Known | None) -> tuple[str, ...]:
    if known is None or len(known.stages) != len(run.stages):
        return tuple(map(_dump_brief, run.stages))
    before = zip(run.stages, known.run.stages, known.stages, strict=True)
    return tuple([text if stage is was else _dump_brief(stage) for stage, was, text in before])


def _dump_brief(value: object) -> str:
    """Leave out what has its default: most stages have not begun, most rules say nothing unusual.

    So the defaults of `StageRun` and `StageRule` belong to what is stored; a test holds them.
    """
    return _adapter(type(value)).dump_json(value, exclude_defaults=True).decode()


def load_run(text: str, name: str = "") -> Run:
    """A stored run; `name` is its id, where that is known before it is read."""
    known = _RUNS.get(name)
    return known.run if known is not None and known.text == text else load(Run, text)


def _remember(known: _Known) -> None:
    with _RUNS_LOCK:
        _RUNS.pop(known.run.id, None)
        if not known.run.state.is_over:
            _RUNS[known.run.id] = known
        if len(_RUNS) > MOST_REMEMBERED:
            del _RUNS[next(iter(_RUNS))]


def load_release(text: str) -> Release:
    """A stored release."""
    return load(Release, text)
