"""Pods that have no preStop hook end only when nobody is led to them; pods that have one are not sheltered.

That none of them ends too early is seen from every change of the objects: see `no_loud_pod_ended_in_sight`.
"""

import pytest

from engine.deployed import leaves_quietly
from engine.errors import StageFailure
from engine.rollout.fleet import GoalKind, Launch, Reroute
from engine.targets.kubernetes.kinds import DEPLOYMENT, POD
from tests.support.kube_place import Place
from tests.support.kube_promises import Expected, World
from tests.support.kube_surroundings import NAME

GRAY, PROMOTE, ROLL_BACK = GoalKind.GRAY, GoalKind.PROMOTE, GoalKind.ROLL_BACK
WAYS = pytest.mark.parametrize("way", ["canary", "istio", "gateway"])
RECREATE = {"spec": {"strategy": {"type": "Recreate", "rollingUpdate": None}}}
HOOK = {"preStop": {"sleep": {"seconds": 1}}}


async def no_loud_pod_ended_in_sight(place: Place) -> None:
    """See that whenever a pod of v1 was told to end, no Service that requests go to selected it."""
    world = World(Expected(NAME, 0, 0, apart=False, rest=place.pace.drain, slack=place.pace.slack))
    for change in sorted(await place.ground.changes(), key=lambda one: one.version):
        before = world.of(POD).get(change.name) if change.kind == POD else None
        world.after(change)
        leaves = change.thing is None or "deletionTimestamp" in change.thing["metadata"]
        if before is None or "deletionTimestamp" in before["metadata"] or not leaves or ":v1" not in str(before):
            continue
        labels = before["metadata"]["labels"].items()
        led = [one for one in world.plain() if world.selector(one) and world.selector(one).items() <= labels]
        assert not led, f"{change.name} ends while {led} lead there"


async def loud(place: Place, way: str, count: int = 3) -> None:
    """A workload of others whose pods have no hook."""
    await place.has_way(way)
    await place.has_workload(count=count)
    place.decided_by = "ann"


@WAYS
async def test_more_pods_than_a_definition_says_stay_until_a_promotion_has_moved_requests_away(
    place: Place, way: str
) -> None:
    await loud(place, way, count=5)
    deployed = await place.plan("v2", way, instances=2)
    await place.drive(deployed, GRAY)
    assert (await place.running())["stable", "v1"] == 5
    await place.drive(deployed, PROMOTE)
    assert (await place.running()) == {("stable", "v2"): 2}
    await no_loud_pod_ended_in_sight(place)
    await place.excuse()


@WAYS
@pytest.mark.parametrize("upgrade", ["rolling", "recreate"])
async def test_a_gray_version_that_was_left_is_drained_before_it_takes_over_as_another_one(
    place: Place, way: str, upgrade: str
) -> None:
    await loud(place, way)
    await place.drive(await place.plan("v2", way), GRAY)
    if upgrade == "recreate":
        await place.hands.edit(DEPLOYMENT, NAME, RECREATE)
    deployed = await place.plan("v3", way, upgrade=upgrade)
    moves = await place.drive(deployed, PROMOTE)
    assert isinstance(moves[0], Reroute)
    assert moves[0].route.weights == {"stable": 100}
    assert {tag for _, tag in await place.running()} == {"v3"}
    await no_loud_pod_ended_in_sight(place)


@WAYS
async def test_a_deployment_of_others_that_cannot_be_made_to_recreate_is_refused_with_what_makes_it(
    place: Place, way: str
) -> None:
    await loud(place, way)
    with pytest.raises(StageFailure, match="somebody else's and replaces its pods step by step") as refused:
        await place.plan("v2", way, upgrade="recreate")
    assert f"patch deployment {NAME} -p" in refused.value.hint
    await place.hands.edit(DEPLOYMENT, NAME, RECREATE)
    place.another_target()
    await place.release("v2", way, upgrade="recreate")
    assert await place.running() == {("stable", "v2"): 3}


@WAYS
async def test_pods_whose_owner_wrote_a_hook_are_replaced_in_place_now_and_at_every_later_release(
    place: Place, way: str
) -> None:
    await place.has_way(way)
    await place.has_workload(lifecycle=HOOK)
    place.decided_by = "ann"
    for tag in ("v2", "v3"):
        deployed = await place.plan(tag, way)
        assert deployed.old is not None
        assert leaves_quietly(deployed.old)
        moves = await place.drive(deployed, PROMOTE)
        assert "gray" not in {move.group for move in moves if isinstance(move, Launch)}


async def test_a_ratio_is_held_against_all_that_stay_beside_gray(place: Place) -> None:
    await loud(place, "canary")
    with pytest.raises(StageFailure, match=r"1 gray of 4 get 25 %, not 50 %"):
        await place.plan("v2", "canary", policy={"ratio": 50}, gray_instances=1, instances=2)
    deployed = await place.plan("v2", "canary", policy={"ratio": 40}, gray_instances=2, instances=3)
    await place.drive(deployed, GRAY)
    assert await place.running() == {("stable", "v1"): 3, ("gray", "v2"): 2}
    await place.drive(deployed, PROMOTE)
    await place.drive(deployed, PROMOTE)
