"""Under which name Sluice writes to a cluster: the same for as long as its database lives, and nobody else's.

A bot that is started anew on another machine, in another pod or with another password of its database is the same to
itself; what it wrote under an older name is its own. Every other name is somebody else.
"""

from collections.abc import AsyncIterator

import pytest

from engine.deployed import Deployed, Disputed
from engine.rollout.fleet import GoalKind
from engine.targets.kubernetes.kinds import DEPLOYMENT
from engine.targets.kubernetes.owners import appliers
from tests.support.kube_hands import KUBECTL
from tests.support.kube_place import Place
from tests.support.kube_places import on_stand_in
from tests.support.kube_surroundings import NAME

GRAY, PROMOTE, ROLL_BACK = GoalKind.GRAY, GoalKind.PROMOTE, GoalKind.ROLL_BACK
OLD, NEW, STRANGER = "sluice-83054f88", "sluice-1f2e3d4c5b6a7988", "sluice-00000000"


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    async with on_stand_in() as place:
        yield place


def called(place: Place, name: str, *before: str) -> None:
    """Start the bot anew under another name."""
    place.manager, place.before = name, frozenset(before)
    place.another_target()


async def begun(place: Place, way: str) -> Deployed:
    """A gray release that the bot has begun under its old name."""
    called(place, OLD)
    await place.has_way(way)
    await place.release("v1", way)
    deployed = await place.plan("v2", way)
    await place.drive(deployed, GRAY)
    return deployed


@pytest.mark.parametrize("way", ["istio", "blue_green"])
async def test_what_was_written_under_an_older_name_is_gone_on_with(place: Place, way: str) -> None:
    deployed = await begun(place, way)
    called(place, NEW, OLD)
    await place.drive(deployed, PROMOTE)
    third = await place.plan("v3", way)
    await place.drive(third, GRAY)
    await place.drive(third, ROLL_BACK)
    assert {tag for _, tag in await place.running()} == {"v2"}
    assert await place.target.keep() == ()


async def test_a_way_back_under_a_new_name_overwrites_nobody(place: Place) -> None:
    deployed = await begun(place, "istio")
    called(place, NEW, OLD)
    await place.drive(deployed, ROLL_BACK)
    assert await place.target.keep() == ()


async def test_what_is_no_longer_said_under_the_new_name_is_gone(place: Place) -> None:
    called(place, OLD)
    await place.release("v1", "canary", environment={"GREETING": "hello", "SPARE": "1"})
    called(place, NEW, OLD)
    await place.release("v2", "canary", environment={"GREETING": "hello"})
    live = await place.hands.get(DEPLOYMENT, NAME)
    [container] = live["spec"]["template"]["spec"]["containers"]
    assert [one["name"] for one in container["env"]] == ["PORT", "GREETING"]
    assert appliers(live) == {NEW}


async def test_a_bot_that_died_between_two_names_leaves_nothing_to_the_older_one(place: Place) -> None:
    deployed = await begun(place, "canary")
    place.manager, place.before = NEW, frozenset({OLD})
    killed = await place.survive(deployed, [PROMOTE], 1)
    assert killed > 1
    assert appliers(await place.hands.get(DEPLOYMENT, NAME)) == {NEW}


async def test_another_name_is_somebody_else_who_is_asked_about(place: Place) -> None:
    deployed = await begun(place, "blue_green")
    called(place, STRANGER, NEW)
    with pytest.raises(Disputed, match=OLD):
        await place.drive(deployed, PROMOTE)
    called(place, OLD)
    await place.drive(deployed, ROLL_BACK)


async def test_what_kubectl_holds_is_asked_about_under_a_new_name_as_before(place: Place) -> None:
    await place.has_workload()
    called(place, NEW, OLD)
    deployed = await place.plan("v2", "canary")
    assert {each.manager for each in await place.disputed(deployed, GRAY)} == {KUBECTL}
