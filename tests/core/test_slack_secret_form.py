"""A secret's value goes into a form in Slack, which only its sender sees, and comes out as a line that is sealed."""

import json
from typing import Any

from bot.chat import FORM
from bot.forms import SecretForm
from bot.slack import modals
from bot.slack.api import Identity
from bot.slack.forms import said_by, view_of
from bot.slack.reading import of_submission
from tests.support.slack_workspace import TEAM

VALUE = "Tr0ub4dor&3\nsecond line"


def sent(view: dict[str, Any], value: str) -> dict[str, Any]:
    """The form as Slack sends it back."""
    block = next(one["block_id"] for one in view["blocks"] if one["type"] == "input")
    return {**view, "state": {"values": {block: {modals.VALUE: {"value": f" {value}\n"}}}}}


def test_the_form_asks_for_a_value_and_shows_none() -> None:
    view = view_of(SecretForm("shop", "key"), "slack:T/C", {})
    [field] = [one for one in view["blocks"] if one["type"] == "input"]
    assert "initial_value" not in field["element"]
    assert "shop" in json.dumps(view)


def test_sending_it_says_the_line_with_the_value_below() -> None:
    view = view_of(SecretForm("shop", "key"), "slack:T/C", {})
    assert said_by(sent(view, VALUE)) == f"secret set shop key\n{VALUE}"


def test_it_counts_as_read_by_nobody_else_though_it_was_opened_in_a_channel() -> None:
    view = view_of(SecretForm("shop", "key"), "slack:T/C", {})
    body = {"user": {"id": "U1", "team_id": TEAM}, "team": {"id": TEAM}, "view": sent(view, VALUE)}
    update = of_submission(Identity(TEAM, "UBOT", "B1"), body, "k", is_alone=False)
    assert FORM in update.context
    assert not update.is_alone
