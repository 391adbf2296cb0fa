"""Names that a release needs and that are somebody else's: refused with the owner's name, never taken or removed."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from engine.deployed import Disputed
from engine.errors import StageFailure
from engine.rollout.fleet import GoalKind, Launch, Reroute, Route
from engine.targets.kubernetes import names
from engine.targets.kubernetes.kinds import DEPLOYMENT, SERVICE, VIRTUAL_SERVICE, Kind
from tests.support import kube_foreign as foreign
from tests.support.kube_hands import KUBECTL, Json
from tests.support.kube_place import WAYS, Place
from tests.support.kube_places import on_stand_in
from tests.support.kube_surroundings import NAME

GRAY, PROMOTE, ROLL_BACK = GoalKind.GRAY, GoalKind.PROMOTE, GoalKind.ROLL_BACK
PREVIEWED: dict[str, Any] = {"service": {"name": NAME, "port": 80, "container_port": 8080, "preview_port": 81}}


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    async with on_stand_in() as place:
        yield place


def labelled(thing: Json, workload: str, group: str = "") -> Json:
    """As Sluice makes it for a workload."""
    labels = {names.MANAGED: "sluice", names.WORKLOAD: workload, **({names.GROUP: group} if group else {})}
    notes = {names.PIPELINE: f"{workload}-releases"}
    return {**thing, "metadata": {**thing["metadata"], "labels": labels, "annotations": notes}}


async def spec_of(place: Place, kind: Kind, name: str) -> Mapping[str, object]:
    live = await place.hands.get(kind, name)
    return {"spec": live["spec"], "labels": live["metadata"].get("labels")}


async def refused(place: Place, way: str, kind: Kind, name: str, *owner: str, **settings: Any) -> None:
    """See that a gray release over v1 is refused, names the owner, and leaves everything as it was."""
    before = await spec_of(place, kind, name)
    deployed = await place.plan("v2", way, **settings)
    moves = len(place.moves)
    with pytest.raises(StageFailure, match=f"{kind.kind} {place.namespace}/{name} .*{'.*'.join(owner)}"):
        await place.drive(deployed, GRAY)
    assert place.moves[moves:] == []
    await place.drive(deployed, ROLL_BACK)
    assert await spec_of(place, kind, name) == before
    await place.excuse()
    await place.hands.delete(kind, name)


@pytest.mark.parametrize("way", ["canary", "blue_green"])
async def test_a_preview_service_of_another_workload_of_ours_is_not_taken(place: Place, way: str) -> None:
    await place.release("v1", way)
    await place.put(labelled(foreign.service(f"{NAME}-preview"), f"{NAME}-preview"))
    owner = (f"belongs to the workload {NAME}-preview", f"{NAME}-preview-releases")
    await refused(place, way, SERVICE, f"{NAME}-preview", *owner, **PREVIEWED)


async def test_a_preview_service_that_somebody_made_is_not_taken_and_its_maker_is_named(place: Place) -> None:
    await place.release("v1", "blue_green")
    await place.put(foreign.service(f"{NAME}-preview"))
    await refused(place, "blue_green", SERVICE, f"{NAME}-preview", f"made by {KUBECTL}", **PREVIEWED)


async def test_a_way_back_takes_nobodys_service_either(place: Place) -> None:
    deployed = await place.release("v1", "blue_green")
    await place.put(foreign.service(f"{NAME}-preview"))
    before = await spec_of(place, SERVICE, f"{NAME}-preview")
    again = await place.plan("v2", "blue_green", **PREVIEWED)
    back = again.placement(firm=True)
    group = next(iter((await place.fleet(deployed)).groups))
    await place.target.perform(back, Reroute(Route({group: 100}, preview=group)))
    for _ in range(3):
        await place.target.tend(back)
    assert (await place.target.observe(back)).route.weights == {group: 100}
    assert await spec_of(place, SERVICE, f"{NAME}-preview") == before


@pytest.mark.parametrize(("way", "group"), [("canary", "gray"), ("blue_green", "green"), ("istio", "gray")])
async def test_a_deployment_of_another_workload_is_no_group_of_this_one(place: Place, way: str, group: str) -> None:
    await place.has_way(way)
    await place.release("v1", way)
    other = f"{NAME}-{group}"
    await place.put(labelled(foreign.deployment(other, place.ground.images.pulled("v1"), 1), other, names.STABLE))
    await refused(place, way, DEPLOYMENT, other, f"belongs to the workload {other}")


async def test_the_gray_group_of_another_workload_is_not_taken_for_this_workloads_own_deployment(place: Place) -> None:
    other = foreign.deployment(NAME, place.ground.images.pulled("v1"), 1)
    await place.put(labelled(other, "hel", "gray"))
    await refused(place, "canary", DEPLOYMENT, NAME, "belongs to the workload hel")


async def test_the_service_of_another_workload_is_not_taken_for_this_workloads_own(place: Place) -> None:
    await place.put(labelled(foreign.service(NAME), "shopfront"))
    await refused(place, "canary", SERVICE, NAME, "belongs to the workload shopfront")


async def test_routes_of_another_workload_in_the_middle_of_its_release_are_left_to_it(place: Place) -> None:
    await place.has_way("istio")
    await place.release("v1", "istio")
    theirs = foreign.virtual_service("front", NAME)
    theirs["spec"]["http"] = theirs["spec"]["http"][1:]
    theirs["metadata"]["labels"] = {names.WORKLOAD: "shopfront"}
    theirs["metadata"]["annotations"] = {names.FOUND: "{}"}
    await place.put(theirs)
    await refused(place, "istio", VIRTUAL_SERVICE, "front", "belongs to the workload shopfront")


async def test_a_plan_says_whose_name_it_is(place: Place) -> None:
    await place.release("v1", "canary")
    other = f"{NAME}-gray"
    await place.put(labelled(foreign.deployment(other, place.ground.images.pulled("v1"), 1), other, names.STABLE))
    deployed = await place.plan("v2", "canary")
    said = await place.target.changes(deployed.placement(), [Launch("gray", deployed.new.id, 1)])
    assert any(f"belongs to the workload {other}" in sentence for sentence in said)
    await place.hands.delete(DEPLOYMENT, other)


@pytest.mark.parametrize("way", WAYS)
async def test_another_sluice_that_releases_the_workload_is_named_before_anything_is_launched(
    place: Place, way: str
) -> None:
    await place.has_way(way)
    await place.release("v1", way)
    await place.drive(await place.plan("v2", way), GRAY)
    before = {key: one["metadata"]["resourceVersion"] for key, one in (await place.ours()).items()}
    other = Place(place.ground, place.namespace, manager="sluice-b", deployed=place.deployed)
    deployed = await other.plan("v3", way)
    said = f"Another Sluice (sluice, pipeline hello, run hello-1) releases this workload: Deployment {place.namespace}/"
    planned = await other.target.changes(deployed.placement(), [Launch("gray", deployed.new.id, 1)])
    assert any(each.startswith(said) for each in planned)
    with pytest.raises(Disputed) as stopped:
        await other.drive(deployed, GRAY)
    assert str(stopped.value).startswith(said)
    assert stopped.value.ways == ("adopt",)
    assert other.moves == []
    after = {key: one["metadata"]["resourceVersion"] for key, one in (await place.ours()).items()}
    await other.close()
    assert after == before


async def test_what_another_sluice_has_written_is_taken_over_when_a_person_says_so(place: Place) -> None:
    await place.release("v1", "canary")
    other = Place(place.ground, place.namespace, manager="sluice-b", deployed=place.deployed, decided_by="ann")
    deployed = await other.plan("v2", "canary")
    await other.drive(deployed, GRAY)
    await other.drive(deployed, PROMOTE)
    assert {tag for _, tag in await place.running()} == {"v2"}
    await other.close()
