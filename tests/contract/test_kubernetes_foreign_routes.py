"""Routes of others in a VirtualService or an HTTPRoute that Sluice has split, and what somebody does to it meanwhile.

Who changes a route of theirs keeps it. Who undoes ours is named, and nobody writes against them until a person has
decided.
"""

from copy import deepcopy
from typing import Any

import pytest

from engine.deployed import Deployed, Disputed
from engine.rollout.fleet import GoalKind
from engine.targets.kubernetes.kinds import HTTP_ROUTE, VIRTUAL_SERVICE, Kind
from tests.support.eventually import eventually
from tests.support.kube_hands import EDIT, KUBECTL
from tests.support.kube_place import Place
from tests.support.kube_surroundings import NAME

Json = dict[str, Any]
GRAY, PROMOTE, ROLL_BACK = GoalKind.GRAY, GoalKind.PROMOTE, GoalKind.ROLL_BACK
both = pytest.mark.parametrize(("way", "kind"), [("istio", VIRTUAL_SERVICE), ("gateway", HTTP_ROUTE)])
RULES = {VIRTUAL_SERVICE: "http", HTTP_ROUTE: "rules"}
MATCH = {
    VIRTUAL_SERVICE: {"uri": {"prefix": "/accounts"}},
    HTTP_ROUTE: {"path": {"type": "Exact", "value": "/accounts"}},
}


async def in_gray(place: Place, way: str, kind: Kind) -> tuple[Deployed, Json]:
    """A gray release of a found workload whose routes are `front`, which kubectl has made; and these routes."""
    await place.has_routed_workload(way)
    found = await spec(place, kind)
    place.decided_by = "ann"
    deployed = await place.plan("v2", way)
    await place.drive(deployed, GRAY)
    return deployed, found


async def spec(place: Place, kind: Kind) -> Json:
    """The routes as they are."""
    found: Json = (await place.hands.get(kind, "front"))["spec"]
    return found


def moved(found: Json, kind: Kind) -> Json:
    """`found` with the route that is none of ours matching something else."""
    after = deepcopy(found)
    after[RULES[kind]][0]["matches" if kind == HTTP_ROUTE else "match"] = [MATCH[kind]]
    return after


def outline(live: Json) -> Json:
    return {"apiVersion": live["apiVersion"], "kind": live["kind"], "metadata": {"name": "front"}}


def is_split(routes: Json, kind: Kind) -> bool:
    return f"{NAME}-gray" in str(routes[RULES[kind]])


async def until_split(place: Place, kind: Kind, deployed: Deployed, goal: GoalKind = GRAY) -> None:
    """Go on until the split is written again."""

    async def look() -> bool:
        await place.tick(deployed, goal)
        await place.ground.go_on()
        return is_split(await spec(place, kind), kind)

    await eventually(look, "the split is there", place.pace.within, place.pace.between)


@both
async def test_a_route_that_its_owners_write_anew_in_the_middle_of_a_release_stays_as_they_wrote_it(
    place: Place, way: str, kind: Kind
) -> None:
    deployed, found = await in_gray(place, way, kind)
    wanted = moved(found, kind)
    await place.hands.edit(kind, "front", {"spec": {RULES[kind]: wanted[RULES[kind]]}}, KUBECTL)
    await until_split(place, kind, deployed)
    assert (await spec(place, kind))[RULES[kind]][0] == wanted[RULES[kind]][0]
    [said] = await place.target.keep()
    assert f"front was changed by {KUBECTL}" in said
    await place.drive(deployed, GRAY)
    await place.drive(deployed, PROMOTE)
    assert await spec(place, kind) == wanted
    assert await place.target.keep() == ()


