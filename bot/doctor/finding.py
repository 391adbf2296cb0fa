"""What a check has found."""

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
    """One thing that was looked at: what it is, how it is, and what mends it. Each is one line of printable text."""

    what: str
    health: Health
    sentence: str
    cure: str = ""


def well(what: str, sentence: str) -> Finding:
    """Nothing has to be done."""
    return Finding(_line(what), Health.WELL, _line(sentence))


def odd(what: str, sentence: str, cure: str) -> Finding:
    """It works, but perhaps not as wanted."""
    return Finding(_line(what), Health.ODD, _line(sentence), _line(cure))


def ill(what: str, sentence: str, cure: str) -> Finding:
    """It does not work."""
    return Finding(_line(what), Health.ILL, _line(sentence), _line(cure))


def _line(text: str) -> str:
    """Return text from anywhere as one line, which cannot tell a terminal anything but letters."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())
