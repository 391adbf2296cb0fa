"""A workload that its makers had without instances is that again after every way back: nothing is scaled up unasked."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from engine.deployed import Deployed
from engine.model import Way
from engine.rollout.fleet import Done, GoalKind, Launch, Retire, Scale
from engine.targets.kubernetes import names
from engine.targets.kubernetes.kinds import DEPLOYMENT, SERVICE
from tests.support.kube_place import WAYS, Place
from tests.support.kube_places import on_stand_in
from tests.support.kube_promises import is_ready
from tests.support.kube_surroundings import NAME, Json

GRAY, PROMOTE, ROLL_BACK = GoalKind.GRAY, GoalKind.PROMOTE, GoalKind.ROLL_BACK
every_way = pytest.mark.parametrize("way", WAYS)


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    async with on_stand_in(istio=True, gateway=True) as place:
        yield place


async def idle(place: Place, way: str) -> tuple[Deployed, Json, Json]:
    """A workload of others without instances, and a release of it. Also its Deployment's and Service's specs."""
    await place.has_way(way)
    await place.has_workload("v0", count=0)
    place.decided_by = "ann"
    specs = [(await place.hands.get(kind, NAME))["spec"] for kind in (DEPLOYMENT, SERVICE)]
    deployed = await place.plan("v1", way)
    await place.excuse()
    return deployed, specs[0], specs[1]


async def is_as_it_was(place: Place, deployment: Json, service: Json) -> None:
    await place.until(lambda pods: not pods, "nothing runs")
    live = await place.hands.get(DEPLOYMENT, NAME)
    assert live["spec"] == deployment
    assert (await place.hands.get(SERVICE, NAME))["spec"] == service
    assert names.DOMAIN not in str(live["metadata"].get("annotations")) + str(live["metadata"]["labels"])


async def test_what_has_no_instances_is_found_as_that(place: Place) -> None:
    deployed, _, _ = await idle(place, "canary")
    assert deployed.old is not None
    assert deployed.old.idle
    assert deployed.old.image == place.ground.images.said("v0")
    assert deployed.serving is None


@every_way
@pytest.mark.parametrize("begun", [GRAY, PROMOTE])
async def test_a_first_release_that_is_taken_back_leaves_it_as_it_was(place: Place, way: str, begun: GoalKind) -> None:
    deployed, before, service = await idle(place, way)
    await place.drive(deployed, GRAY)
    assert {tag for _, tag in await place.running()} == {"v1"}, "nothing of the old one is started"
    if begun is PROMOTE:
        for _ in range(12):
            advice, _ = await place.tick(deployed, PROMOTE)
            await place.ground.go_on()
            if isinstance(advice, Done):
                break
    await place.drive(deployed, ROLL_BACK)
    await place.forget()
    assert "v0" not in {tag for _, tag in await place.running()}
    await is_as_it_was(place, before, service)


@every_way
async def test_a_way_back_after_success_leads_to_no_instances(place: Place, way: str) -> None:
    deployed, before, service = await idle(place, way)
    await place.drive(deployed, GRAY)
    await place.drive(deployed, PROMOTE)
    assert {tag for _, tag in await place.running()} == {"v1"}
    assert deployed.old is not None
    back = replace(deployed, new=deployed.old, old=deployed.new)
    await place.drive(back, PROMOTE, way=Way.ROLL_BACK)
    await place.forget()
    await is_as_it_was(place, before, service)


@every_way
async def test_what_is_ended_has_no_instances_afterwards(place: Place, way: str) -> None:
    deployed, _, service = await idle(place, way)
    await place.drive(deployed, PROMOTE)
    await place.forget()
    await place.until(lambda pods: not pods, "nothing runs")
    assert (await place.hands.get(DEPLOYMENT, NAME))["spec"]["replicas"] == 0
    assert (await place.hands.get(SERVICE, NAME))["spec"] == service


async def started(place: Place, count: int) -> None:
    """Let its makers start what they had put to rest."""
    await place.excuse()
    await place.hands.edit(DEPLOYMENT, NAME, {"spec": {"replicas": count}}, "kubectl")
    await place.until(
        lambda pods: sum(is_ready(pod) and runs(pod, "v0") for pod in pods) == count,
        "they run",
    )


@every_way
async def test_what_its_makers_start_beside_gray_is_left_alone_by_the_way_back(place: Place, way: str) -> None:
    deployed, _, service = await idle(place, way)
    await place.drive(deployed, GRAY)
    await started(place, 2)
    theirs = await pods_of(place, "v0")
    assert len(theirs) == 2
    moves = await place.drive(deployed, ROLL_BACK)
    assert not [move for move in moves if isinstance(move, Launch | Scale)], "none of it is asked for"
    await place.until(lambda pods: len(pods) == 2, "gray is gone")
    assert await pods_of(place, "v0") == theirs, "and none of it has noticed"
    fleet = await place.fleet(deployed)
    assert fleet.route.weights == {"stable": 100}
    assert (await place.hands.get(DEPLOYMENT, NAME))["spec"]["replicas"] == 2
    if way != "blue_green":
        assert (await place.hands.get(SERVICE, NAME))["spec"] == service


@every_way
async def test_what_its_makers_start_on_the_way_back_is_left_alone_and_what_they_end_again_is_gone(
    place: Place, way: str
) -> None:
    deployed, before, service = await idle(place, way)
    await place.drive(deployed, GRAY)
    await place.drive(
        deployed, ROLL_BACK, until=lambda _fleet: bool(place.moves and isinstance(place.moves[-1], Retire))
    )
    await started(place, 2)
    theirs = await pods_of(place, "v0")
    await place.drive(deployed, ROLL_BACK)
    assert await pods_of(place, "v0") == theirs
    await place.hands.edit(DEPLOYMENT, NAME, {"spec": {"replicas": 0}}, "kubectl")
    await place.drive(deployed, ROLL_BACK)
    await place.forget()
    await is_as_it_was(place, before, service)


async def pods_of(place: Place, tag: str) -> set[str]:
    return {pod["metadata"]["uid"] for pod in await place.pods() if runs(pod, tag)}


def runs(pod: Json, tag: str) -> bool:
    return bool(pod["spec"]["containers"][0]["image"].endswith(f":{tag}"))
