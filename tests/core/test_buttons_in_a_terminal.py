"""Buttons in a terminal, where nothing can be pressed: what is typed in their place."""

from io import StringIO

import pytest
from rich.console import Console

from bot.cards import Button, Card
from bot.creating.cards import press
from bot.grammar import PRESS
from bot.terminal.render import render


def printed(line: str) -> str:
    out = StringIO()
    Console(file=out, width=100).print(render(Card("x", buttons=(Button("Go", line),))))
    return out.getvalue()


@pytest.mark.parametrize(
    ("line", "typed"),
    [
        pytest.param("status", "[Go] status", id="a line"),
        pytest.param("press approve web-7 2 1 0abc", "[Go] approve web-7", id="approve"),
        pytest.param("press reject web-7 2 1 -", "[Go] reject web-7", id="reject"),
        pytest.param("press retry web-8 0 3 -", "[Go] retry web-8", id="retry"),
        pytest.param("press stop bg-5 0 1 -", "[Go] stop bg-5", id="stop"),
        pytest.param("press split web-7 1 1 - 20 50", "[Go] split web-7 50", id="split"),
        pytest.param(press("d1", "say", "group", "shop two"), "[Go] answer shop two", id="an answer"),
        pytest.param(press("d1", "back", "group"), "[Go] answer back", id="back"),
        pytest.param(press("d1", "leave"), "[Go] cancel", id="leave"),
        pytest.param(press("d1", "more", "group", "8", ""), "[Go] press answer d1 more group 8", id="more"),
    ],
)
def test_what_is_typed_in_a_buttons_place_stands_beside_it(line: str, typed: str) -> None:
    assert typed in printed(line)


def test_a_button_that_only_a_press_can_mean_is_left_out() -> None:
    assert "Go" not in printed(f"{PRESS}run shop abc")
