"""Who hears of what has happened to a run: once, when it matters, and of what somebody did on purpose nothing."""

from datetime import timedelta

import pytest

from engine.model import OnError, StageKind, StageRule, Verdict
from engine.notifications import TRIES, Happened, When, happened, next_try, outcome_of, result_of
from tests.support.engine import GRAY, OFFICIAL, SOURCE, Story, failing, review
from tests.support.store import ANN, BOB, T0

Heard = tuple[When | None, When | None]


def heard(story: Story) -> list[Heard]:
    """What a stage's messages, and the people, are told for: each entry of which anybody is."""
    seen = [happened(story.journal, n) for n in range(2, len(story.journal) + 1)]
    found = [(outcome_of(one), result_of(one)) for one in seen]
    return [one for one in found if one != (None, None)]


def test_a_success_is_told_stage_by_stage_and_once_for_the_run() -> None:
    story = Story([SOURCE, StageRule("image", StageKind.BUILD)]).admitted().succeed().succeed()
    assert heard(story) == [("success", None), ("success", None), (None, "success")]


def test_a_held_failure_is_told_when_it_can_be_mended_and_not_again_when_the_hold_runs_out() -> None:
    story = Story([failing(OnError.STOP)]).admitted().fail()
    assert heard(story) == [("failure", None), (None, "failure")]
    story.clock.pass_time(timedelta(hours=1))
    assert heard(story.expire()) == [("failure", None), (None, "failure")]


def test_every_attempt_that_fails_is_told_and_so_is_the_success_after_it() -> None:
    story = Story([failing(OnError.STOP)]).admitted().fail().retry().fail().retry().succeed()
    assert heard(story) == [
        ("failure", None),
        (None, "failure"),
        ("failure", None),
        (None, "failure"),
        ("success", None),
        (None, "success"),
    ]


def test_a_return_to_the_start_is_told_as_a_failure() -> None:
    story = Story([failing(OnError.RETURN_TO_START)]).admitted().fail()
    assert heard(story) == [("failure", None), (None, "failure")]


def test_a_failure_that_is_ignored_is_told_by_its_stage_only() -> None:
    story = Story([failing(OnError.IGNORE), SOURCE]).admitted().fail().succeed()
    assert heard(story) == [("failure", None), ("success", None), (None, "success")]


def test_a_refused_review_and_a_rollback_are_failures() -> None:
    refused = Story([review()]).admitted().ask().vote(BOB, Verdict.REJECT, "no")
    assert heard(refused) == [("failure", None), (None, "failure")]
    back = Story([GRAY, review(), OFFICIAL]).admitted().succeed(release="r").ask().roll_back().unwound()
    assert heard(back)[-1] == (None, "failure")


def test_a_run_that_somebody_stopped_is_nobodys_news() -> None:
    assert heard(Story([SOURCE]).admitted().stop()) == []
    held = Story([failing(OnError.STOP)]).admitted().fail().stop()
    assert heard(held) == [("failure", None), (None, "failure")]


def test_an_entry_is_seen_with_the_run_as_it_was_then() -> None:
    story = Story([SOURCE, StageRule("image", StageKind.BUILD)]).admitted().succeed().succeed()
    seen = [happened(story.journal, n) for n in range(2, len(story.journal) + 1)]
    first: Happened = next(one for one in seen if outcome_of(one) == "success")
    assert (first.before.position, first.after.position) == (0, 1)
    assert happened(story.journal, len(story.journal)).after == story.run


@pytest.mark.parametrize("attempts", range(1, len(TRIES) + 1))
def test_a_try_is_never_sooner_than_the_receiver_asks_for_and_never_later_than_a_day_part(attempts: int) -> None:
    assert next_try(attempts, T0) == T0 + TRIES[attempts - 1]
    asked = next_try(attempts, T0, timedelta(days=9))
    assert asked == T0 + TRIES[-1]
    assert next_try(attempts, T0, timedelta(0)) == T0 + TRIES[attempts - 1]


def test_after_the_last_try_there_is_none() -> None:
    assert next_try(len(TRIES) + 1, T0) is None


def test_whoever_votes_last_does_not_change_who_is_told() -> None:
    story = Story([review(ANN, BOB)]).admitted().ask().vote(ANN)
    assert heard(story) == [("success", None), (None, "success")]
