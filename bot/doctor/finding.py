"""What a check has found."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum


class Health(StrEnum):
    """Whether somebody has to do something."""

    WELL = "well"
    ODD = "odd"
    """It works, and somebody may want it otherwise."""
    ILL = "ill"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: what it is, how it is, and what mends it."""

    what: str
    health: Health
    sentence: str
    cure: str = ""


Check = Callable[[], Awaitable[list[Finding]]]
"""Looks at some things that belong together. Never raises for what it looks for."""


def well(what: str, sentence: str) -> Finding:
    """Nothing has to be done."""
    return Finding(what, Health.WELL, sentence)


def odd(what: str, sentence: str, cure: str) -> Finding:
    """It works, but perhaps not as wanted."""
    return Finding(what, Health.ODD, sentence, cure)


def ill(what: str, sentence: str, cure: str) -> Finding:
    """It does not work."""
    return Finding(what, Health.ILL, sentence, cure)
