"""Trigger conditions of stages: all or any of them, early ones remembered."""

from engine import commands as c
from engine.model import Mode, OnError, RunState, StageState
from engine.transitions import ENGINE
from tests.support.engine import SOURCE, Story, failing, gated

S, R = StageState, RunState
HOOK, CHANNEL = "webhook:gate", "channel:green"


def meet(story: Story, key: str) -> c.MeetCondition:
    return c.MeetCondition(run=story.run.id, by=ENGINE, key=key)


def test_a_stage_waits_for_all_of_its_conditions() -> None:
    story = Story([SOURCE, gated(HOOK, CHANNEL)]).admitted().succeed()
    assert (story.run.state, story.run.stage.state) == (R.WAITING, S.AWAITING_TRIGGER)
    assert story.meet(HOOK).run.stage.state is S.AWAITING_TRIGGER
    assert story.meet(CHANNEL).run.stage.state is S.RUNNING


def test_any_condition_is_enough_when_any_is_asked_for() -> None:
    story = Story([gated(HOOK, CHANNEL, mode=Mode.ANY)]).admitted().meet(CHANNEL)
    assert (story.run.state, story.run.stage.state) == (R.RUNNING, S.RUNNING)


def test_what_was_met_early_is_remembered() -> None:
    story = Story([SOURCE, gated(HOOK, CHANNEL)]).meet(HOOK).admitted().meet(CHANNEL)
    assert story.run.stages[1].conditions == (HOOK, CHANNEL)
    assert story.succeed().run.stage.state is S.RUNNING
    assert "StageAwaited" not in story.kinds(9)


def test_a_condition_is_met_once_and_only_where_somebody_waits() -> None:
    story = Story([SOURCE, gated(HOOK)]).admitted().meet(HOOK)
    assert "was met already" in str(story.refusal(meet(story, HOOK)))
    assert str(story.refusal(meet(story, "webhook:else"))) == "No stage of run shop-1 waits for webhook:else."
    story.succeed()
    assert "No stage of run shop-1 waits" in str(story.refusal(meet(story, HOOK)))


def test_its_parameters_become_variables_of_the_run() -> None:
    story = Story([gated(HOOK)]).admitted()
    story.say(c.MeetCondition(run=story.run.id, by=ENGINE, key=HOOK, variables={"tag": "v2"}))
    assert story.run.variables == {"tag": "v2"}


def test_a_condition_stays_met_through_a_retry() -> None:
    story = Story([gated(HOOK)]).admitted().meet(HOOK).fail().retry()
    assert (story.run.stage.state, story.run.stage.attempt) == (S.RUNNING, 2)


def test_a_condition_stays_met_for_the_run_through_a_return_to_the_start() -> None:
    story = Story([SOURCE, failing(OnError.RETURN_TO_START), gated(HOOK)]).admitted().meet(HOOK).succeed().fail()
    assert (story.run.paused, story.run.stages[2].conditions) == (True, (HOOK,))
    story.retry().succeed().succeed()
    assert (story.run.position, story.run.stage.state) == (2, S.RUNNING)
