"""What runs leave behind to be read: what their stages said, and what they applied, as protocols and values."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from engine.model import Json, RunId


@dataclass(frozen=True, slots=True)
class LogLine:
    """What a stage attempt said, in order of `seq`. `text` may hold several lines."""

    seq: int
    stage: int
    attempt: int
    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class AppliedThing:
    """One object (``Deployment shop/web-gray``) as a stage of a run applied it last."""

    stage: int
    thing: str
    at: datetime
    document: Json


class Logs(Protocol):
    """What stages said."""

    def append(self, run: RunId, stage: int, attempt: int, at: datetime, text: str) -> None:
        """Keep some lines."""
        ...

    def read(self, run: RunId, stage: int | None, after: int, limit: int) -> list[LogLine]:
        """Up to `limit` pieces after `after`, of one stage or of all."""
        ...

    def tail(self, run: RunId, stage: int | None, limit: int) -> list[LogLine]:
        """The last `limit` pieces, in order."""
        ...


class AppliedThings(Protocol):
    """What each run has applied, also once nothing of it is left at its target."""

    def keep(self, run: RunId, stage: int, things: Mapping[str, Json], at: datetime, *, missing: bool = False) -> None:
        """Keep what a stage has applied, by the names of the objects, where the run had not applied just that before.

        With `missing`, only objects of which nothing is kept yet.
        """
        ...

    def of(self, run: RunId) -> list[AppliedThing]:
        """All of it, by stages, then by names."""
        ...
