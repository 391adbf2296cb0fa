"""Many hands in one cluster: what others hold is not taken silently, what they change is told, and nobody fights.

A person decides: `restore` puts Sluice's values there, `adopt` goes on with what is there.
"""

import asyncio

import pytest

from engine.deployed import Deployed, Disputed
from engine.model import Way
from engine.ports import Dispute
from engine.rollout.fleet import GoalKind, Launch, Move, Reroute, Route
from engine.targets.kubernetes import names
from engine.targets.kubernetes.kinds import DEPLOYMENT, SERVICE, VIRTUAL_SERVICE, Kind
from tests.support import kube_foreign as foreign
from tests.support.eventually import eventually
from tests.support.kube_hands import EDIT, KUBECTL
from tests.support.kube_place import WAYS, Place
from tests.support.kube_surroundings import NAME

GRAY, PROMOTE, ROLL_BACK = GoalKind.GRAY, GoalKind.PROMOTE, GoalKind.ROLL_BACK
every_way = pytest.mark.parametrize("way", WAYS)
HELD = {
    "canary": (f"Deployment {{}}/{NAME}", "image"),
    "blue_green": (f"Service {{}}/{NAME}", "spec.selector"),
    "istio": ("VirtualService {}/front", "spec.http"),
    "gateway": ("HTTPRoute {}/front", "spec.rules"),
}
"""What a release of a workload that kubectl made needs of what kubectl holds, beside the Deployment's image."""


async def stable_gray(place: Place, way: str = "istio") -> Deployed:
    """A workload that is wholly Sluice's, with a gray release."""
    await place.has_way(way)
    await place.release("v1", way)
    deployed = await place.plan("v2", way)
    await place.drive(deployed, GRAY)
    return deployed


def only(disputes: tuple[Dispute, ...], field: str) -> Dispute:
    """The one dispute about a field."""
    [found] = [each for each in disputes if field in each.field]
    return found


@every_way
async def test_what_kubectl_holds_is_named_before_anything_is_touched_and_taken_when_a_person_says_so(
    place: Place, way: str
) -> None:
    thing, field = HELD[way]
    await place.has_routed_workload(way)
    place.decided_by = ""
    deployed = await place.plan("v2", way)
    disputes = await place.disputed(deployed, GRAY)
    assert {each.manager for each in disputes} == {KUBECTL}
    assert any(each.thing == thing.format(place.namespace) and field in each.field for each in disputes)
    assert await place.ours() == {}
    assert place.moves == []
    await place.settle(deployed, "adopt")
    await place.drive(deployed, GRAY)
    await place.drive(deployed, PROMOTE)
    assert {tag for _, tag in await place.running()} == {"v2"}


async def test_a_decision_is_remembered_by_the_objects_when_the_bot_is_started_anew(place: Place) -> None:
    await place.has_workload()
    deployed = await place.plan("v2", "canary")
    await place.disputed(deployed, GRAY)
    await place.settle(deployed, "adopt")
    place.another_target()
    await place.drive(deployed, GRAY)
    await place.drive(deployed, PROMOTE)
    assert {tag for _, tag in await place.running()} == {"v2"}


@every_way
async def test_a_way_back_waits_for_nobody_and_tells_what_it_has_overwritten(place: Place, way: str) -> None:
    deployed = await stable_gray(place, way)
    name = next(one["metadata"]["name"] for one in await place.hands.all(DEPLOYMENT) if "v1" in str(one["spec"]))
    await place.hands.edit(DEPLOYMENT, name, {"spec": {"replicas": 5}})
    await place.drive(deployed, ROLL_BACK)
    assert (await place.hands.get(DEPLOYMENT, name))["spec"]["replicas"] == 3
    [said] = await place.target.keep()
    assert f"{name} was changed by {EDIT}" in said


async def goes_back(place: Place, way: str = "canary") -> None:
    """Bring v1 back after v2 was released to everybody, whatever others have done meanwhile."""
    deployed = await place.plan("v1", way)
    await place.drive(deployed, PROMOTE, way=Way.ROLL_BACK)
    assert {tag for _, tag in await place.running()} == {"v1"}
    [said] = await place.target.keep()
    assert f"was changed by {EDIT}; taking {place.workload} back has overwritten that" in said


