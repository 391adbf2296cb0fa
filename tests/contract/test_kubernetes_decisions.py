"""A yes is about what was shown: nothing that came in between is overruled by it, and nothing that comes later."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from engine.deployed import Deployed
from engine.rollout.fleet import Done, GoalKind
from engine.targets.kubernetes.kinds import DEPLOYMENT, SERVICE
from tests.support.eventually import eventually
from tests.support.kube_hands import EDIT
from tests.support.kube_place import Place
from tests.support.kube_places import on_stand_in
from tests.support.kube_surroundings import NAME

GRAY, PROMOTE = GoalKind.GRAY, GoalKind.PROMOTE
MINE, THEIRS = {"GREETING": "mine"}, {"GREETING": "yours"}


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    async with on_stand_in() as place:
        yield place


async def gray(place: Place) -> Deployed:
    """A gray release that is about to change a variable of the workload, of which somebody has changed the count."""
    await place.has_way("istio")
    await place.release("v1", "istio", environment=MINE)
    deployed = await place.plan("v2", "istio", environment=THEIRS)
    await place.drive(deployed, GRAY)
    await place.hands.scale(NAME, 5)
    return deployed


async def has_memory(place: Place, name: str, memory: str) -> bool:
    [container] = (await place.hands.get(DEPLOYMENT, name))["spec"]["template"]["spec"]["containers"]
    return bool(container["resources"]["limits"]["memory"] == memory)


async def bob_limits(place: Place, name: str) -> None:
    """Let bob give the instances of a Deployment more memory."""
    containers = (await place.hands.get(DEPLOYMENT, name))["spec"]["template"]["spec"]["containers"]
    containers[0]["resources"]["limits"]["memory"] = "96Mi"
    await place.hands.edit(DEPLOYMENT, name, {"spec": {"template": {"spec": {"containers": containers}}}}, "bob")


@pytest.mark.parametrize("how", ["restore", "adopt"])
async def test_what_somebody_changes_after_people_were_asked_is_asked_about_too(place: Place, how: str) -> None:
    deployed = await gray(place)
    shown = await place.disputed(deployed, PROMOTE)
    await bob_limits(place, NAME)
    await place.settle(deployed, how, shown)
    assert await has_memory(place, NAME, "96Mi")
    assert (await place.hands.get(DEPLOYMENT, NAME))["spec"]["replicas"] == 5
    both = await place.disputed(deployed, PROMOTE)
    assert {each.manager for each in both} == {EDIT, "bob"}
    await place.settle(deployed, "restore", both)
    await place.drive(deployed, PROMOTE)


async def test_what_somebody_changes_of_another_object_is_not_put_right_by_the_same_yes(place: Place) -> None:
    deployed = await gray(place)
    shown = await place.disputed(deployed, PROMOTE)
    await bob_limits(place, f"{NAME}-gray")
    await place.settle(deployed, "restore", shown)
    assert await has_memory(place, f"{NAME}-gray", "96Mi")
    assert (await place.hands.get(DEPLOYMENT, NAME))["spec"]["replicas"] == 3
    again = await place.disputed(deployed, PROMOTE)
    assert {each.manager for each in again} == {"bob"}
    await place.settle(deployed, "restore", again)
    await place.drive(deployed, PROMOTE)


async def test_what_somebody_else_holds_is_asked_about_in_spite_of_a_yes_to_something_else(place: Place) -> None:
    deployed = await gray(place)
    variable: dict[str, Any] = {"name": NAME, "env": [{"name": "GREETING", "value": "mine"}]}
    held = {
        "apiVersion": DEPLOYMENT.api_version,
        "kind": DEPLOYMENT.kind,
        "metadata": {"name": NAME, "namespace": place.namespace},
        "spec": {"template": {"spec": {"containers": [variable]}}},
    }
    await place.cluster.apply(DEPLOYMENT, held, manager="bob")
    await place.settle(deployed, "restore", await place.disputed(deployed, PROMOTE))
    asked = await place.disputed(deployed, PROMOTE)
    assert {(each.manager, each.held) for each in asked} == {("bob", True)}
    assert all("GREETING" in each.field for each in asked)
    await place.settle(deployed, "adopt", asked)

    async def is_done() -> bool:
        advice, _ = await place.tick(deployed, PROMOTE)
        await place.ground.go_on()
        return isinstance(advice, Done)

    await eventually(is_done, "it goes on", place.pace.within, place.pace.between)
    place.deployed = deployed.new
    assert {tag for _, tag in await place.running()} == {"v2"}


async def test_a_yes_about_one_object_lets_nobody_be_overruled_in_another(place: Place) -> None:
    await place.has_workload()
    deployed = await place.plan("v2", "blue_green")
    shown = await place.disputed(deployed, GRAY)
    mine = [each for each in shown if each.thing.startswith(SERVICE.kind)]
    assert 0 < len(mine) < len(shown)
    await place.settle(deployed, "adopt", mine)
    left = await place.disputed(deployed, GRAY)
    assert {each.thing for each in left} == {f"{DEPLOYMENT.kind} {place.namespace}/{NAME}"}
