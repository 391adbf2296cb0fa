"""What a plan warns of follows from its moves: nothing is said of what they do not do."""

from dataclasses import replace
from typing import Any

import pytest

from engine.manifest import QUIETLY
from engine.model import Release
from engine.ports import Placement
from engine.rollout.fleet import Launch, Move, Reroute, Retire, Route, Scale
from engine.targets.kubernetes.moves import warnings_of
from engine.targets.kubernetes.scene import Medium, Scene
from tests.support.kube_releases import PLACE, release, settings

SHARED = Reroute(Route({"stable": 75, "gray": 25}, preview="gray"))
GRAY_ALONE = Reroute(Route({"gray": 100}, preview="gray"))
HOME = Reroute(Route({"stable": 100}, preview="stable"))


def made(number: int, *, quiet: bool, **given: Any) -> Release:
    word = "true" if quiet else "false"
    kept = f"kind: Deployment\nmetadata: {{annotations: {{{QUIETLY}: '{word}'}}}}\nspec: {{}}\n"
    return replace(release(settings(**given), number=number, image=f"shop/web:v{number}"), manifest=kept)


NEW, OLD, LOUD = made(2, quiet=True), made(1, quiet=True), made(1, quiet=False)
TAKING_OVER: list[Move] = [
    Launch("gray", NEW.id, 1),
    SHARED,
    Launch("gray", NEW.id, 4),
    GRAY_ALONE,
    Launch("stable", NEW.id, 4),
    HOME,
    Retire("gray"),
]


def warned(moves: list[Move], new: Release, old: Release, medium: Medium = Medium.ISTIO) -> str:
    """What is said of the moves of a workload with four instances."""
    stable = {"metadata": {"name": "web"}, "spec": {"replicas": 4}}
    scene = Scene(PLACE, settings(), medium, None, deployments={"stable": stable})
    placement = Placement("production/shop/web", 80, {new.id: new, old.id: old}, spec=settings())
    return " ".join(warnings_of(scene, placement, moves))


def test_gray_takes_over_for_pods_without_a_hook_and_the_plan_says_with_how_many() -> None:
    assert "v1: its pods have no preStop hook, so gray grows to 4 instances" in warned(TAKING_OVER, NEW, LOUD)
    assert warned(TAKING_OVER, NEW, OLD) == ""


@pytest.mark.parametrize("moves", [[HOME, Retire("gray")], [Launch("gray", NEW.id, 1), SHARED], []])
def test_nothing_is_said_of_a_take_over_that_does_not_come(moves: list[Move]) -> None:
    assert warned(moves, NEW, LOUD) == ""


def test_a_release_without_a_hook_is_warned_of_when_it_is_launched() -> None:
    new = made(2, quiet=False)
    said = warned([Launch("gray", new.id, 1), SHARED], new, OLD)
    assert "v2: its pods have no preStop hook" in said
    assert "in its Deployment mends that" in said
    assert warned([HOME, Retire("gray")], new, OLD) == ""


@pytest.mark.parametrize(
    ("moves", "said"),
    [
        ([Launch("gray", NEW.id, 1), SHARED], "1 gray of 5 get 20 %, not 25 %."),
        ([Launch("gray", NEW.id, 1), SHARED, Scale("stable", 3)], ""),
        (TAKING_OVER, "1 gray of 5 get 20 %, not 25 %."),
        ([HOME, Retire("gray")], ""),
        ([GRAY_ALONE, Launch("stable", NEW.id, 4)], ""),
    ],
)
def test_a_share_that_instances_do_not_give_is_told_as_it_will_be(moves: list[Move], said: str) -> None:
    found = warned(moves, NEW, OLD, Medium.INSTANCES)
    assert said in found if said else not found
    assert warned(moves, NEW, OLD) == "", "a mesh gives what is asked for"