async def test_the_way_back_after_success_does_not_wait_for_an_instance_count_of_others(place: Place) -> None:
    for tag in ("v1", "v2"):
        await place.release(tag, "canary")
    await place.hands.scale(NAME, 5)
    await goes_back(place)
    assert (await place.hands.get(DEPLOYMENT, NAME))["spec"]["replicas"] == 3


async def test_the_way_back_after_success_does_not_wait_for_an_image_of_others(place: Place) -> None:
    for tag in ("v1", "v2"):
        await place.release(tag, "canary")
    containers = (await place.hands.get(DEPLOYMENT, NAME))["spec"]["template"]["spec"]["containers"]
    containers[0]["image"] = place.ground.images.pulled("v3")
    await place.hands.edit(DEPLOYMENT, NAME, {"spec": {"template": {"spec": {"containers": containers}}}})
    await goes_back(place)


async def test_the_way_back_after_success_leaves_routes_that_their_owners_have_changed_since(place: Place) -> None:
    await place.has_way("istio")
    await place.put(foreign.virtual_service("front", NAME))
    await place.has_workload()
    place.decided_by = "ann"
    await place.release("v2", "istio")
    spec = (await place.hands.get(VIRTUAL_SERVICE, "front"))["spec"]
    spec["http"][-1]["route"] = [{"destination": {"host": NAME}}]
    await place.hands.edit(VIRTUAL_SERVICE, "front", {"spec": {"http": spec["http"]}})
    await place.drive(await place.plan("v1", "istio"), PROMOTE, way=Way.ROLL_BACK)
    assert {tag for _, tag in await place.running()} == {"v1"}
    assert (await place.hands.get(VIRTUAL_SERVICE, "front"))["spec"] == spec
    assert await place.target.keep() == ()


async def test_an_image_changed_by_somebody_is_told_of_the_instances_that_run_it(place: Place) -> None:
    await place.release("v1", "canary")
    assert {(one.image, one.changed_by) for one in await place.target.instances(place.workload)} == {
        (place.ground.images.said("v1"), "")
    }
    containers = (await place.hands.get(DEPLOYMENT, NAME))["spec"]["template"]["spec"]["containers"]
    containers[0]["image"] = place.ground.images.pulled("v3")
    await place.hands.edit(DEPLOYMENT, NAME, {"spec": {"template": {"spec": {"containers": containers}}}})

    async def told() -> bool:
        await place.ground.go_on()
        seen = {(one.image, one.changed_by) for one in await place.target.instances(place.workload)}
        return seen == {(place.ground.images.said("v3"), EDIT)}

    await eventually(told, "all of them are told", place.pace.within, place.pace.between)


async def test_an_instance_count_changed_by_somebody_is_named_and_restored(place: Place) -> None:
    deployed = await stable_gray(place)
    await place.hands.scale(NAME, 5)
    dispute = only(await place.disputed(deployed, PROMOTE), "spec.replicas")
    assert (dispute.thing, dispute.manager) == (f"Deployment {place.namespace}/{NAME}", EDIT)
    assert (dispute.ours, dispute.theirs, dispute.decided) == ("3", "5", True)
    await place.settle(deployed, "restore")
    assert (await place.hands.get(DEPLOYMENT, NAME))["spec"]["replicas"] == 3
    await place.drive(deployed, PROMOTE)


@pytest.mark.parametrize(("how", "left"), [("restore", "64Mi"), ("adopt", "96Mi")])
async def test_a_limit_changed_by_somebody_is_restored_or_adopted(place: Place, how: str, left: str) -> None:
    deployed = await stable_gray(place)
    containers = (await place.hands.get(DEPLOYMENT, NAME))["spec"]["template"]["spec"]["containers"]
    containers[0]["resources"]["limits"]["memory"] = "96Mi"
    await place.hands.edit(DEPLOYMENT, NAME, {"spec": {"template": {"spec": {"containers": containers}}}})
    dispute = only(await place.disputed(deployed, GRAY), "memory")
    assert (dispute.manager, dispute.ours, dispute.theirs, dispute.decided) == (EDIT, "64Mi", "96Mi", False)
    await place.settle(deployed, how)
    await place.drive(deployed, GRAY)
    [live] = (await place.hands.get(DEPLOYMENT, NAME))["spec"]["template"]["spec"]["containers"]
    assert live["resources"]["limits"]["memory"] == left
    await place.drive(deployed, ROLL_BACK)


