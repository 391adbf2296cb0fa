"""The plan that people approve: in words, complete, and without any effect."""

from dataclasses import replace
from datetime import timedelta

import pytest

from engine.errors import InvariantViolation
from engine.rollout.fleet import Done, Fleet, Goal, GoalKind, HeaderTest, Matcher, ReleaseId, Route, Rule, Wait
from engine.rollout.plan import plan
from engine.rollout.strategies import STRATEGIES, next_move
from tests.support.model_fleet import START, ModelFleet

R1, R2 = ReleaseId("hello@1"), ReleaseId("hello@2")
TESTERS = (Rule((HeaderTest("x-tester", Matcher.EXACT, "yes"),), "testers"),)
GRAY = Goal(GoalKind.GRAY, R2, R1, instances=4, share=20, rules=TESTERS, hold=timedelta(seconds=90))


def deployed(strategy: str) -> ModelFleet:
    model = ModelFleet()
    model.reach(strategy, replace(GRAY, kind=GoalKind.PROMOTE, new=R1, old=None))
    return model


def words(strategy: str, goal: Goal, fleet: Fleet) -> list[str]:
    return [step.text for step in plan(strategy, goal, fleet, START + timedelta(hours=1))]


def test_a_gray_release_is_planned_in_words() -> None:
    assert words("canary", GRAY, deployed("canary").observe()) == [
        "launch 1 instance of hello@2 as gray",
        (
            "send 80 % of plain requests to stable; 20 % of plain requests to gray; "
            "requests that match testers to gray; the preview port to gray"
        ),
        "scale stable from 4 to 3 instances",
    ]


def test_a_promotion_is_planned_in_words() -> None:
    model = deployed("canary")
    model.reach("canary", GRAY)
    assert words("canary", replace(GRAY, kind=GoalKind.PROMOTE, max_unavailable=1), model.observe()) == [
        "replace hello@1 by hello@2 on stable, step by step, at least 3 of 4 ready, 4 instances in the end",
        "send all plain requests to stable; the preview port to stable",
        "wait 5 s for gray to drain",
        "end every instance of gray",
    ]


def test_the_hold_time_of_blue_green_is_in_the_plan() -> None:
    said = words("blue_green", replace(GRAY, kind=GoalKind.PROMOTE), deployed("blue_green").observe())
    assert "wait 1 min 30 s for the hold time of blue, which can be switched back to at once" in said


def test_going_back_to_nothing_is_planned_in_words() -> None:
    back = replace(GRAY, kind=GoalKind.ROLL_BACK, old=None)
    assert words("istio", back, deployed("istio").observe())[0] == "send no requests to anybody"


@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
@pytest.mark.parametrize("kind", [GoalKind.GRAY, GoalKind.PROMOTE, GoalKind.ROLL_BACK])
def test_the_plan_is_what_is_done(strategy: str, kind: GoalKind) -> None:
    model, goal = deployed(strategy), replace(GRAY, kind=kind)
    planned = [step.advice for step in plan(strategy, goal, model.observe(), model.now)]
    assert [each for each in planned if not isinstance(each, Wait)] == model.moves(strategy, goal)


@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
def test_a_goal_that_is_reached_has_an_empty_plan(strategy: str) -> None:
    model = deployed(strategy)
    assert plan(strategy, replace(GRAY, kind=GoalKind.PROMOTE, new=R1), model.observe(), model.now) == ()


def test_a_fleet_in_disorder_is_planned_from_where_it_is() -> None:
    model = deployed("canary")
    for _ in model.settle("canary", replace(GRAY, kind=GoalKind.PROMOTE), passes=2):
        pass
    assert not model.observe().groups["stable"].is_settled()
    said = words("canary", replace(GRAY, kind=GoalKind.PROMOTE), model.observe())
    assert said[0].startswith("wait for stable: ")
    assert len(said) == 1


def test_planning_changes_nothing() -> None:
    model = deployed("canary")
    before = model.observe()
    plan("canary", GRAY, before, model.now)
    assert before == model.observe()
    assert before.route == Route({"stable": 100}, preview="stable")


def test_an_unknown_strategy_is_a_bug() -> None:
    with pytest.raises(InvariantViolation, match="'purple' is not a strategy"):
        next_move("purple", GRAY, Fleet(), START)


def test_an_empty_fleet_has_nothing_to_adopt() -> None:
    assert next_move("canary", replace(GRAY, kind=GoalKind.ADOPT), Fleet(), START) == Done()
