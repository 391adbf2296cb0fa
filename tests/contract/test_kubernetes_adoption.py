"""A workload that others made becomes Sluice's to release, and none of its pods notices.

What was found is the way back: its template, its Service's selector and the routes of its mesh are what they were.
"""

from typing import Any

import pytest

from engine.deployed import Deployed
from engine.errors import StageFailure
from engine.rollout.fleet import GoalKind
from engine.targets.kubernetes import names
from engine.targets.kubernetes.kinds import DEPLOYMENT, HTTP_ROUTE, SERVICE, VIRTUAL_SERVICE, Kind
from tests.support import kube_foreign as foreign
from tests.support.kube_hands import KUBECTL
from tests.support.kube_mortal import Killed
from tests.support.kube_place import WAYS, Place
from tests.support.kube_promises import is_ready
from tests.support.kube_surroundings import NAME, Json

GRAY, PROMOTE, ROLL_BACK = GoalKind.GRAY, GoalKind.PROMOTE, GoalKind.ROLL_BACK
every_way = pytest.mark.parametrize("way", WAYS)
routed_ways = pytest.mark.parametrize(("way", "kind"), [("istio", VIRTUAL_SERVICE), ("gateway", HTTP_ROUTE)])
QUIET = {"preStop": {"sleep": {"seconds": 1}}}
KEPT = {"canary": 2, "blue_green": 3, "istio": 3, "gateway": 2}
"""How many of three instances stay beside the gray one, if they leave quietly; all of them do otherwise."""


async def in_gray(place: Place, way: str, tag: str = "v2", **settings: Any) -> Deployed:
    """A workload of others at v1, decided by ann to be taken over, with a gray release."""
    await place.has_way(way)
    await place.has_workload()
    place.decided_by = "ann"
    deployed = await place.plan(tag, way, **settings)
    await place.drive(deployed, GRAY)
    return deployed


def essence(deployment: Json) -> Json:
    """What of a Deployment is not the cluster's own business, nor a note of Sluice's."""
    spec = deployment["spec"]
    notes = {key: one for key, one in template_notes(deployment).items() if not key.startswith(names.DOMAIN)}
    about = {**spec["template"]["metadata"], "annotations": notes}
    return {**spec, "template": {**spec["template"], "metadata": about}}


def template_notes(deployment: Json) -> Json:
    return dict(deployment["spec"]["template"]["metadata"].get("annotations") or {})


async def test_the_version_that_is_found_is_told_as_a_release(place: Place) -> None:
    await place.has_workload()
    deployed = await place.plan("v2", "canary")
    assert deployed.old is not None
    assert deployed.old.image.endswith(place.ground.images.said("v1"))
    assert deployed.old.settings["creation"] == "found"
    assert deployed.old.settings["instances"] == 3
    assert "GREETING" in deployed.old.manifest
    assert await place.ours() == {}, "looking changes nothing"


@every_way
@pytest.mark.parametrize("lifecycle", [QUIET, None], ids=["quiet", "loud"])
async def test_the_first_gray_release_restarts_and_relabels_no_pod(
    place: Place, way: str, lifecycle: Json | None
) -> None:
    await place.has_way(way)
    await place.has_workload(lifecycle=lifecycle)
    before = await place.untouched()
    place.decided_by = "ann"
    deployed = await place.plan("v2", way)
    await place.drive(deployed, GRAY)
    after = await place.untouched()
    assert len(after) == (KEPT[way] if lifecycle else 3)
    assert after.items() <= before.items()
    await place.drive(deployed, ROLL_BACK)
    await place.until(lambda pods: len(pods) == 3, "only the old instances are left")


@every_way
async def test_a_gray_copy_is_the_found_one_with_what_the_release_says(place: Place, way: str) -> None:
    await in_gray(place, way, environment={"COLOUR": "red"})
    [pod] = (await place.pods(f"{names.GROUP}=gray") or await place.pods(f"{names.GROUP}=blue"))[:1]
    [container] = pod["spec"]["containers"]
    environment = {each["name"]: each.get("value") for each in container["env"]}
    assert container["image"] == place.ground.images.pulled("v2")
    assert environment["GREETING"] == "found"
    assert environment["COLOUR"] == "red"
    assert pod["metadata"]["annotations"]["shop.example/owner"] == "ann"


