"""Clusters whose Istio or Gateway API is older than the version that is used here: they are as if they had none."""

from collections.abc import AsyncIterator

import pytest

from engine.errors import StageFailure
from engine.rollout.fleet import GoalKind
from engine.targets.kubernetes.kinds import HTTP_ROUTE, VIRTUAL_SERVICE
from tests.support.kube_place import Place
from tests.support.kube_places import StandIn, on_stand_in


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    async with on_stand_in() as place:
        assert isinstance(place.ground, StandIn)
        place.ground.kube.serve_older(HTTP_ROUTE.group)
        place.ground.kube.serve_older(VIRTUAL_SERVICE.group)
        yield place
        for group in (HTTP_ROUTE.group, VIRTUAL_SERVICE.group):
            place.ground.kube.serve_older(group, on=False)  # for the look that follows every test


async def test_a_canary_goes_by_instances_where_the_gateway_api_is_too_old(place: Place) -> None:
    await place.release("v1", "canary")
    deployed = await place.plan("v2", "canary")
    await place.drive(deployed, GoalKind.GRAY)
    assert await place.running() == {("stable", "v1"): 2, ("gray", "v2"): 1}
    await place.drive(deployed, GoalKind.ROLL_BACK)
    assert await place.target.effective_route(place.workload)


async def test_istio_is_neither_chosen_nor_taken_where_it_is_too_old(place: Place) -> None:
    plain = place.spec("canary").model_copy()
    plain.model_fields_set.discard("strategy")
    assert (await place.target.fit(place.workload, plain)).strategy == "canary"
    with pytest.raises(StageFailure, match="has no Istio"):
        await place.target.fit(place.workload, place.spec("istio"))
