"""What a chat may show as a form instead of a card: the same question, with fields.

A form is sent back as a line, like anything else that is said; each form says which. A chat without forms shows the
card that comes with it.
"""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from bot.grammar import PRESS


@dataclass(frozen=True, slots=True)
class Asked:
    """A variable of a run: its name, the value that it would have, and what it is for."""

    name: str
    value: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class RunForm:
    """Start a run of a pipeline's version. The form is the question: sending it starts the run."""

    pipeline: str
    version: int
    variables: tuple[Asked, ...]

    def line(self, values: Mapping[str, str]) -> str:
        """What sending it says; variables that keep their value are left out."""
        kept = {one.name: one.value for one in self.variables}
        return run_line(self.pipeline, self.version, {name: v for name, v in values.items() if kept.get(name) != v})


@dataclass(frozen=True, slots=True)
class DefineForm:
    """Write a definition, or change the one that is there. Sending it says ``define`` and the text."""

    pipeline: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class RejectForm:
    """Refuse a review, and say why. Sending it says `line` and the reason."""

    run: str
    line: str


Form = RunForm | DefineForm | RejectForm


def run_line(pipeline: str, version: int, changes: Mapping[str, str]) -> str:
    """The line that starts a run of exactly this version without asking again."""
    words = [f"{name}={value}" for name, value in changes.items()]
    return f"{PRESS}run {shlex.join([pipeline, str(version), *words])}"
