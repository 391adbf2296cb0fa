"""Values to JSON text and back. One adapter per type, made once: making them is slow, using them is not."""

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

MOST_REMEMBERED = 512
_RUNS: dict[str, Run] = {}
"""What a text was parsed to, so that the writer need not parse what it has just written.

The key is the whole text, so it does not matter who wrote it, or whether what was written was rolled back.
"""


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
    text = dump(run)
    _remember(text, run)
    return text


def load_run(text: str) -> Run:
    """A stored run."""
    run = _RUNS.get(text)
    if run is None:
        run = load(Run, text)
        _remember(text, run)
    return run


def _remember(text: str, run: Run) -> None:
    if len(_RUNS) >= MOST_REMEMBERED:
        _RUNS.clear()
    _RUNS[text] = run


def load_release(text: str) -> Release:
    """A stored release."""
    return load(Release, text)
