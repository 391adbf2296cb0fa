"""Istio: what is different from canary is that nothing official is touched before the promotion."""

from dataclasses import replace
from datetime import timedelta

import pytest

from engine.rollout.fleet import Goal, GoalKind, Launch, ReleaseId, Reroute, Retire, Route
from tests.support.model_fleet import ModelFleet

R1, R2 = ReleaseId("hello@1"), ReleaseId("hello@2")
GRAY = Goal(GoalKind.GRAY, R2, R1, instances=3, gray_instances=2, share=40)
ALL_STABLE = Route({"stable": 100}, preview="stable")


@pytest.fixture
def model() -> ModelFleet:
    deployed = ModelFleet()
    deployed.reach("istio", replace(GRAY, kind=GoalKind.PROMOTE, new=R1, old=None))
    return deployed


def test_a_gray_release_starts_and_ends_no_official_instance(model: ModelFleet) -> None:
    before = model.of("stable")
    expected = [Launch("gray", R2, 2), Reroute(Route({"stable": 60, "gray": 40}, preview="gray"))]
    assert model.moves("istio", GRAY) == expected
    assert model.of("stable") == before


def test_refusing_a_gray_release_starts_and_ends_no_official_instance(model: ModelFleet) -> None:
    before = model.of("stable")
    model.reach("istio", GRAY)
    moves = model.moves("istio", replace(GRAY, kind=GoalKind.ROLL_BACK))
    assert moves == [Reroute(ALL_STABLE), Retire("gray", timedelta(0))]
    assert model.of("stable") == before


def test_more_gray_than_official_instances_are_fine(model: ModelFleet) -> None:
    model.reach("istio", replace(GRAY, gray_instances=5))
    assert (len(model.of("stable")), len(model.of("gray"))) == (3, 5)


def test_promoting_keeps_the_split_until_stable_is_whole(model: ModelFleet) -> None:
    model.reach("istio", GRAY)
    moves = model.moves("istio", replace(GRAY, kind=GoalKind.PROMOTE))
    assert moves == [Launch("stable", R2, 3), Reroute(ALL_STABLE), Retire("gray", timedelta(0))]
