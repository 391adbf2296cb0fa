"""What a release in a cluster does, for every strategy: gray, promote, roll back, and what a bad version leaves alone.

Beside what each test says, its place sees to it that no promise was broken on the way, see `kube_promises`.
"""

import pytest

from engine.deployed import Deployed
from engine.rollout.fleet import Fleet, GoalKind
from engine.targets.kubernetes.kinds import DEPLOYMENT, HTTP_ROUTE, SERVICE, VIRTUAL_SERVICE, Kind
from tests.support import kube_foreign as foreign
from tests.support.eventually import eventually
from tests.support.kube_place import WAYS, Place
from tests.support.kube_surroundings import NAME

GRAY, PROMOTE, ROLL_BACK = GoalKind.GRAY, GoalKind.PROMOTE, GoalKind.ROLL_BACK
every_way = pytest.mark.parametrize("way", WAYS)
SHOWN = {"canary": 2, "blue_green": 3, "istio": 3, "gateway": 2}
"""How many instances of the old version stay beside a gray one of three."""


async def released(place: Place, way: str) -> None:
    """A workload that Sluice has made, at v1."""
    await place.has_way(way)
    await place.release("v1", way)


async def in_gray(place: Place, way: str, tag: str = "v2") -> Deployed:
    deployed = await place.plan(tag, way)
    await place.drive(deployed, GRAY)
    return deployed


async def tags(place: Place) -> dict[str, int]:
    """How many ready pods there are of each version."""
    counted: dict[str, int] = {}
    for (_, tag), count in (await place.running()).items():
        counted[tag] = counted.get(tag, 0) + count
    return counted


@every_way
async def test_a_new_workload_comes_up_whole_behind_its_service(place: Place, way: str) -> None:
    await place.has_way(way)
    deployed = await place.release("v1", way)
    assert await tags(place) == {"v1": 3}
    service = await place.hands.get(SERVICE, NAME)
    assert [port["port"] for port in service["spec"]["ports"]] == [foreign.PORT]
    fleet = await place.fleet(deployed)
    assert fleet.in_effect
    assert {group.release for group in fleet.groups.values()} == {deployed.new.id}


@every_way
async def test_a_gray_release_stands_beside_the_old_version_and_then_goes_to_everybody(place: Place, way: str) -> None:
    await released(place, way)
    deployed = await in_gray(place, way)
    shown = await tags(place)
    assert shown["v1"] == SHOWN[way]
    assert shown["v2"] >= 1
    await place.drive(deployed, PROMOTE)
    assert set(await tags(place)) == {"v2"}
    assert await place.drive(deployed, PROMOTE) == [], "what is done is not done again"


@every_way
async def test_a_gray_release_that_is_taken_back_leaves_only_the_old_version(place: Place, way: str) -> None:
    await released(place, way)
    deployed = await in_gray(place, way)
    await place.drive(deployed, ROLL_BACK)
    await place.until(lambda pods: len(pods) == 3, "only the old instances are left")
    assert await tags(place) == {"v1": 3}


@every_way
async def test_a_promotion_that_is_taken_back_in_its_middle_leaves_only_the_old_version(place: Place, way: str) -> None:
    await released(place, way)
    deployed = await in_gray(place, way)
    before = len(place.moves)
    await place.drive(deployed, PROMOTE, until=lambda _fleet: len(place.moves) > before)
    await place.drive(deployed, ROLL_BACK)
    await place.until(lambda pods: len(pods) == 3, "only the old instances are left")
    assert await tags(place) == {"v1": 3}


@pytest.mark.parametrize("way", ["canary", "gateway"])
async def test_a_canary_is_taken_back_after_it_went_to_everybody(place: Place, way: str) -> None:
    await released(place, way)
    deployed = await in_gray(place, way)
    await place.drive(deployed, PROMOTE)
    first = deployed.old
    assert first is not None
    again = Deployed(place.workload, deployed.spec, first, deployed.new, pipeline="hello", run="hello-2")
    await place.drive(again, PROMOTE)
    assert await tags(place) == {"v1": 3}


@every_way
async def test_a_share_is_changed_while_the_gray_release_stands(place: Place, way: str) -> None:
    await released(place, way)
    deployed = await in_gray(place, way)
    if way == "blue_green":
        return
    await place.drive(deployed, GRAY, share=40)
    fleet = await place.fleet(deployed)
    assert (fleet.route.weights, fleet.in_effect) == ({"stable": 60, "gray": 40}, True)
    await place.drive(deployed, ROLL_BACK)


