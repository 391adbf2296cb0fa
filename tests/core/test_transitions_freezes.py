"""A stage that a freeze keeps from beginning, and the ways on from there."""

from bot.keeper import waits_with_gray
from engine import commands as c
from engine.model import RunState, StageState
from engine.transitions import ENGINE, needs_worker
from tests.support.engine import GRAY, HOUR, OFFICIAL, Story, review
from tests.support.store import ANN, BOB

S, R = StageState, RunState


def frozen() -> Story:
    """Past its review, at the official stage, in a window of an hour."""
    return Story([GRAY, review(), OFFICIAL]).admitted().succeed().ask().vote(ANN).freeze()


def test_a_frozen_stage_waits_and_needs_no_worker() -> None:
    story = frozen()
    assert (story.run.state, story.run.stage.state) == (R.WAITING, S.FROZEN)
    assert (story.run.stage.note, story.run.stage.deadline) == ("Everything is frozen.", story.clock.now() + HOUR)
    assert not needs_worker(story.run)


def test_it_is_looked_at_again_when_the_window_ends_and_not_before() -> None:
    story = frozen()
    early = c.Expire(run=story.run.id, by=ENGINE, stage=2, attempt=1)
    assert "is not over yet" in str(story.refusal(early))
    story.clock.pass_time(HOUR)
    story.expire()
    assert (story.run.state, story.run.stage.state, story.run.stage.attempt) == (R.RUNNING, S.RUNNING, 1)
    assert needs_worker(story.run)


def test_the_time_that_a_stage_may_take_begins_after_the_freeze() -> None:
    story = frozen()
    story.clock.pass_time(48 * HOUR)
    assert story.expire().run.stage.started_at == story.clock.now()


def test_it_may_be_frozen_again_by_the_next_window() -> None:
    story = frozen().thaw().freeze(within=2 * HOUR)
    assert story.run.stage.deadline == story.clock.now() + 2 * HOUR


def test_an_overruled_freeze_holds_nothing_from_then_on() -> None:
    story = frozen().overrule()
    assert story.kinds(2) == ["FreezeOverruled", "StageThawed"]
    assert story.run.override is not None
    assert (story.run.override.by, story.run.override.confirmed_by) == (ANN, BOB)
    again = c.OverruleFreezes(run=story.run.id, by=BOB, override=story.run.override)
    assert "is let through freezes already" in str(story.refusal(again))


def test_nobody_overrules_a_freeze_alone() -> None:
    story = frozen()
    assert story.overrule(ANN, BOB).run.override is not None
    other = frozen()
    made = story.run.override
    assert made is not None
    alone = c.OverruleFreezes(run=other.run.id, by=ANN, override=type(made)(ANN, ANN, "hurry", made.at))
    assert "somebody else has to confirm it" in str(other.refusal(alone))


def test_a_run_that_waits_for_its_workload_can_be_let_through_too() -> None:
    story = Story([GRAY, OFFICIAL]).overrule()
    assert (story.run.state, story.run.override is None) == (R.QUEUED, False)


def test_a_frozen_run_is_stopped_and_rolled_back_like_any_other() -> None:
    for go_back, final in ((Story.stop, R.CANCELLED), (Story.roll_back, R.ROLLED_BACK)):
        story = frozen()
        go_back(story)
        assert needs_worker(story.run)
        assert story.unwound().run.state is final
        assert story.run.stages[2].state is (S.CANCELLED if final is R.CANCELLED else S.ROLLED_BACK)


def test_visitors_are_kept_from_dead_instances_while_a_run_is_frozen_with_its_gray_release() -> None:
    story = frozen()
    assert waits_with_gray(story.run)
    assert not waits_with_gray(story.thaw().note("launch", release="shop@2").fail().run)


def test_what_waits_for_the_end_of_a_freeze_says_how_it_goes_on() -> None:
    story = frozen()
    refused = story.refusal(c.Retry(run=story.run.id, by=ANN))
    assert str(refused) == "Run shop-1 is at stage official, which is frozen; it cannot be retried now."
    assert "`override shop-1 REASON`" in refused.hint


def test_what_was_approved_is_compared_again_after_the_freeze() -> None:
    story = frozen().thaw().changed(review_at=1)
    assert (story.run.stage.name, story.run.stage.votes) == ("review", ())
