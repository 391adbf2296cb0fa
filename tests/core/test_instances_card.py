"""What runs fits a phone: each track in a line, what ails it, and the copies in pages, the ill ones first."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.instances import PAGE, Wanted, present_instances, wanted_of
from bot.slack.render import render as render_for_slack
from bot.telegram.render import render as render_for_telegram
from engine.errors import Refused
from engine.ports import Instance
from engine.rollout.fleet import ReleaseId
from tests.support.slack_limits import message_complaints

NOW = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
OLD, NEW = ReleaseId("prod/shop/web@old"), ReleaseId("prod/shop/web@new")
IMAGES = {OLD: "shop/web:v1", NEW: "shop/web:v2"}
NOT_PULLED = "the image shop/web:v2 cannot be pulled: not found"


def copy(number: int, group: str = "stable", status: str = "ready", event: str = "is ready") -> Instance:
    release = OLD if group == "stable" else NEW
    name = f"web-{group}-{number:03}"
    began = NOW - timedelta(hours=2)
    return Instance(name, group, release, status, event, "node-1", f"10.0.0.{number % 250}:8080", began, "100m", "64Mi")


def many() -> list[Instance]:
    ill = [copy(number, "gray", "starting", NOT_PULLED) for number in range(58)]
    return [*(copy(number) for number in range(240)), *ill, copy(58, "gray"), copy(59, "gray")]


def shown(found: list[Instance], *words: str) -> tuple[str, tuple[tuple[str, ...], ...], list[str]]:
    made = present_instances("web", "prod/shop/web", found, images=IMAGES, wanted=wanted_of(words), now=NOW)
    assert made.table is not None
    return made.text, made.table.rows, [button.line for button in made.buttons]


def test_300_instances_are_said_in_a_line_for_each_track_and_one_for_a_trouble_that_many_have() -> None:
    text, rows, buttons = shown(many())
    assert text.splitlines()[:3] == [
        "stable: 240 of shop/web:v1, all ready",
        "gray: 60 of shop/web:v2, 2 ready",
        f"• 58 starting: {NOT_PULLED}",
    ]
    assert (len(rows), len(text.splitlines())) == (PAGE, 4)
    assert buttons == ["instances web 2", "instances web stable", "instances web gray"]


def test_instances_that_are_not_ready_come_first() -> None:
    _, rows, _ = shown([*many(), copy(7, "gray", "unready", "GET /healthz answered 503")])
    assert rows[0][:3] == ("web-gray-007", "unready", "GET /healthz answered 503")
    assert {row[1] for row in rows[1:]} == {"starting"}


def test_every_instance_is_on_one_page() -> None:
    pages = [shown(many(), str(number + 1))[1] for number in range(-(-300 // PAGE))]
    assert sorted(row[0] for page in pages for row in page) == sorted(one.name for one in many())


def test_one_track_can_be_looked_at_alone() -> None:
    text, rows, buttons = shown(many(), "gray", "4")
    assert text.startswith("gray: 60")
    assert {row[3] for row in rows} == {"gray"}
    assert buttons == []


def test_a_column_in_which_nothing_stands_is_left_out() -> None:
    bare = [Instance("web-1", "stable", OLD, "ready", "", "", "", None)]
    made = present_instances("web", "web", bare, images={}, wanted=Wanted(), now=NOW)
    assert made.table is not None
    assert made.table.head == ("Instance", "Status", "Track", "Version")
    assert made.table.rows == (("web-1", "ready", "stable", OLD),)


def test_two_versions_in_one_track_are_both_named() -> None:
    text, _, _ = shown([copy(1), copy(2), Instance("web-3", "stable", NEW, "ready", "", "", "", None)])
    assert text == "stable: 2 of shop/web:v1 and 1 of shop/web:v2, all ready"


def test_what_somebody_else_has_put_in_the_place_of_a_release_is_named_with_them() -> None:
    hotfix = [replace(copy(number), image="shop/web:v3", changed_by="kubectl-set") for number in (1, 2)]
    text, rows, _ = shown([*hotfix, replace(copy(3), image="shop/web:v1")])
    assert text == "stable: 2 of shop/web:v3, changed by kubectl-set and 1 of shop/web:v1, all ready"
    assert rows[0][4] == "shop/web:v3, changed by kubectl-set"


def test_what_nobody_has_released_is_called_by_its_image() -> None:
    found = replace(copy(1), release=ReleaseId("prod/shop/web@found-68ed"), image="shop/web:v0")
    assert shown([found])[0] == "stable: 1 of shop/web:v0, all ready"


@pytest.mark.parametrize("words", [("gray", "stable"), ("1", "2"), ("0",), ("9999",), ("blue",)])
def test_a_track_or_page_that_is_not_there_is_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(Refused):
        shown(many(), *words)


def test_300_instances_fit_into_one_message_of_each_chat() -> None:
    made = present_instances("web", "prod/shop/web", many(), images=IMAGES, wanted=Wanted(), now=NOW)
    slack = render_for_slack(made, lambda button: button.line)
    assert message_complaints(slack.blocks) == []
    assert slack.overflow is None
    telegram = render_for_telegram(made, lambda button: button.line)
    assert telegram.overflow is None
    assert NOT_PULLED in telegram.text
