"""Cards, forms and the home as Slack is given them, compared with files in `slack/` to the letter.

When a change of the looks is wanted: ``SLUICE_GOLDEN=write make test ARGS=tests/golden`` writes the files anew; read
the difference before you commit it.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from bot.cards import Button, Table
from bot.forms import Asked
from bot.slack import modals
from bot.slack.home import home, stranger
from bot.slack.render import render
from tests.support.slack_cards import CARDS, held, review, running, table
from tests.support.slack_limits import message_complaints, view_complaints

FILES = Path(__file__).parent / "slack"
ASKED = (
    Asked("version", "v2", "What is released"),
    Asked("notes", "one\ntwo"),
)
VIEWS = {
    "run_modal": modals.run_modal("shop-api", 3, ASKED, "{}"),
    "define_modal": modals.define_modal("shop-api", "pipeline: shop-api\n", "{}"),
    "define_modal_too_long": modals.define_modal("shop-api", "a: b\n" * 700, "{}"),
    "reject_modal": modals.reject_modal("shop-api-42", "{}"),
    "link_modal": modals.link_modal("{}"),
    "home": home([review()], [running(), held()], table().table or Table((), ()), lambda button: f"t-{button.line}"),
    "home_after_a_press": home([], [held()], Table((), ()), lambda button: f"t-{button.line}", CARDS["question"]),
    "home_of_a_stranger": stranger(),
}


def token(button: Button) -> str:
    return f"token of {button.line[:20]}"


def same_as_the_file(name: str, shown: Any) -> None:
    written = json.dumps(shown, indent=1, ensure_ascii=False) + "\n"
    path = FILES / f"{name}.json"
    if os.environ.get("SLUICE_GOLDEN") == "write":
        path.write_text(written)
    assert written == path.read_text()


@pytest.mark.parametrize("name", CARDS)
def test_a_card_is_shown_as_agreed(name: str) -> None:
    message = render(CARDS[name], token)
    same_as_the_file(name, {**message.arguments(), "overflow": message.overflow})


@pytest.mark.parametrize("name", CARDS)
def test_slack_takes_every_card(name: str) -> None:
    assert message_complaints(render(CARDS[name], token).blocks) == []


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_is_shown_as_agreed(name: str) -> None:
    same_as_the_file(name, VIEWS[name])


@pytest.mark.parametrize("name", VIEWS)
def test_slack_takes_every_view(name: str) -> None:
    assert view_complaints(VIEWS[name]) == []


def test_every_golden_file_is_of_something() -> None:
    assert {path.stem for path in FILES.glob("*.json")} == {*CARDS, *VIEWS}
