"""Events of the cluster's own components about one object, as values in the order in which they happened.

An event is a remark with a best-before date: the API server keeps it for an hour, and a kubelet that repeats itself is
throttled after some twenty remarks, so that a probe which fails every second may be spoken of once in five minutes.
Therefore no event counts as over because it is old; it is over when something newer says so.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from engine.model import Json
from engine.targets.kubernetes.lines import moment

_CONTAINER = re.compile(r"spec\.(?:initContainers|containers|ephemeralContainers)\{([^}]*)\}")
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Happening:
    """One event. `container` is empty when it is about the whole pod."""

    at: datetime
    reason: str
    message: str
    container: str = ""
    times: int = 1


def happenings(thing: Json, events: Iterable[Json]) -> tuple[Happening, ...]:
    """Everything said about `thing`, the oldest first."""
    said = [_happening(event) for event in events if _is_about(event, thing)]
    return tuple(sorted(said, key=lambda each: each.at))


def latest(said: Sequence[Happening], reasons: Iterable[str], container: str = "") -> Happening | None:
    """The last remark with one of `reasons`; about `container` if one is named."""
    wanted = frozenset(reasons)
    fits = (each for each in reversed(said) if each.reason in wanted and container in ("", each.container))
    return next(fits, None)


def _is_about(event: Json, thing: Json) -> bool:
    about, metadata = event.get("involvedObject") or {}, thing.get("metadata") or {}
    if about.get("uid") and metadata.get("uid"):
        return bool(about["uid"] == metadata["uid"])
    return bool(about.get("name") == metadata.get("name"))


def _happening(event: Json) -> Happening:
    series = event.get("series") or {}
    times = (
        series.get("lastObservedTime"),
        event.get("lastTimestamp"),
        event.get("eventTime"),
        event.get("firstTimestamp"),
    )
    container = _CONTAINER.fullmatch(str((event.get("involvedObject") or {}).get("fieldPath") or ""))
    return Happening(
        at=max((known for known in map(moment, times) if known is not None), default=_LONG_AGO),
        reason=str(event.get("reason") or ""),
        message=str(event.get("message") or event.get("note") or ""),
        container=container[1] if container else "",
        times=int(series.get("count") or event.get("count") or 1),
    )
