"""One thing that people can say."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["look", "act"]


@dataclass(frozen=True, slots=True)
class Verb:
    """One command: how it is written, what it does, an example, and whether it changes anything."""

    name: str
    form: str
    does: str
    example: str
    kind: Kind = "look"
    least: int = 0
    most: int = 0
    text: bool = False