@every_way
async def test_a_found_workload_goes_gray_and_to_everybody(place: Place, way: str) -> None:
    deployed = await in_gray(place, way)
    await place.drive(deployed, PROMOTE)
    running = await place.running()
    assert {tag for _, tag in running} == {"v2"}
    deployment = await place.hands.get(DEPLOYMENT, NAME)
    assert deployment["metadata"]["labels"]["team"] == "shop"
    assert deployment["spec"]["selector"] == {"matchLabels": foreign.TIER}


@every_way
async def test_the_way_back_from_gray_leads_to_exactly_what_was_found(place: Place, way: str) -> None:
    await place.has_way(way)
    await place.has_workload()
    found = {kind: await place.hands.get(kind, NAME) for kind in (DEPLOYMENT, SERVICE)}
    place.decided_by = "ann"
    deployed = await place.plan("v2", way)
    await place.drive(deployed, GRAY)
    await place.drive(deployed, ROLL_BACK)
    assert essence(await place.hands.get(DEPLOYMENT, NAME)) == essence(found[DEPLOYMENT])
    assert (await place.hands.get(SERVICE, NAME))["spec"] == found[SERVICE]["spec"]


@pytest.mark.parametrize("way", ["canary", "istio", "gateway"])
async def test_the_way_back_from_a_promotion_leads_to_exactly_what_was_found(place: Place, way: str) -> None:
    await place.has_way(way)
    await place.has_workload()
    found = await place.hands.get(DEPLOYMENT, NAME)
    place.decided_by = "ann"
    deployed = await place.plan("v2", way, environment={"COLOUR": "red"}, readiness={"http": "/", "every": "2s"})
    await place.drive(deployed, PROMOTE)
    assert {tag for _, tag in await place.running()} == {"v2"}
    await place.drive(deployed, ROLL_BACK)
    assert essence(await place.hands.get(DEPLOYMENT, NAME)) == essence(found)
    assert {tag for _, tag in await place.running()} == {"v1"}


@routed_ways
async def test_routes_of_others_are_kept_in_order_and_put_back(place: Place, way: str, kind: Kind) -> None:
    await place.has_routed_workload(way)
    found = (await place.hands.get(kind, "front"))["spec"]
    place.decided_by = "ann"
    deployed = await place.plan("v2", way)
    await place.drive(deployed, GRAY)
    shown = (await place.hands.get(kind, "front"))["spec"]
    rules = "http" if way == "istio" else "rules"
    assert shown[rules][0] == found[rules][0]
    assert f"{NAME}-gray" in str(shown[rules][-1])
    assert {key: one for key, one in shown.items() if key != rules} == {
        key: one for key, one in found.items() if key != rules
    }
    await place.drive(deployed, PROMOTE)
    assert (await place.hands.get(kind, "front"))["spec"] == found


@routed_ways
@pytest.mark.parametrize("goal", [GRAY, PROMOTE], ids=["in the middle", "after success"])
async def test_a_workload_that_is_ended_leaves_the_routes_of_others_as_they_were(
    place: Place, way: str, kind: Kind, goal: GoalKind
) -> None:
    await place.has_routed_workload(way)
    found = (await place.hands.get(kind, "front"))["spec"]
    place.decided_by = "ann"
    await place.drive(await place.plan("v2", way), goal)
    await place.forget()
    left = await place.hands.get(kind, "front")
    assert left["spec"] == found
    assert names.DOMAIN not in str(left["metadata"])


async def test_a_workload_ended_after_a_switch_leaves_the_service_of_others_as_it_was(place: Place) -> None:
    await place.has_workload()
    found = (await place.hands.get(SERVICE, NAME))["spec"]
    place.decided_by = "ann"
    await place.release("v2", "blue_green")
    assert (await place.hands.get(SERVICE, NAME))["spec"]["selector"] != found["selector"]
    await place.forget()
    left = await place.hands.get(SERVICE, NAME)
    assert left["spec"] == found
    assert names.DOMAIN not in str([left["metadata"].get(notes) for notes in ("labels", "annotations")])


