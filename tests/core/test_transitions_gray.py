"""A gray release that nobody promotes: from when it is left alone, until when it may stand, and what becomes of it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from engine import commands as c
from engine import events as e
from engine.model import OnError, RunState, StageState, Verdict
from engine.transitions import ENGINE
from tests.support.engine import GRAY, OFFICIAL, Story, failing, gated, review
from tests.support.store import ANN, T0

R, S = RunState, StageState
DAYS = timedelta(days=1)
PATIENT = replace(GRAY, deadline=14 * DAYS)
STUBBORN = replace(PATIENT, keep_on_deadline=True)
GATED_OFFICIAL = replace(OFFICIAL, conditions=("webhook:go",))


def placed(story: Story) -> Story:
    """The gray stage has brought its release up."""
    return story.admitted().note("launch", release="shop@2").succeed(release="shop@2")


def at_a_gate(gray: object = PATIENT) -> Story:
    return placed(Story([gray, GATED_OFFICIAL]))  # type: ignore[list-item]


def refused_and_kept() -> Story:
    return placed(Story([PATIENT, review(take_back=False), OFFICIAL])).ask().vote(ANN, Verdict.REJECT)


def ended_without_a_promotion() -> Story:
    return placed(Story([PATIENT, failing(OnError.IGNORE, OFFICIAL.kind)])).fail()


def without_an_official_stage() -> Story:
    return placed(Story([PATIENT, review()])).ask().vote(ANN)


def back_at_the_start() -> Story:
    return placed(Story([PATIENT, failing(OnError.RETURN_TO_START)])).fail()


def expire_gray(story: Story) -> Story:
    return story.say(c.ExpireGray(run=story.run.id, by=ENGINE))


@pytest.mark.parametrize(
    "left", [at_a_gate, refused_and_kept, ended_without_a_promotion, without_an_official_stage, back_at_the_start]
)
def test_a_gray_release_that_is_left_alone_may_stand_for_so_long(left: object) -> None:
    story = left()  # type: ignore[operator]
    assert story.run.gray_until == T0 + 14 * DAYS


def test_while_people_are_asked_the_review_has_the_deadline() -> None:
    story = placed(Story([PATIENT, review(), OFFICIAL])).ask()
    assert story.run.gray_until is None
    assert story.run.stage.deadline is not None


def test_a_held_stage_has_a_deadline_of_its_own_and_then_gray_is_taken_back() -> None:
    story = placed(Story([PATIENT, failing(OnError.STOP, OFFICIAL.kind)])).fail()
    assert (story.run.stage.state, story.run.gray_until) == (S.HELD, None)
    story.clock.pass_time(DAYS)
    assert story.expire().run.unwinding is not None
    assert (story.unwound().run.state, story.run.gray_until) == (R.FAILED, None)


def test_what_was_promoted_or_taken_back_stands_no_longer() -> None:
    promoted = placed(Story([PATIENT, OFFICIAL])).succeed(release="shop@2")
    assert (promoted.run.state, promoted.run.gray_until) == (R.SUCCEEDED, None)
    rejected = placed(Story([PATIENT, review(), OFFICIAL])).ask().vote(ANN, Verdict.REJECT).unwound()
    assert (rejected.run.state, rejected.run.gray_until) == (R.REJECTED, None)


def test_going_on_ends_the_time() -> None:
    story = at_a_gate().meet("webhook:go")
    assert (story.run.stage.state, story.run.gray_until) == (S.RUNNING, None)
    assert back_at_the_start().retry().run.gray_until is None


def test_what_placed_nothing_leaves_nothing_standing() -> None:
    assert Story([PATIENT, gated("webhook:go")]).admitted().succeed().run.gray_until is None
    assert Story([gated("webhook:go"), PATIENT]).admitted().run.gray_until is None


def test_a_run_from_before_there_were_deadlines_has_none() -> None:
    assert at_a_gate(GRAY).run.gray_until is None


@pytest.mark.parametrize("left", [at_a_gate, back_at_the_start])
def test_at_its_deadline_an_active_run_takes_gray_back(left: object) -> None:
    story = left()  # type: ignore[operator]
    story.clock.pass_time(14 * DAYS)
    expire_gray(story)
    assert story.run.unwinding is not None
    assert story.unwound().run.state is R.ROLLED_BACK
    assert story.run.reason == "Nobody promoted the gray release before its deadline."


def test_a_run_that_is_over_says_that_its_gray_release_stands_no_longer() -> None:
    story = refused_and_kept()
    story.clock.pass_time(14 * DAYS)
    before = story.run
    expire_gray(story)
    assert story.kinds(1) == ["GrayEnded"]
    assert replace(story.run, seq=before.seq) == replace(before, gray_until=None)


def test_gray_that_is_to_be_kept_is_kept_for_as_long_again_and_it_is_said() -> None:
    for story in (at_a_gate(STUBBORN), placed(Story([STUBBORN, review(take_back=False)])).ask().vote(ANN)):
        story.clock.pass_time(15 * DAYS)
        expire_gray(story)
        assert story.journal[-1] == e.GrayKept(at=story.clock.now(), by=ENGINE, until=T0 + 29 * DAYS)
        assert story.run.gray_until == T0 + 29 * DAYS


def test_nothing_expires_before_its_time_or_twice() -> None:
    for story in (at_a_gate(), refused_and_kept()):
        command = c.ExpireGray(run=story.run.id, by=ENGINE)
        assert "may stand longer" in str(story.refusal(command))
        story.clock.pass_time(14 * DAYS)
        story.say(command)
        assert story.refusal(command)


def test_a_reminder_changes_nothing() -> None:
    for story in (at_a_gate(), refused_and_kept()):
        before = story.run
        story.say(c.RemindGray(run=story.run.id, by=ENGINE))
        assert story.kinds(1) == ["GrayReminded"]
        assert replace(story.run, seq=before.seq) == before


def test_a_run_that_is_over_takes_words_about_its_gray_release_and_no_others() -> None:
    story = refused_and_kept()
    for command in (c.Stop(run=story.run.id, by=ANN), c.Retry(run=story.run.id, by=ANN)):
        assert "is rejected; it cannot be" in str(story.refusal(command))
    story.say(c.EndGray(run=story.run.id, by=ENGINE, reason="shop-2 took its place."))
    assert "is rejected; it cannot be" in str(story.refusal(c.RemindGray(run=story.run.id, by=ENGINE)))


def test_a_review_can_pass_when_nobody_decides_in_time() -> None:
    passing = replace(review(), pass_on_deadline=True)
    story = placed(Story([PATIENT, passing, OFFICIAL])).ask()
    story.clock.pass_time(DAYS)
    story.expire()
    assert story.run.stage.name == "official"
    assert "as the pipeline says" in story.run.stages[1].outputs["passed"]


def test_a_refusal_stands_even_where_time_passes_a_review() -> None:
    passing = replace(review(), pass_on_deadline=True)
    story = placed(Story([PATIENT, passing, OFFICIAL])).ask().vote(ANN, Verdict.REJECT)
    assert story.run.stage.state is S.REJECTED
