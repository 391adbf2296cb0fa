"""One thing that people can say."""

import sys
from dataclasses import dataclass
from typing import Literal

Kind = Literal["look", "act"]
MANY = sys.maxsize
"""As many words as somebody likes: a reason, values, whatever else is said."""


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
