"""A dangerous button says what it does before it is done."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.grammar import ASKING, BY_NAME, PRESS, VERBS
from bot.inbox.second_look import needs_second_look, second_look
from tests.support.tree import ROOT, python_files

MOMENT = "hello-2 3 1 abc"
PRESSED = ("approve", "reject", "retry", "stop")
VARIABLE = {
    ("bot/presenters.py", "way"): ("restore", "adopt"),
    ("bot/presenters.py", "line"): ("press split",),
    ("bot/ways_back.py", "line"): ("redeploy",),
    ("bot/fitting.py", "line"): (*(f"press {verb}" for verb in PRESSED), "giveup", "rollback", "restore", "adopt"),
    ("bot/fitting.py", "verb"): ("rollback", "retire", "delete"),
}
"""What a line begins with where a variable stands there."""


def dangerous() -> Iterator[tuple[str, str]]:
    """Every button of the code that is marked so: where it stands, and how its line begins."""
    for path in python_files("bot", "engine", "storage"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("Button", "Offer"):
                danger = next((word.value for word in node.keywords if word.arg == "danger"), None)
                if danger is not None and len(node.args) > 1:
                    yield from ((where, begun) for where, begun in _begun(path, node.args[1]))


def _begun(path: Path, line: ast.expr) -> Iterator[tuple[str, str]]:
    name = str(path.relative_to(ROOT))
    first = line.values[0] if isinstance(line, ast.JoinedStr) else line
    where = f"{name}:{line.lineno}"
    if isinstance(first, ast.Constant):
        words = str(first.value).split()
        yield where, " ".join(words[: 2 if words[0] == "press" else 1])
        return
    variable = ast.unparse(first.value if isinstance(first, ast.FormattedValue) else first)
    if variable != "offer.line":  # an offer's, which is looked at itself
        yield from ((where, begun) for begun in VARIABLE[name, variable])


DANGEROUS = sorted(set(dangerous()))


def test_the_buttons_of_the_code_are_found() -> None:
    assert {"giveup", "retry", "rollback", "unlock", "press stop", "press reject"} <= {begun for _, begun in DANGEROUS}


@pytest.mark.parametrize(("where", "begun"), DANGEROUS)
def test_every_dangerous_button_asks_by_itself_or_has_a_second_look_that_says_what_it_does(
    where: str, begun: str
) -> None:
    is_press = begun.startswith(PRESS)
    line = f"{begun} {MOMENT}{' 20 50' if begun.endswith('split') else ''}" if is_press else f"{begun} hello-2"
    if not needs_second_look(line, danger=True):
        assert begun in ASKING, where
        return
    card = second_look(line).card
    assert "hello-2" in card.title, where
    assert card.text.endswith("."), where
    assert card.buttons[0].line == line
    assert card.buttons[0].text not in ("", "Do it")


@pytest.mark.parametrize("line", [verb.example for verb in VERBS if verb.kind == "act" and not verb.text])
def test_whatever_acts_could_have_a_second_look_with_a_text(line: str) -> None:
    assert second_look(line).card.text


@pytest.mark.parametrize("line", ["giveup hello-2", "rollback hello-2", "start hello", "Retire hello"])
def test_what_is_answered_with_a_question_has_no_look_before_it(line: str) -> None:
    assert not needs_second_look(line, danger=True)


def test_what_asks_by_itself_can_be_said() -> None:
    assert set(ASKING) <= set(BY_NAME)
