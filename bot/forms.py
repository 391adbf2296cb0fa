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


@dataclass(frozen=True, slots=True)
class BindForm:
    """Bind an account at a forge. Sending it says `line`; nobody but its sender sees what is typed.

    `app` and `installation` are numbers, for a GitHub App.
    """

    forge: str
    name: str = ""
    origin: str = ""
    app: str = ""
    installation: str = ""

    def line(self, secret: str, *, name: str = "", origin: str = "", app: str = "", installation: str = "") -> str:
        """What sending it says. The secret may have several lines."""
        chosen = {"as": name or self.name, "at": origin or self.origin, "app": app, "installation": installation}
        options = " ".join(f"{option} {value}" for option, value in chosen.items() if value)
        return f"account bind {self.forge} {options}\n{secret}"


@dataclass(frozen=True, slots=True)
class SecretForm:
    """Give a secret variable its value. Sending it says `line`; nobody but its sender sees what is typed."""

    pipeline: str
    name: str

    def line(self, value: str) -> str:
        """What sending it says. The value may have several lines."""
        return f"secret set {self.pipeline} {self.name}\n{value}"


@dataclass(frozen=True, slots=True)
class Blank:
    """A field of a form: its key, title, the value that is in it, a hint, and the only values it takes, if it does."""

    key: str
    title: str
    value: str = ""
    hint: str = ""
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CreateForm:
    """What is asked to make a pipeline from a template, at once. Sending it shows the whole, or `goes_on` asking."""

    draft: str
    template: str
    blanks: tuple[Blank, ...]
    goes_on: bool = False


Form = RunForm | DefineForm | RejectForm | CreateForm | BindForm | SecretForm


def fill_line(draft: str, values: Mapping[str, str]) -> str:
    """The line that answers every question of a conversation at once."""
    return f"{PRESS}answer {shlex.join([draft, 'fill', *(f'{key}={value}' for key, value in values.items())])}"


def run_line(pipeline: str, version: int, changes: Mapping[str, str]) -> str:
    """The line that starts a run of exactly this version without asking again."""
    words = [f"{name}={value}" for name, value in changes.items()]
    return f"{PRESS}run {shlex.join([pipeline, str(version), *words])}"