@every_way
async def test_a_gray_version_that_never_gets_ready_gets_no_request_and_says_why(place: Place, way: str) -> None:
    await released(place, way)
    deployed = await place.plan("bad", way)
    fleet = await sick(place, deployed, GRAY)
    assert any("/healthz" in group.trouble or "503" in group.trouble for group in fleet.groups.values())
    assert await tags(place) == {"v1": 3}
    assert not any(
        fleet.route.refers_to(name) for name, group in fleet.groups.items() if group.release == deployed.new.id
    )
    await place.drive(deployed, ROLL_BACK)


@every_way
async def test_a_promotion_that_never_gets_ready_leaves_every_request_with_the_old_version(
    place: Place, way: str
) -> None:
    await released(place, way)
    deployed = await place.plan("bad", way)
    await sick(place, deployed, PROMOTE)
    assert await tags(place) == {"v1": 3}
    await place.drive(deployed, ROLL_BACK)
    await place.until(lambda pods: len(pods) == 3, "only the old instances are left")


async def sick(place: Place, deployed: Deployed, kind: GoalKind) -> Fleet:
    """Go on until the trouble of the new version is seen, and a while longer."""
    seen: list[Fleet] = []

    def is_told(fleet: Fleet) -> bool:
        if any(group.trouble for group in fleet.groups.values()):
            seen.append(fleet)
        return len(seen) > 20

    await place.drive(deployed, kind, until=is_told)
    return seen[-1]


@pytest.mark.parametrize(("way", "kind"), [("istio", VIRTUAL_SERVICE), ("gateway", HTTP_ROUTE)])
async def test_a_rule_by_header_alone_sends_plain_requests_to_no_gray_instance(
    place: Place, way: str, kind: Kind
) -> None:
    await released(place, way)
    deployed = await place.plan("v2", way, policy={"content": [{"headers": {"X-Tester": {"exact": "yes"}}}]})
    await place.drive(deployed, GRAY)
    fleet = await place.fleet(deployed)
    assert (fleet.route.weights, fleet.route.matched) == ({"stable": 100}, "gray")
    [router] = await place.hands.all(kind)
    assert "x-tester" in str(router["spec"]).lower()
    await place.drive(deployed, PROMOTE)
    assert set(await tags(place)) == {"v2"}


@every_way
async def test_the_preview_port_leads_to_the_new_version_while_it_is_gray(place: Place, way: str) -> None:
    service = {"name": NAME, "port": foreign.PORT, "container_port": foreign.CONTAINER_PORT, "preview_port": 8081}
    await place.has_way(way)
    await place.release("v1", way, service=service)
    deployed = await place.plan("v2", way, service=service)
    await place.drive(deployed, GRAY)
    preview = await place.hands.get(SERVICE, f"{NAME}-preview")
    chosen = ",".join(f"{key}={value}" for key, value in preview["spec"]["selector"].items())
    images = {pod["spec"]["containers"][0]["image"] for pod in await place.pods(chosen)}
    assert images == {place.ground.images.pulled("v2")}
    assert [port["port"] for port in preview["spec"]["ports"]] == [8081]
    await place.drive(deployed, ROLL_BACK)


async def test_recreate_ends_all_instances_before_it_starts_new_ones(place: Place) -> None:
    await released(place, "canary")
    await place.release("v2", "canary", upgrade="recreate")
    assert await tags(place) == {"v2": 3}
    assert (await place.hands.get(DEPLOYMENT, NAME))["spec"]["strategy"]["type"] == "Recreate"


async def test_the_objects_carry_the_image_by_its_digest_when_it_is_known(place: Place) -> None:
    digest = "sha256:" + "a" * 64
    deployed = await place.plan("v1", "canary", digest=digest)
    assert f"{place.ground.images.pulled('v1').rpartition(':')[0]}@{digest}" in deployed.new.manifest


@pytest.mark.parametrize("way", ["istio", "gateway"])
async def test_a_group_that_somebody_removes_leaves_no_service_behind(place: Place, way: str) -> None:
    await place.has_way(way)
    await place.release("v1", way)
    deployed = await place.plan("v2", way)
    await place.drive(deployed, GRAY)
    await place.excuse()
    await place.hands.delete(DEPLOYMENT, f"{NAME}-gray")
    await place.drive(deployed, PROMOTE)
    await _ours_are(place, deployed, {NAME})


async def _ours_are(place: Place, deployed: Deployed, names: set[str]) -> None:
    """A run goes on looking until it is done; see which Services there are then."""

    async def look() -> bool:
        await place.tick(deployed, PROMOTE)
        await place.ground.go_on()
        return {name for kind, name in await place.ours() if kind == "Service"} == names

    await eventually(look, f"the Services are {names}", place.pace.within, place.pace.between)