@pytest.mark.parametrize("way", ["istio", "blue_green"])
async def test_a_label_of_sluices_taken_off_by_somebody_is_named_and_put_back(place: Place, way: str) -> None:
    await place.has_way(way)
    await place.has_workload()
    place.decided_by = "ann"
    deployed = await place.plan("v2", way)
    await place.drive(deployed, GRAY)
    await place.hands.edit(DEPLOYMENT, NAME, {"metadata": {"labels": {names.WORKLOAD: None}}})
    dispute = only(await place.disputed(deployed, GRAY), names.WORKLOAD)
    assert (dispute.ours, dispute.theirs) == (NAME, "nothing")
    await place.settle(deployed, "restore")
    await place.drive(deployed, PROMOTE)
    assert {tag for _, tag in await place.running()} == {"v2"}


async def test_weights_changed_by_somebody_are_named_and_restored(place: Place) -> None:
    deployed = await stable_gray(place)
    spec = (await place.hands.get(VIRTUAL_SERVICE, NAME))["spec"]
    spec["http"][0]["route"] = [{"destination": {"host": NAME}}]
    await place.hands.edit(VIRTUAL_SERVICE, NAME, {"spec": {"http": spec["http"]}})
    dispute = only(await place.disputed(deployed, GRAY), "spec.http")
    assert (dispute.thing, dispute.manager, dispute.decided) == (f"VirtualService {place.namespace}/{NAME}", EDIT, True)
    await place.settle(deployed, "restore")
    assert (await place.hands.get(VIRTUAL_SERVICE, NAME))["spec"] != spec
    await place.drive(deployed, PROMOTE)


@pytest.mark.parametrize(("kind", "name"), [(VIRTUAL_SERVICE, NAME), (SERVICE, f"{NAME}-gray")])
async def test_an_object_removed_by_somebody_is_made_again_and_that_is_said_once(
    place: Place, kind: Kind, name: str
) -> None:
    deployed = await stable_gray(place)
    assert await place.target.keep() == ()
    await place.excuse()
    await place.hands.delete(kind, name)

    async def is_back() -> bool:
        await place.tick(deployed, GRAY)
        await place.ground.go_on()
        return any(one["metadata"]["name"] == name for one in await place.hands.all(kind))

    await eventually(is_back, f"{name} is there again", place.pace.within, place.pace.between)
    await place.drive(deployed, PROMOTE)
    [said] = await place.target.keep()
    assert said.startswith(f"{kind.kind} {place.namespace}/{name} was removed by somebody")


async def test_what_somebody_else_adds_beside_sluices_fields_is_nobodys_dispute(place: Place) -> None:
    deployed = await stable_gray(place)
    await place.hands.edit(DEPLOYMENT, NAME, {"metadata": {"annotations": {"shop.example/note": "hands off"}}})
    await place.drive(deployed, PROMOTE)
    live = await place.hands.get(DEPLOYMENT, NAME)
    assert live["metadata"]["annotations"]["shop.example/note"] == "hands off"


@every_way
async def test_two_bots_that_release_the_same_do_not_undo_one_another(place: Place, way: str) -> None:
    await place.has_way(way)
    await place.release("v1", way)
    deployed = await place.plan("v2", way)
    other = Place(place.ground, place.namespace, deployed=place.deployed, decided_by=place.decided_by)
    other.foreign = place.foreign
    for kind in (GRAY, PROMOTE):
        await asyncio.gather(place.drive(deployed, kind), other.drive(deployed, kind))
    await other.close()
    assert {tag for _, tag in await place.running()} == {"v2"}


@every_way
async def test_a_plan_names_objects_and_fields_and_changes_nothing(place: Place, way: str) -> None:
    await place.has_way(way)
    await place.release("v1", way)
    deployed = await place.plan("v2", way)
    before = {key: one["metadata"]["resourceVersion"] for key, one in (await place.ours()).items()}
    fleet = await place.fleet(deployed)
    group = next(iter(fleet.groups))
    moves = [Launch("gray", deployed.new.id, 1), Launch(group, deployed.new.id, 3)]
    said = await place.target.changes(deployed.placement(), moves)
    assert any(f"Deployment {place.namespace}/{NAME}-gray" in sentence for sentence in said)
    assert any("image" in sentence and "v1" in sentence and "v2" in sentence for sentence in said)
    assert {key: one["metadata"]["resourceVersion"] for key, one in (await place.ours()).items()} == before


