"""The Service behind the preview port is there as long as a version wants it, and not longer."""

import pytest

from engine.deployed import Deployed
from engine.rollout.fleet import GoalKind, Move, Wait
from engine.rollout.plan import rehearse
from engine.stages.rollout import goal_of
from engine.targets.kubernetes.kinds import SERVICE
from tests.contract.test_kubernetes_another_strategy import KINDS
from tests.support import kube_foreign as foreign
from tests.support.eventually import eventually
from tests.support.kube_hands import KUBECTL
from tests.support.kube_place import WAYS, Place
from tests.support.kube_surroundings import NAME
from tests.support.store import a_run

GRAY, PROMOTE, ROLL_BACK = GoalKind.GRAY, GoalKind.PROMOTE, GoalKind.ROLL_BACK
PREVIEW = f"{NAME}-preview"
PLAIN = {"name": NAME, "port": foreign.PORT, "container_port": foreign.CONTAINER_PORT}
PREVIEWED = {**PLAIN, "preview_port": 8081}
REMOVED = f"/{PREVIEW}: removed"
every_way = pytest.mark.parametrize("way", WAYS)


async def services(place: Place) -> set[str]:
    return {name for kind, name in await place.ours() if kind == "Service"}


async def previewed(place: Place, way: str) -> None:
    """A workload of ours with a preview, everywhere."""
    await place.has_way(way)
    await place.release("v1", way, service=PREVIEWED)
    assert PREVIEW in await services(place)


async def planned(place: Place, deployed: Deployed, *kinds: GoalKind) -> tuple[str, ...]:
    """What the plan to these goals says of objects."""
    run, now = a_run("hello-1", workload=place.workload), place.ground.clock.now()
    fleet, moves = await place.fleet(deployed), list[Move]()
    for kind in kinds:
        steps, fleet = rehearse(deployed.spec.strategy, goal_of(run, deployed, kind), fleet, now)
        moves += [step.advice for step in steps if not isinstance(step.advice, Wait)]
    return await place.target.changes(deployed.placement(), moves)


@every_way
async def test_a_preview_that_is_dropped_goes_with_the_last_version_that_wants_it(place: Place, way: str) -> None:
    await previewed(place, way)
    deployed = await place.plan("v2", way, service=PLAIN)
    assert not [said for said in await planned(place, deployed, GRAY) if said.endswith(REMOVED)]
    assert [said for said in await planned(place, deployed, GRAY, PROMOTE) if said.endswith(REMOVED)]
    await place.drive(deployed, GRAY)
    assert PREVIEW in await services(place)
    assert [said for said in await planned(place, deployed, PROMOTE) if said.endswith(REMOVED)]
    await place.drive(deployed, PROMOTE)
    assert await services(place) == {NAME}


@every_way
async def test_a_preview_stays_when_the_version_that_drops_it_is_taken_back(place: Place, way: str) -> None:
    await previewed(place, way)
    deployed = await place.plan("v2", way, service=PLAIN)
    await place.drive(deployed, GRAY)
    assert not [said for said in await planned(place, deployed, ROLL_BACK) if said.endswith(REMOVED)]
    await place.drive(deployed, ROLL_BACK)
    assert PREVIEW in await services(place)


@every_way
async def test_a_preview_goes_with_the_version_that_brought_it_and_is_taken_back(place: Place, way: str) -> None:
    await place.has_way(way)
    await place.release("v1", way, service=PLAIN)
    deployed = await place.plan("v2", way, service=PREVIEWED)
    await place.drive(deployed, GRAY)
    assert PREVIEW in await services(place)
    assert [said for said in await planned(place, deployed, ROLL_BACK) if said.endswith(REMOVED)]
    await place.drive(deployed, ROLL_BACK)
    assert await services(place) == {NAME}


async def test_an_older_version_has_its_preview_again(place: Place) -> None:
    await previewed(place, "blue_green")
    await place.release("v2", "blue_green", service=PLAIN)
    assert await services(place) == {NAME}
    await place.release("v1", "blue_green", service=PREVIEWED)
    live = await place.hands.get(SERVICE, PREVIEW)
    chosen = ",".join(f"{key}={value}" for key, value in live["spec"]["selector"].items())
    assert {pod["spec"]["containers"][0]["image"] for pod in await place.pods(chosen)} == {
        place.ground.images.pulled("v1")
    }


