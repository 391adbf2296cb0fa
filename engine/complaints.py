"""What is wrong with a definition, told so that the author can mend it: where, what, and what to write instead."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice

from engine.errors import Refused

Path = tuple[str | int, ...]
"""Keys and positions from the top of a definition down, for example ``("stages", 2, "gray")``."""

_LONGEST_GUESSED = 64
_MOST_GUESSED = 200
_MOST_LISTED = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """A complaint that does not know its line yet. `at_key` says that the key is to blame, not its value.

    `covers` says that nothing below the path needs another word, `row` in which line of a text the fault is, from 0.
    """

    path: Path
    problem: str
    instead: str
    at_key: bool = False
    covers: bool = False
    row: int = 0


@dataclass(frozen=True, slots=True, order=True)
class Complaint:
    """One thing that is wrong. `line` and `column` count from 1; `path` reads like ``stages[2].gray.instances``."""

    line: int
    column: int
    path: str
    problem: str
    instead: str

    def __str__(self) -> str:
        """One line, without the file."""
        where = f"{self.path}: " if self.path else ""
        return f"Line {self.line}: {where}{self.problem}. Write {self.instead}."


class Complaints(Refused):
    """A definition that cannot stand. `complaints` holds every one found, in the order of their lines."""

    def __init__(self, complaints: Iterable[Complaint]) -> None:
        self.complaints = tuple(complaints)
        count = len(self.complaints)
        opening = f"The definition has {count} mistake{'s' if count != 1 else ''}."
        super().__init__("\n".join([opening, *map(str, self.complaints)]), "Mend the lines named, then send it again.")


def describe(complaints: Iterable[Complaint], filename: str) -> str:
    """Write the complaints for a terminal, one block each: place and problem, then what to write."""
    blocks = []
    for one in complaints:
        where = f"{one.path}: " if one.path else ""
        blocks.append(f"{filename}:{one.line}:{one.column} {where}{one.problem}\n    → write {one.instead}")
    return "\n".join(blocks)


def write_path(path: Path) -> str:
    """Write a path as people read it."""
    written = ""
    for part in path:
        if isinstance(part, int):
            written += f"[{part}]"
        elif re.fullmatch(r"[\w-]{1,64}", part):
            written += f".{part}" if written else part
        else:
            written += f'["{part[:_LONGEST_GUESSED].encode("unicode_escape").decode()}"]'
    return written


def nearest(word: str, known: Iterable[str]) -> str:
    """Find the known word that `word` was probably meant to be; empty when none is near. Looks at 200 words at most."""
    by_low = {name[:_LONGEST_GUESSED].lower(): name for name in islice(known, _MOST_GUESSED)}
    found = get_close_matches(word[:_LONGEST_GUESSED].lower(), by_low, n=1, cutoff=0.6)
    return by_low[found[0]] if found else ""


def listed(words: Iterable[str]) -> str:
    """Write `words` one after another, the first twenty of them."""
    first = list(islice(words, _MOST_LISTED + 1))
    return ", ".join([*first[:_MOST_LISTED], *(["…"] if len(first) > _MOST_LISTED else [])])