async def test_a_plan_for_a_found_workload_says_who_holds_what_it_would_change(place: Place) -> None:
    await place.has_workload()
    deployed = await place.plan("v2", "istio" if "istio" in WAYS and await _has_istio(place) else "canary")
    said = await place.target.changes(deployed.placement(), [Launch("stable", deployed.new.id, 3)])
    assert any(KUBECTL in sentence and "image" in sentence for sentence in said)
    assert await place.ours() == {}


@pytest.mark.parametrize("found", [True, False])
async def test_a_plan_names_the_objects_that_decide_who_gets_a_request(place: Place, found: bool) -> None:  # noqa: FBT001 - a parameter
    await place.has_way("istio")
    if found:
        await place.put(foreign.virtual_service("front", NAME))
    place.decided_by = "ann"
    await place.release("v1", "istio")
    deployed = await place.plan("v2", "istio")
    before = {key: one["metadata"]["resourceVersion"] for key, one in (await place.ours()).items()}
    moves: list[Move] = [Launch("gray", deployed.new.id, 1), Reroute(Route({"stable": 90, "gray": 10}, preview="gray"))]
    said = await place.target.changes(deployed.placement(), moves)
    thing, how = ("front", "spec.http") if found else (NAME, f"created: hosts {NAME}")
    assert any(f"VirtualService {place.namespace}/{thing}" in each and how in each for each in said)
    assert any(each.startswith(f"Service {place.namespace}/{NAME}-gray: created") for each in said)
    assert {key: one["metadata"]["resourceVersion"] for key, one in (await place.ours()).items()} == before


@every_way
async def test_a_plan_names_once_whom_a_run_will_be_held_by(place: Place, way: str) -> None:
    thing, field = HELD[way]
    await place.has_routed_workload(way)
    deployed = await place.plan("v2", way)
    said = await place.target.changes(deployed.placement(), [Launch("gray", deployed.new.id, 1)])
    held = [each for each in said if each.startswith(f"{thing.format(place.namespace)}:") and field in each]
    assert held
    assert all(f"is managed by {KUBECTL}" in each for each in held)
    share = Reroute(Route({"stable": 90, "gray": 10}, preview="gray"))
    said = await place.target.changes(deployed.placement(), [Launch("gray", deployed.new.id, 1), share])
    assert [said.count(each) for each in held] == [1] * len(held)


async def _has_istio(place: Place) -> bool:
    return await place.cluster.serves(VIRTUAL_SERVICE)


async def test_a_route_asked_for_by_an_older_picture_does_not_undo_a_newer_one(place: Place) -> None:
    deployed = await stable_gray(place)
    other = Place(place.ground, place.namespace, deployed=place.deployed)
    placement = deployed.placement()
    await other.target.observe(placement)
    await place.drive(deployed, GRAY, share=50)
    wanted = Reroute(Route({"stable": 90, "gray": 10}, preview="gray"))
    try:
        await other.target.perform(placement, wanted)
    except (Disputed, OSError) as error:
        raise AssertionError("it must be done or be tried again") from error
    finally:
        await other.close()
    fleet = await place.fleet(deployed)
    assert fleet.route.weights in ({"stable": 50, "gray": 50}, {"stable": 90, "gray": 10})


async def test_a_service_is_never_left_with_the_ports_of_others_changed(place: Place) -> None:
    await place.has_workload()
    await place.hands.edit(
        SERVICE,
        NAME,
        {
            "spec": {
                "ports": [
                    {"name": "http", "port": foreign.PORT, "targetPort": "http"},
                    {"name": "admin", "port": 9000, "targetPort": 9000},
                ]
            }
        },
    )
    place.decided_by = "ann"
    found = (await place.hands.get(SERVICE, NAME))["spec"]
    deployed = await place.plan("v2", "blue_green")
    await place.drive(deployed, PROMOTE)
    assert (await place.hands.get(SERVICE, NAME))["spec"]["ports"] == found["ports"]
