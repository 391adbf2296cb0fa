"""A run's card shows three shares beside each other: the one wanted, the one observed, the one of the instances."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO

import pytest
from rich.console import Console

from bot.cards import Card, Split
from bot.presenters import present_run, split_of
from bot.slack.render import render as render_for_slack
from bot.telegram.render import render as render_for_telegram
from bot.terminal.render import render as render_for_terminal
from bot.web.render import render_card
from engine.deployed import Observed, observed
from engine.model import Json, PersonId, RoomId, Run, RunId, RunState, StageKind, StageRule, StageRun, StageState
from engine.ports import Traffic

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def run(workload: str = "prod/shop/web", **noted: object) -> Run:
    outputs: Json = {
        "split": "20 % to gray",
        "tracks": {"stable": "stable", "gray": "gray"},
        "share": 30,
        "baseline": {"requests": {"stable": 100, "gray": 0}, "failed": {}},
        **noted,
    }
    stage = StageRun("gray", StageKind.GRAY, StageState.SUCCEEDED, outputs=outputs)
    rule = StageRule("gray", StageKind.GRAY)
    return Run(
        RunId("web-1"),
        "web",
        1,
        1,
        workload,
        {},
        (rule,),
        (stage,),
        PersonId("ann"),
        RoomId("r"),
        NOW,
        RunState.WAITING,
    )


def instances_on(card_of: Run) -> str:
    split = split_of(card_of, None)
    assert split is not None
    return split.instances


@pytest.mark.parametrize(
    ("noted", "said"),
    [
        ({"instances": {"stable": 4, "gray": 1}}, "4 stable, 1 gray (20 %)"),
        (
            {"instances": {"blue": 3, "green": 3}, "tracks": {"blue": "stable", "green": "gray"}},
            "3 stable, 3 gray (50 %)",
        ),
        ({"instances": {"stable": 0, "gray": 2}}, "0 stable, 2 gray (100 %)"),
        ({"instances": {}}, ""),
        ({}, ""),
    ],
)
def test_the_share_that_the_instances_give_is_said_in_words(noted: Json, said: str) -> None:
    assert instances_on(run(**noted)) == said


def test_every_share_is_on_the_card() -> None:
    seen = Observed({"stable": 80, "gray": 20}, {"stable": 0, "gray": 1})
    card = present_run(run(instances={"stable": 4, "gray": 1}), NOW, seen)
    assert card.split is not None
    assert (card.split.wanted, card.split.observed, card.split.instances) == (30, 20.0, "4 stable, 1 gray (20 %)")


def test_the_terminal_and_the_console_show_the_instances() -> None:
    card = Card("x", split=Split(20, 19.4, instances="4 stable, 1 gray (20 %)"))
    out = StringIO()
    Console(file=out, width=100).print(render_for_terminal(card))
    assert "instances: 4 stable, 1 gray (20 %)" in out.getvalue()
    assert "4 stable, 1 gray (20 %)" in render_card(card)


def test_counts_of_a_cluster_are_taken_from_where_the_split_began() -> None:
    seen = observed(run(), Traffic({"stable": 180, "gray": 20}, {"gray": 2}))
    assert seen == Observed({"stable": 80, "gray": 20}, {"stable": 0, "gray": 2})


def test_counts_of_a_cluster_that_nobody_saw_at_the_beginning_are_not_guessed() -> None:
    unseen = run(baseline={"requests": {}, "failed": {}})
    assert observed(unseen, Traffic({"stable": 100_000, "gray": 20})) is None


def test_on_this_machine_no_counts_at_the_beginning_mean_that_there_were_no_requests() -> None:
    unseen = run("web", baseline={"requests": {}, "failed": {}})
    assert observed(unseen, Traffic({"stable": 80, "gray": 20})) == Observed(
        {"stable": 80, "gray": 20}, {"stable": 0, "gray": 0}
    )


def test_gray_that_was_taken_back_had_its_share_and_no_instances_are_claimed() -> None:
    kept: Json = {"requests": {"stable": 80, "gray": 20}, "failed": {}}
    over = replace(run(instances={"stable": 4, "gray": 1}, observed=kept), state=RunState.ROLLED_BACK)
    card = present_run(over, NOW)
    assert card.split is not None
    assert (card.split.is_over, card.split.observed, card.split.instances) == (True, 20.0, "")
    out = StringIO()
    Console(file=out, width=100).print(render_for_terminal(card))
    assert "gray had " in out.getvalue()
    assert "was on " in render_card(card)
    assert "gray had" in render_for_telegram(card, lambda _button: "t").text
    assert "Gray had" in json.dumps(render_for_slack(card, lambda _button: "t").blocks)


def test_gray_that_a_run_has_left_standing_still_has_its_share() -> None:
    kept: Json = {"requests": {"stable": 80, "gray": 20}, "failed": {}}
    standing = replace(run(observed=kept), state=RunState.SUCCEEDED, gray_until=NOW)
    split = split_of(standing, None)
    assert split is not None
    assert not split.is_over
