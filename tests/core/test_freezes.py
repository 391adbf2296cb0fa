"""Freeze windows as values: when they are open, of what, and until when something stands still."""

from datetime import UTC, datetime, timedelta

import pytest

from engine.freezes import Freeze, FreezeId, Once, Reach, Scope, Subject, Weekly, standing
from engine.model import PersonId

BERLIN, BERLIN_NIGHT = "Europe/Berlin", Weekly((6,), 150, 0, 165, "Europe/Berlin")
SHOP = Subject("shop", "web", "shop-api")
WEEKEND = Weekly((4,), 16 * 60, 3, 8 * 60, BERLIN)
HOUR = timedelta(hours=1)
EVERYTHING = Scope(Reach.EVERYTHING)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def freeze(when: Once | Weekly, name: str = "f1", scope: Scope = EVERYTHING) -> Freeze:
    return Freeze(FreezeId(name), scope, when, "nobody is on call", PersonId("ann"), utc("2026-01-01"))


def window(when: Weekly, at: str) -> tuple[str, str] | None:
    found = freeze(when).open_at(utc(at))
    return None if found is None else (f"{found.begins:%m-%d %H:%M}", f"{found.ends:%m-%d %H:%M}")


def test_a_weekly_window_follows_the_wall_clock_through_the_change_to_summer_time() -> None:
    assert window(WEEKEND, "2026-03-06T15:00") == ("03-06 15:00", "03-09 07:00")
    assert window(WEEKEND, "2026-03-29T12:00") == ("03-27 15:00", "03-30 06:00"), "clocks change inside it"
    assert window(WEEKEND, "2026-04-03T14:00") == ("04-03 14:00", "04-06 06:00")
    assert window(WEEKEND, "2026-10-25T12:00") == ("10-23 14:00", "10-26 07:00"), "and back"


def test_a_window_holds_from_its_first_moment_until_before_its_last() -> None:
    assert window(WEEKEND, "2026-03-06T14:59") is None
    assert window(WEEKEND, "2026-03-06T15:00") is not None
    assert window(WEEKEND, "2026-03-09T06:59") is not None
    assert window(WEEKEND, "2026-03-09T07:00") is None


def test_an_hour_that_comes_twice_is_frozen_from_its_first_time_to_its_second() -> None:
    assert window(BERLIN_NIGHT, "2026-10-25T00:30") == ("10-25 00:30", "10-25 01:45")


def test_an_hour_that_is_skipped_counts_as_the_moment_of_the_change() -> None:
    assert window(BERLIN_NIGHT, "2026-03-29T01:00") is None, "the whole window is skipped"
    late = Weekly((6,), 150, 0, 240, BERLIN)
    assert window(late, "2026-03-29T01:00") == ("03-29 01:00", "03-29 02:00")
    early = Weekly((6,), 60, 0, 150, BERLIN)
    assert window(early, "2026-03-29T00:30") == ("03-29 00:00", "03-29 01:00")


def test_the_next_window_is_named() -> None:
    following = freeze(WEEKEND).next_after(utc("2026-03-07T00:00"))
    assert following is not None
    assert following.begins == utc("2026-03-13T15:00")
    once = freeze(Once(utc("2026-03-01"), utc("2026-03-02"), "UTC"))
    assert (once.next_after(utc("2026-03-01")), once.is_over(utc("2026-03-02"))) == (None, True)


@pytest.mark.parametrize(
    ("scope", "covers"),
    [
        (Scope(Reach.EVERYTHING), True),
        (Scope(Reach.PIPELINE, "shop"), True),
        (Scope(Reach.GROUP, "web"), True),
        (Scope(Reach.WORKLOAD, "shop-api"), True),
        (Scope(Reach.PIPELINE, "web"), False),
        (Scope(Reach.WORKLOAD, "shop"), False),
        (Scope(Reach.GROUP, ""), False),
    ],
    ids=str,
)
def test_a_freeze_is_about_what_it_names(scope: Scope, covers: bool) -> None:  # noqa: FBT001 - a column
    assert scope.covers(SHOP) is covers


def test_a_pipeline_that_deploys_nothing_is_in_no_freeze_of_a_workload() -> None:
    assert not Scope(Reach.WORKLOAD, "").covers(Subject("notes", "web", ""))


def test_one_open_window_is_enough_and_the_end_is_that_of_the_last_that_follows() -> None:
    at = utc("2026-03-07T12:00")
    other = Scope(Reach.PIPELINE, "cart")
    freezes = [
        freeze(WEEKEND, "f1"),
        freeze(Once(at - HOUR, at + HOUR, "UTC"), "f2", Scope(Reach.PIPELINE, "shop")),
        freeze(Once(utc("2026-03-09T06:00"), utc("2026-03-09T12:00"), "Asia/Shanghai"), "f3"),
        freeze(Once(at - HOUR, at + 99 * HOUR, "UTC"), "f4", other),
    ]
    found = standing(freezes, SHOP, at)
    assert found is not None
    assert (found.freeze.id, found.others, found.until) == ("f1", ("f2",), utc("2026-03-09T12:00"))
    said = "Everything is frozen until Mon 09 March 2026, 20:00 (Asia/Shanghai) by ann: nobody is on call (f1 and f2)."
    assert f"{found}" == said
    assert standing(freezes, SHOP, found.until) is None


def test_windows_that_follow_each_other_for_ever_are_looked_at_again_in_a_year() -> None:
    week = [freeze(Weekly((day,), 0, 0, 24 * 60, "UTC"), f"f{day}") for day in range(7)]
    at = utc("2026-03-07T12:00")
    found = standing(week, SHOP, at)
    assert found is not None
    assert timedelta(days=365) < found.until - at < timedelta(days=368)


@pytest.mark.parametrize(
    ("when", "is_always"),
    [
        (Weekly(tuple(range(7)), 0, 0, 1440, "UTC"), True),
        (Weekly((4,), 960, 7, 960, "UTC"), True),
        (Weekly((0, 3), 0, 4, 0, "UTC"), True),
        (Weekly((4,), 960, 7, 959, "UTC"), False),
        (Weekly(tuple(range(7)), 22 * 60, 1, 22 * 60 - 1, "UTC"), False),
    ],
)
def test_a_week_without_a_free_minute_is_known(when: Weekly, is_always: bool) -> None:  # noqa: FBT001 - a column
    assert when.is_always is is_always
