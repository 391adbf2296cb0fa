"""A gray version that one strategy has left is taken off its route by the next one, whatever medium that one has.

What was written for the first strategy is put back before anything that it refers to is ended: the place of each test
sees to it that no request is sent to a Service that is gone or leads to nobody.
"""

from itertools import permutations

import pytest

from engine.rollout.fleet import GoalKind
from engine.targets.kubernetes.kinds import HTTP_ROUTE, SERVICE, VIRTUAL_SERVICE
from tests.support.kube_place import WAYS, Place
from tests.support.kube_surroundings import NAME

GRAY, PROMOTE, ROLL_BACK = GoalKind.GRAY, GoalKind.PROMOTE, GoalKind.ROLL_BACK
PAIRS = sorted(permutations(WAYS, 2))
KINDS = {"istio": VIRTUAL_SERVICE, "gateway": HTTP_ROUTE}
FROM_A_MESH = [pair for pair in PAIRS if pair[0] in ("istio", "gateway") and pair[1] not in ("istio", "gateway")]


async def left_gray(place: Place, way: str) -> None:
    """A workload of others, with a gray release of v2 that nobody goes on with."""
    await place.has_way(way)
    await place.has_workload()
    place.decided_by = "ann"
    await place.drive(await place.plan("v2", way), GRAY)


async def routes(place: Place) -> dict[str, object]:
    """What the objects of meshes and gateways say, by name."""
    groups = await place.hands.groups()
    kinds = [kind for kind in (VIRTUAL_SERVICE, HTTP_ROUTE) if kind.group in groups]
    every = [one for kind in kinds for one in await place.hands.all(kind)]
    return {f"{one['kind']} {one['metadata']['name']}": one["spec"] for one in every}


@pytest.mark.parametrize(("before", "after"), PAIRS)
async def test_a_gray_version_left_by_another_strategy_is_off_the_route_before_it_ends(
    place: Place, before: str, after: str
) -> None:
    if after in KINDS:
        await place.ground.serves(KINDS[after].group)
    await left_gray(place, before)
    await place.kept()
    await place.excuse()
    await place.has_way(after)
    deployed = await place.plan("v3", after)
    if before == "canary":
        await place.excuse()  # the pods that it left are behind the Service until they end
    await place.drive(deployed, GRAY)
    assert "v2" not in {tag for _, tag in await place.running()}
    await place.drive(deployed, PROMOTE)
    assert {tag for _, tag in await place.running()} == {"v3"}
    assert f"{NAME}-gray" not in str(await routes(place))
    left = {one["metadata"]["name"] for one in await place.hands.all(SERVICE)}
    assert f"{NAME}-gray" not in left


@pytest.mark.parametrize(("before", "after"), FROM_A_MESH)
async def test_a_version_that_goes_to_everybody_at_once_puts_back_the_routes_of_another_strategy(
    place: Place, before: str, after: str
) -> None:
    await place.has_way(before)
    await place.has_workload()
    found = await routes(place)
    place.decided_by = "ann"
    await place.drive(await place.plan("v2", before), GRAY)
    assert await routes(place) != found
    deployed = await place.plan("v3", after)
    await place.drive(deployed, PROMOTE)
    assert await routes(place) == found
    assert {tag for _, tag in await place.running()} == {"v3"}


@pytest.mark.parametrize(("before", "after"), FROM_A_MESH)
async def test_a_way_back_under_another_strategy_puts_back_the_routes_of_the_first(
    place: Place, before: str, after: str
) -> None:
    await place.has_way(before)
    await place.has_workload()
    found = await routes(place)
    place.decided_by = "ann"
    await place.drive(await place.plan("v2", before), GRAY)
    await place.drive(await place.plan("v2", after), ROLL_BACK)
    assert await routes(place) == found
    assert {tag for _, tag in await place.running()} == {"v1"}