@pytest.mark.parametrize("after", [way for way in WAYS if way != "blue_green"])
async def test_another_strategy_without_a_preview_leaves_none(place: Place, after: str) -> None:
    if after in KINDS:
        await place.ground.serves(KINDS[after].group)
    await previewed(place, "blue_green")
    await place.excuse()
    await place.has_way(after)
    deployed = await place.plan("v2", after, service=PLAIN)
    await place.drive(deployed, GRAY)
    await place.drive(deployed, PROMOTE)
    assert await services(place) == {NAME}


@pytest.mark.parametrize("left", [*range(1, 12), 15, 20])
async def test_a_bot_that_is_killed_anywhere_leaves_no_preview_behind(place: Place, left: int) -> None:
    await previewed(place, "blue_green")
    deployed = await place.plan("v2", "blue_green", service=PLAIN)
    await place.survive(deployed, (GRAY, PROMOTE), left, lives=3)
    assert await services(place) == {NAME}


async def test_what_an_earlier_sluice_has_left_goes_with_the_next_release_and_the_plan_says_so(place: Place) -> None:
    await previewed(place, "blue_green")
    left = await place.hands.get(SERVICE, PREVIEW)
    await place.release("v2", "blue_green", service=PLAIN)
    kept = {key: left["metadata"][key] for key in ("name", "namespace", "labels", "annotations")}
    old = {**left, "metadata": kept, "spec": {key: left["spec"][key] for key in ("ports", "selector", "type")}}
    old.pop("status", None)
    await place.cluster.apply(SERVICE, old)
    deployed = await place.plan("v3", "blue_green", service=PLAIN)

    async def is_told() -> bool:
        await place.ground.go_on()
        return any(said.endswith(REMOVED) for said in await planned(place, deployed, GRAY))

    await eventually(is_told, "the plan says that it goes", place.pace.within, place.pace.between)
    await place.drive(deployed, GRAY)
    assert PREVIEW not in await services(place)
    await place.drive(deployed, ROLL_BACK)


async def test_a_service_of_that_name_with_copied_labels_is_somebody_elses_and_stays(place: Place) -> None:
    await place.release("v1", "blue_green", service=PLAIN)
    mine = await place.hands.get(SERVICE, NAME)
    copied = foreign.service(PREVIEW)
    copied["metadata"]["labels"] = dict(mine["metadata"]["labels"])
    await place.put(copied)
    place.foreign.add(("Service", PREVIEW))
    deployed = await place.plan("v2", "blue_green", service=PLAIN)
    assert not [said for said in await planned(place, deployed, GRAY, PROMOTE) if said.endswith(REMOVED)]
    await place.drive(deployed, GRAY)
    await place.drive(deployed, PROMOTE)
    live = await place.hands.get(SERVICE, PREVIEW)
    assert KUBECTL in {each["manager"] for each in live["metadata"]["managedFields"]}


@every_way
async def test_a_copy_in_the_place_of_a_preview_is_not_taken_over_while_a_version_wants_it(
    place: Place, way: str
) -> None:
    await previewed(place, way)
    mine = await place.hands.get(SERVICE, PREVIEW)
    copied = foreign.service(PREVIEW)
    copied["metadata"]["labels"] = dict(mine["metadata"]["labels"])
    copied["spec"]["ports"][0]["port"] = 9090
    await place.hands.delete(SERVICE, PREVIEW)
    await place.put(copied)
    before = await place.hands.get(SERVICE, PREVIEW)
    place.foreign.add(("Service", PREVIEW))
    deployed = await place.plan("v2", way, service=PLAIN)
    assert not [said for said in await planned(place, deployed, GRAY, PROMOTE) if PREVIEW in said]
    await place.drive(deployed, GRAY)
    await place.drive(deployed, ROLL_BACK)
    after = await place.hands.get(SERVICE, PREVIEW)
    assert (after["metadata"]["resourceVersion"], after["spec"]) == (
        before["metadata"]["resourceVersion"],
        before["spec"],
    )
