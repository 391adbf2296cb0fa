"""What every section of a pipeline definition has in common: it knows its keys, and the rules between them.

A rule between keys must be told even when another key of the same section is wrong, or people mend one complaint only
to meet the next. So such rules are not pydantic validators but `conflicts`: a function of whatever values there are,
raw text or checked values. The reader of definitions asks it about the text; the section itself asks it when it is
made.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, model_validator


class Mistake(ValueError):
    """A value that cannot stand: `problem` is a sentence without its subject's path, `instead` what to write."""

    def __init__(self, problem: str, instead: str) -> None:
        super().__init__(f"{problem}; write {instead}")
        self.problem = problem
        self.instead = instead


@dataclass(frozen=True, slots=True)
class Conflict:
    """Values of one section that do not go together. `key` is where it shows; empty means the section as a whole."""

    key: str
    problem: str
    instead: str


class ConflictFound(Mistake):
    """A conflict, raised where a section is made."""


class Section(BaseModel):
    """One mapping of a definition. Unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    @classmethod
    def key_names(cls) -> tuple[str, ...]:
        """Name the keys that may be written."""
        return tuple(field.alias or name for name, field in cls.model_fields.items())

    @classmethod
    def conflicts(cls, given: Mapping[str, Any]) -> Iterator[Conflict]:  # noqa: ARG003 - sections override it
        """Say what does not go together in `given`, whose values may be text, checked values, or wrong."""
        yield from ()

    @model_validator(mode="after")
    def _has_no_conflicts(self) -> Self:
        given = {name: value for name, value in self if value is not None}
        for conflict in self.conflicts(given):
            raise ConflictFound(f"{conflict.key}: {conflict.problem}".removeprefix(": "), conflict.instead)
        return self


def exactly_one(given: Mapping[str, Any], *names: str) -> Iterator[Conflict]:
    """Complain unless exactly one of `names` is given, and has a value."""
    present = [name for name in names if name in given]
    if len(present) == 1:
        if given[present[0]] is None:
            yield Conflict(present[0], "is empty", f"what belongs there, or {present[0]}: {{}}")
        return
    has = " and ".join(present) if present else f"none of {', '.join(names)}"
    yield Conflict("", f"has {has}", f"exactly one of {', '.join(names)}")
