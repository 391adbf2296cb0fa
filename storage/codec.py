"""Values to JSON text and back. One adapter per type, made once: making them is slow, using them is not."""

from functools import cache
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


@cache
def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


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


def load_run(text: str) -> Run:
    """A stored run."""
    return load(Run, text)


def load_release(text: str) -> Release:
    """A stored release."""
    return load(Release, text)
