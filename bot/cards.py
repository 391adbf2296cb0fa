"""What a chat shows, before any chat's own markup: made by presenters, rendered by each chat natively.

Every text in here is plain text from anywhere (commit messages, reasons, logs): a renderer escapes all of it.
"""

from dataclasses import dataclass, field
from enum import StrEnum


class Tone(StrEnum):
    """How a card feels: the colour of its edge."""

    PLAIN = "plain"
    BUSY = "busy"
    ASKING = "asking"
    GOOD = "good"
    BAD = "bad"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Button:
    """Something to press. `line` is the command line that it stands for; `danger` asks for a second look.

    A line that begins with ``press `` carries what the button was made for (run, stage attempt, fingerprint), so a
    stale one is recognised.
    """

    text: str
    line: str
    primary: bool = False
    danger: bool = False


@dataclass(frozen=True, slots=True)
class Stop:
    """One stage in the topology: its name, kind, state and, when it runs or ran, for how long (seconds)."""

    name: str
    kind: str
    state: str
    seconds: float | None = None
    detail: str = ""
    started_at: str = ""


@dataclass(frozen=True, slots=True)
class Split:
    """Percent of gray: wanted, and observed (None before the first request), with each track's counts.

    `instances` says in words how many each track has, and what share of them is gray; `earlier` what was counted
    before the share was changed. Once it `is_over`, gray had that share and has it no more.
    """

    wanted: int
    observed: float | None
    requests: dict[str, int] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)
    rules: str = ""
    gray: str = ""
    stable: str = ""
    instances: str = ""
    earlier: str = ""
    is_over: bool = False


@dataclass(frozen=True, slots=True)
class Ballot:
    """Who decides: who passed and who refused (with what they said), who is missing, and how many are needed."""

    needed: str
    passed: tuple[tuple[str, str], ...] = ()
    refused: tuple[tuple[str, str], ...] = ()
    missing: tuple[str, ...] = ()
    until: str = ""


@dataclass(frozen=True, slots=True)
class Field:
    """A labelled value."""

    label: str
    value: str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a head."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Card:
    """One message. `key` names what it is about (a run's id), so that the next one of the key takes its place.

    Shown in this order: title, text, topology, split, ballot, fields, table, code, buttons.
    """

    title: str
    tone: Tone = Tone.PLAIN
    text: str = ""
    topology: tuple[Stop, ...] = ()
    split: Split | None = None
    ballot: Ballot | None = None
    fields: tuple[Field, ...] = ()
    table: Table | None = None
    code: str = ""
    buttons: tuple[Button, ...] = ()
    key: str = ""
    badge: str = ""