@both
@pytest.mark.parametrize("goal", [PROMOTE, ROLL_BACK])
async def test_a_route_of_others_edited_beside_the_split_stays_so_and_the_split_is_not_touched(
    place: Place, way: str, kind: Kind, goal: GoalKind
) -> None:
    deployed, found = await in_gray(place, way, kind)
    split = moved(await spec(place, kind), kind)
    await place.hands.edit(kind, "front", {"spec": {RULES[kind]: split[RULES[kind]]}}, KUBECTL)
    await place.drive(deployed, GRAY)
    assert await spec(place, kind) == split
    await place.drive(deployed, goal)
    assert await spec(place, kind) == moved(found, kind)


@both
async def test_a_tool_that_puts_back_what_it_had_is_named_and_not_fought(place: Place, way: str, kind: Kind) -> None:
    deployed, found = await in_gray(place, way, kind)
    await place.excuse()
    theirs = {**outline(await place.hands.get(kind, "front")), "spec": found}
    await place.hands.apply(theirs, "argocd", force=True)
    disputes = await place.disputed(deployed, GRAY)
    assert {(each.thing, each.manager) for each in disputes} == {(f"{kind.kind} {place.namespace}/front", "argocd")}
    assert Disputed(disputes, "hello").ways == ("restore",)
    generation = (await place.hands.get(kind, "front"))["metadata"]["generation"]
    for _ in range(3):
        await place.target.tend(deployed.placement())
        await place.ground.go_on()
    assert (await place.hands.get(kind, "front"))["metadata"]["generation"] == generation
    await place.settle(deployed, "restore")
    assert is_split(await spec(place, kind), kind)
    await place.hands.apply(theirs, "argocd", force=True)
    assert await place.disputed(deployed, GRAY)
    await place.settle(deployed, "restore")
    await place.drive(deployed, PROMOTE)
    assert await spec(place, kind) == found


@pytest.mark.parametrize(("how", "left"), [("restore", 2), ("adopt", 5)])
async def test_what_let_in_hands_change_of_our_own_route_is_asked_about_and_decided_for_good(
    place: Place, how: str, left: int
) -> None:
    deployed, found = await in_gray(place, "istio", VIRTUAL_SERVICE)
    routes = await spec(place, VIRTUAL_SERVICE)
    routes["http"][1]["retries"]["attempts"] = 5
    routes = moved(routes, VIRTUAL_SERVICE)
    await place.hands.edit(VIRTUAL_SERVICE, "front", {"spec": {"http": routes["http"]}}, KUBECTL)
    disputes = await place.disputed(deployed, GRAY)
    assert any("attempts" in each.field and (each.ours, each.theirs) == ("2", "5") for each in disputes)
    assert await spec(place, VIRTUAL_SERVICE) == routes
    await place.settle(deployed, how)
    await place.drive(deployed, GRAY)
    await place.drive(deployed, PROMOTE)
    wanted = moved(found, VIRTUAL_SERVICE)
    wanted["http"][1]["retries"]["attempts"] = left
    assert await spec(place, VIRTUAL_SERVICE) == wanted


@both
async def test_a_way_back_keeps_the_newest_routes_of_others_and_says_what_it_has_overwritten(
    place: Place, way: str, kind: Kind
) -> None:
    deployed, found = await in_gray(place, way, kind)
    await place.excuse()
    wanted = moved(found, kind)
    await place.hands.edit(kind, "front", {"spec": {RULES[kind]: wanted[RULES[kind]]}})
    await place.drive(deployed, ROLL_BACK)
    assert await spec(place, kind) == wanted
    assert any(f"front was changed by {EDIT}" in said for said in await place.target.keep())


@both
async def test_once_a_release_is_over_its_routes_belong_to_their_owners_again(
    place: Place, way: str, kind: Kind
) -> None:
    deployed, found = await in_gray(place, way, kind)
    await place.drive(deployed, ROLL_BACK)
    live = await place.hands.get(kind, "front")
    left = [live["metadata"].get(key) for key in ("labels", "annotations", "managedFields")]
    assert "sluice" not in str(left)
    wanted = moved(found, kind)
    await place.hands.apply({**outline(live), "spec": wanted})
    assert await spec(place, kind) == wanted