@pytest.mark.parametrize("way", ["canary", "blue_green"])
async def test_pods_of_others_behind_the_same_service_do_not_hold_a_release_up(place: Place, way: str) -> None:
    for name, tag, count in (("other", "v3", 1), (NAME, "v1", 3)):
        thing = foreign.deployment(name, place.ground.images.pulled(tag), count)
        thing["spec"]["selector"]["matchLabels"]["part"] = name
        thing["spec"]["template"]["metadata"]["labels"]["part"] = name
        await place.put(thing)
    await place.put(foreign.service(NAME))
    await place.until(lambda pods: sum(map(is_ready, pods)) == 4, "the workloads of others are ready")
    place.decided_by = "ann"
    deployed = await place.plan("v2", way)
    await place.drive(deployed, GRAY)
    await place.drive(deployed, ROLL_BACK)


@every_way
async def test_a_workload_that_was_ended_is_released_again(place: Place, way: str) -> None:
    deployed = await in_gray(place, way)
    await place.drive(deployed, PROMOTE)
    await place.forget()
    await place.until(lambda pods: not pods, "everything has ended")
    place.deployed = None
    await place.release("v3", way)
    assert {tag for _, tag in await place.running()} == {"v3"}


@every_way
async def test_a_workload_that_was_ended_and_applied_again_by_its_makers_is_found_anew_and_keeps_serving(
    place: Place, way: str
) -> None:
    deployed = await in_gray(place, way, environment={"COLOUR": "red"})
    await place.drive(deployed, PROMOTE)
    await place.forget()
    await place.until(lambda pods: not pods, "everything has ended")
    for kind in (DEPLOYMENT, SERVICE):
        left = await place.hands.get(kind, NAME)
        assert names.DOMAIN not in str({**left["metadata"], **left["spec"]})
        assert "sluice" not in {each["manager"] for each in left["metadata"]["managedFields"]}
    again = foreign.deployment(NAME, place.ground.images.pulled("v1"), 3)
    await place.hands.edit(DEPLOYMENT, NAME, {"spec": again["spec"]}, KUBECTL)
    await place.until(lambda pods: sum(map(is_ready, pods)) == 3, "it serves again")
    before = await place.untouched()
    place.deployed = None
    deployed = await place.plan("v3", way)
    assert deployed.old is not None
    assert (deployed.old.settings["creation"], deployed.old.settings["instances"]) == ("found", 3)
    assert deployed.old.image.endswith(place.ground.images.said("v1"))
    await place.drive(deployed, GRAY)
    assert (await place.untouched()).items() <= before.items()
    await place.drive(deployed, PROMOTE)
    assert {tag for _, tag in await place.running()} == {"v3"}


@pytest.mark.parametrize("writes", range(1, 5))
async def test_a_bot_that_is_killed_while_a_workload_ends_lets_go_of_what_others_made_after_its_next_start(
    place: Place, writes: int
) -> None:
    await place.has_workload()
    found = (await place.hands.get(SERVICE, NAME))["spec"]
    place.decided_by = "ann"
    await place.release("v2", "blue_green")
    await place.excuse()
    place.another_target(writes)
    with pytest.raises(Killed):
        await place.target.forget(place.workload)
    place.another_target()
    await place.forget()
    for kind in (DEPLOYMENT, SERVICE):
        left = await place.hands.get(kind, NAME)
        assert names.DOMAIN not in str({**left["metadata"], **left["spec"]})
    assert (await place.hands.get(SERVICE, NAME))["spec"] == found


@pytest.mark.parametrize("before", ["canary", "blue_green", "istio"])
@pytest.mark.parametrize("after", ["canary", "blue_green", "istio"])
async def test_a_strategy_that_is_changed_between_two_releases_turns_nobody_away(
    place: Place, before: str, after: str
) -> None:
    await place.has_way(before)
    await place.has_way(after)
    await place.has_workload()
    place.decided_by = "ann"
    await place.release("v2", before)
    deployed = await place.plan("v3", after)
    await place.drive(deployed, GRAY)
    await place.drive(deployed, PROMOTE)
    assert {tag for _, tag in await place.running()} == {"v3"}


async def test_a_service_of_others_with_another_port_is_not_taken(place: Place) -> None:
    await place.put(foreign.service(NAME, port=9000))
    with pytest.raises(StageFailure, match="its ports are 9000, not 80"):
        await place.plan("v1", "canary")


async def test_an_autoscaler_is_refused_by_its_name(place: Place) -> None:
    await place.has_workload()
    await place.put(foreign.autoscaler("busy", NAME))
    with pytest.raises(StageFailure, match=r"HorizontalPodAutoscaler .*/busy decides how many instances"):
        await place.plan("v2", "canary")
