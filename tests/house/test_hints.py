"""What a hint tells people to say can be said."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.cli.command import COMMANDS
from bot.grammar import ALIASES, BY_NAME, parse
from tests.support.tree import PACKAGES, ROOT, python_files

QUOTED = re.compile(r"`([^`\n]+)`")
FILLED = "hello-2"
"""What stands for whatever is only known when the hint is given."""


def hints() -> Iterator[tuple[str, str]]:
    """Every line that a text of the code quotes and that begins with a command: where, and the line."""
    for path in python_files(*PACKAGES):
        for text, number in _texts(ast.parse(path.read_text())):
            for line in QUOTED.findall(text):
                if _begins_with_a_command(line):
                    yield f"{_name(path)}:{number}", line


def _texts(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """The texts of a module, with what they are filled with replaced; docstrings and what explains a name left out."""
    explains = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    made = [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
    inside = {id(part) for one in made for part in one.values}
    for one in made:
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else FILLED for part in one.values), one.lineno
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in explains | inside:
            yield node.value, node.lineno


def _begins_with_a_command(line: str) -> bool:
    """Whether it is said in a chat: not in a shell, and no word of a definition."""
    words = [*line.lower().removeprefix("/").split(), ""]
    if words[0] == "sluice":
        return words[1] in BY_NAME and words[1] not in COMMANDS
    return words[0] in BY_NAME or words[0] in ALIASES


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


HINTS = sorted(set(hints()))


def test_hints_are_found() -> None:
    lines = {line for _, line in HINTS}
    assert {"status", f"versions {FILLED}", "stop RUN", "help freeze"} <= lines


@pytest.mark.parametrize(("where", "line"), HINTS)
def test_what_a_hint_tells_to_say_can_be_said(where: str, line: str) -> None:
    assert parse(line), where
