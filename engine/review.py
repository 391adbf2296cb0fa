"""The review section of a definition: who is asked, how many of them, and what happens while nobody answers."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from engine.fields import FreeName, SomeTime, parse_duration, shown, write_duration
from engine.section import Conflict, Mistake, Section

_AT_LEAST = re.compile(r"at least ([1-9][0-9]{0,2})")
_SHORTEST = timedelta(minutes=1)
"""Reminders that come more often than this are noise."""
_DEADLINE = timedelta(days=7)


def quorum_of(mode: str) -> int:
    """How many ``at least N`` asks for; 0 for ``one`` and ``all``."""
    found = _AT_LEAST.fullmatch(mode)
    return int(found.group(1)) if found else 0


def _check_mode(mode: str) -> str:
    if mode not in ("one", "all") and not quorum_of(mode):
        raise Mistake(f"{shown(mode)} is neither one nor all nor a number of votes", "one, all, or at least 2")
    return mode


def _read_switch(value: object) -> bool:
    known = {"true": True, "yes": True, "false": False, "no": False}
    switch = value if isinstance(value, bool) else known.get(str(value).lower())
    if switch is None:
        raise Mistake(f"{shown(value)} is neither true nor false", "true or false")
    return switch


class Review(Section):
    """Who is asked before the run goes on, and what it means when nobody has decided before the deadline."""

    reviewers: Annotated[tuple[FreeName, ...], Field(min_length=1, max_length=100)]
    mode: Annotated[str, AfterValidator(_check_mode)] = "one"
    no_self_approval: Annotated[bool, BeforeValidator(_read_switch)] = False
    remind_after: SomeTime | None = None
    remind_every: SomeTime = timedelta(days=1)
    deputies: Annotated[tuple[FreeName, ...], Field(max_length=100)] = ()
    escalate_after: SomeTime | None = None
    on_refusal: Literal["take_back", "keep"] = "take_back"
    deadline: SomeTime = _DEADLINE
    on_deadline: Literal["refuse", "pass"] = "refuse"

    @classmethod
    def conflicts(cls, given: Mapping[str, Any]) -> Iterator[Conflict]:
        """Nobody votes twice, enough people can vote, and everything happens before the deadline."""
        yield from _twice(given)
        yield from _too_few(given)
        yield from _without_each_other(given)
        yield from _too_late(given)

    @property
    def in_words(self) -> str:
        """Who is asked, and how many of them have to pass it."""
        others = "; not whoever asks for the run" if self.no_self_approval else ""
        after = "" if self.escalate_after is None else write_duration(self.escalate_after)
        deputies = f"; after {after} {', '.join(self.deputies)}, too" if self.deputies else ""
        return f"{', '.join(self.reviewers)} ({self.mode}{others}{deputies})"

    @property
    def quorum(self) -> int:
        """How many votes are needed, where that is a number; 0 for ``one`` and ``all``."""
        return quorum_of(self.mode)


def _twice(given: Mapping[str, Any]) -> Iterator[Conflict]:
    for key in ("reviewers", "deputies"):
        counted = Counter(_names(given, key))
        for name in sorted(name for name, times in counted.items() if times > 1):
            yield Conflict(key, f"names {shown(name)} more than once", "each reviewer once")
    for name in sorted({*_names(given, "reviewers")}.intersection(_names(given, "deputies"))):
        yield Conflict("deputies", f"names {shown(name)}, who is a reviewer already", "people who are not reviewers")


def _too_few(given: Mapping[str, Any]) -> Iterator[Conflict]:
    mode, names = given.get("mode"), _names(given, "reviewers")
    quorum = quorum_of(mode) if isinstance(mode, str) else 0
    if names and quorum > len(names):
        some = "1 reviewer" if len(names) == 1 else f"{len(names)} reviewers"
        yield Conflict("mode", f"asks for {quorum} votes of {some}", f"at least {len(names)}, or more reviewers")


def _without_each_other(given: Mapping[str, Any]) -> Iterator[Conflict]:
    if _names(given, "deputies") and given.get("escalate_after") is None:
        yield Conflict("deputies", "are never asked", "escalate_after: and a duration beside them, for example 4h")
    if given.get("escalate_after") is not None and not given.get("deputies"):
        yield Conflict("escalate_after", "has nobody to turn to", "deputies: and a list of names beside it")


def _too_late(given: Mapping[str, Any]) -> Iterator[Conflict]:
    deadline = _span(given.get("deadline", _DEADLINE))
    for key in ("remind_after", "escalate_after"):
        after = _span(given.get(key))
        if after is not None and deadline is not None and after >= deadline:
            yield Conflict(key, f"comes after the deadline of {write_duration(deadline)}", "less, or a later deadline")
    for key in ("remind_after", "remind_every"):
        often = _span(given.get(key))
        if often is not None and often < _SHORTEST:
            yield Conflict(key, "is too short", f"{write_duration(_SHORTEST)} or more")


def _names(given: Mapping[str, Any], key: str) -> tuple[str, ...]:
    names = given.get(key)
    return tuple(name for name in names if isinstance(name, str)) if isinstance(names, list | tuple) else ()


def _span(value: object) -> timedelta | None:
    try:
        span = None if value is None else parse_duration(value)
    except Mistake:
        return None
    return span if isinstance(span, timedelta) else None
