"""Error policies, holds, stops and rollbacks."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from engine import commands as c
from engine.model import OnError, RunState, StageKind, StageState
from engine.transitions import ENGINE, needs_worker
from tests.support.engine import BUILD, GRAY, HOUR, OFFICIAL, SOURCE, Story, failing, gated, review

S, R = StageState, RunState


def test_a_stage_after_the_other_and_the_run_has_succeeded() -> None:
    story = Story([SOURCE, BUILD]).admitted()
    assert (story.run.state, story.run.stage.state) == (R.RUNNING, S.RUNNING)
    story.succeed(sha="abc")
    assert story.kinds(2) == ["StageSucceeded", "StageStarted"]
    story.succeed(image="shop:v1")
    assert story.kinds(2) == ["StageSucceeded", "RunEnded"]
    assert story.run.state is R.SUCCEEDED
    assert story.states() == [S.SUCCEEDED, S.SUCCEEDED]
    assert story.run.stages[0].outputs == {"sha": "abc"}


def test_an_ignored_failure_goes_on() -> None:
    story = Story([failing(OnError.IGNORE), BUILD]).admitted().fail("No such tag.")
    assert story.states() == [S.IGNORED, S.RUNNING]
    assert story.run.stages[0].reason == "No such tag."
    assert story.succeed().run.state is R.SUCCEEDED


def test_an_ignored_failure_of_the_last_stage_is_a_success() -> None:
    assert Story([failing(OnError.IGNORE)]).admitted().fail().run.state is R.SUCCEEDED


def test_a_held_stage_waits_until_its_time_is_up() -> None:
    story = Story([failing(OnError.STOP)]).admitted().fail()
    assert (story.run.state, story.run.stage.state) == (R.WAITING, S.HELD)
    assert story.run.stage.deadline == story.clock.now() + HOUR
    expire = c.Expire(run=story.run.id, by=ENGINE, stage=0, attempt=1)
    story.clock.pass_time(HOUR - timedelta(seconds=1))
    assert "is not over yet" in str(story.refusal(expire))
    story.clock.pass_time(timedelta(seconds=1))
    story.expire()
    assert (story.run.state, story.run.reason) == (R.FAILED, "It broke. Nobody retried it in time.")
    assert story.states() == [S.FAILED]


def test_a_hold_that_runs_out_takes_back_what_was_placed() -> None:
    story = Story([failing(OnError.STOP, StageKind.GRAY), OFFICIAL]).admitted().fail()
    story.clock.pass_time(HOUR)
    story.expire()
    assert story.run.unwinding is not None
    assert needs_worker(story.run)
    assert story.unwound().run.state is R.FAILED
    assert story.states() == [S.FAILED, S.SKIPPED]


def test_a_retried_stage_is_a_new_attempt_that_can_fail_again() -> None:
    story = Story([failing(OnError.STOP), BUILD]).admitted().fail().retry()
    assert story.kinds(2) == ["StageRetried", "StageStarted"]
    assert (story.run.stage.attempt, story.run.stage.deadline, story.run.stage.reason) == (2, None, "")
    story.fail("Again.")
    assert story.run.stage.state is S.HELD
    assert story.retry().succeed().states() == [S.SUCCEEDED, S.RUNNING]


def test_a_retried_release_still_knows_what_it_has_placed() -> None:
    """A promotion that has begun must be undone even when it is stopped right after a retry."""
    for kind in (StageKind.GRAY, StageKind.OFFICIAL):
        story = Story([failing(OnError.STOP, kind)]).admitted().note("launch", release="shop@2").fail().retry()
        assert story.run.stage.outputs == {"release": "shop@2"}


def test_a_retried_build_begins_with_nothing() -> None:
    story = Story([failing(OnError.STOP)]).admitted().note("half", digest="sha256:1").fail().retry()
    assert story.run.stage.outputs == {}


def test_a_return_to_the_start_waits_for_a_person_and_keeps_attempts() -> None:
    story = Story([SOURCE, failing(OnError.RETURN_TO_START), BUILD]).admitted().succeed().fail("Tests are red.")
    run = story.run
    assert (run.state, run.position, run.paused, run.reason) == (R.WAITING, 0, True, "Tests are red.")
    assert story.states() == [S.PENDING] * 3
    assert [stage.attempt for stage in run.stages] == [1, 1, 0]
    assert not needs_worker(run)
    story.retry()
    assert (story.run.state, story.run.stage.attempt, story.run.paused) == (R.RUNNING, 2, False)
    story.succeed()
    assert story.run.stage.attempt == 2


def test_a_return_to_the_start_never_goes_off_by_itself() -> None:
    story = Story([failing(OnError.RETURN_TO_START), gated("webhook:go")]).admitted()
    for attempt in range(1, 6):
        story.fail()
        assert (story.run.paused, story.run.stage.attempt) == (True, attempt)
        assert story.kinds(1) == ["ReturnedToStart"]
        story.retry()


def test_a_new_go_releases_what_it_builds_and_not_what_the_last_one_placed() -> None:
    story = Story([BUILD, GRAY, failing(OnError.RETURN_TO_START, StageKind.OFFICIAL)]).admitted()
    story.succeed().note("launch", release="shop@1").succeed().note("promote", release="shop@1").fail()
    assert story.run.stages[1].outputs == {"release": "shop@1"}
    story.retry()
    assert story.run.stages[1].outputs == {"release": "shop@1"}, "until then it must still be possible to take it back"
    story.succeed()
    assert [dict(stage.outputs) for stage in story.run.stages] == [{}, {"placed": "shop@1"}, {}]


def test_a_failure_after_a_return_to_the_start_can_still_be_taken_back() -> None:
    story = Story([SOURCE, GRAY, failing(OnError.RETURN_TO_START)]).admitted().succeed()
    story.note("launch", release="shop@1").succeed().fail()
    story.roll_back()
    assert needs_worker(story.run)
    assert story.unwound().run.state is R.ROLLED_BACK


def test_a_queued_run_is_stopped_at_once() -> None:
    story = Story([GRAY, BUILD]).stop()
    assert (story.run.state, story.run.reason) == (R.CANCELLED, "enough")
    assert story.states() == [S.SKIPPED, S.SKIPPED]


NOTHING_PLACED: dict[str, Callable[[], Story]] = {
    "running": lambda: Story([SOURCE, GRAY]).admitted(),
    "awaiting trigger": lambda: Story([gated("webhook:go"), GRAY]).admitted(),
    "held": lambda: Story([failing(OnError.STOP), GRAY]).admitted().fail(),
    "returned": lambda: Story([failing(OnError.RETURN_TO_START), GRAY]).admitted().fail(),
    "awaiting review": lambda: Story([review(), OFFICIAL]).admitted().ask(),
}
PLACED: dict[str, Callable[[], Story]] = {
    "gray": lambda: Story([GRAY, BUILD]).admitted(),
    "awaiting trigger": lambda: Story([GRAY, gated("webhook:go")]).admitted().succeed(),
    "awaiting review": lambda: Story([GRAY, review(), OFFICIAL]).admitted().succeed().ask(),
    "held": lambda: Story([GRAY, failing(OnError.STOP, StageKind.OFFICIAL)]).admitted().succeed().fail(),
    "promoting": lambda: Story([GRAY, OFFICIAL]).admitted().succeed(),
    "returned": lambda: Story([GRAY, failing(OnError.RETURN_TO_START)]).admitted().succeed().fail(),
}


@pytest.mark.parametrize("where", NOTHING_PLACED)
def test_a_run_that_placed_nothing_ends_when_it_is_stopped(where: str) -> None:
    story = NOTHING_PLACED[where]()
    assert "has not deployed anything yet" in str(story.refusal(c.RollBack(run=story.run.id, by=ENGINE)))
    story.stop()
    assert (story.run.state, story.run.paused, story.run.unwinding) == (R.CANCELLED, False, None)
    assert S.SKIPPED in story.states()


@pytest.mark.parametrize("where", PLACED)
def test_a_run_that_placed_something_is_taken_back_before_it_ends(where: str) -> None:
    for final, ask in ((R.CANCELLED, Story.stop), (R.ROLLED_BACK, Story.roll_back)):
        story = PLACED[where]()
        ask(story)
        assert (story.run.state, story.run.paused) == (R.RUNNING, False)
        assert needs_worker(story.run)
        story.note("drain").unwound()
        assert (story.run.state, story.run.unwinding) == (final, None)
        assert not {S.RUNNING, S.HELD, S.AWAITING_REVIEW, S.PENDING, S.AWAITING_TRIGGER} & set(story.states())


def test_a_rollback_shows_at_the_stages_that_had_deployed() -> None:
    story = Story([BUILD, GRAY, OFFICIAL]).admitted().succeed().succeed().roll_back().unwound()
    assert story.states() == [S.SUCCEEDED, S.ROLLED_BACK, S.ROLLED_BACK]


def test_nobody_can_say_that_a_run_was_taken_back_when_it_was_not_asked_to() -> None:
    story = Story([GRAY]).admitted()
    assert "cannot be changed now" in str(story.refusal(c.ReportUnwound(**story.about())))
