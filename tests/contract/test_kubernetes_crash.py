"""A bot that dies between any two writes, and one that knows nothing but the cluster and goes on; people who stop it.

The workload is one of others, so that what was found has to be remembered across the deaths as well.
"""

import itertools

import pytest

from engine.rollout.fleet import Fleet, GoalKind
from tests.support.kube_place import WAYS, Place
from tests.support.kube_places import on_stand_in

GRAY, PROMOTE, ROLL_BACK = GoalKind.GRAY, GoalKind.PROMOTE, GoalKind.ROLL_BACK
every_way = pytest.mark.parametrize("way", WAYS)
WRITES = {"canary": 14, "blue_green": 11, "istio": 20, "gateway": 20}
"""As many writes as the gray release and the promotion of a found workload take, or a few more."""


async def begun(place: Place, way: str) -> None:
    """A workload of others, which ann has decided to hand over."""
    await place.has_routed_workload(way)
    place.decided_by = "ann"


@every_way
async def test_a_release_takes_no_more_writes_than_are_tried_here(way: str) -> None:
    async with on_stand_in() as place:
        await begun(place, way)
        deployed = await place.plan("v2", way)
        await place.drive(deployed, GRAY)
        await place.drive(deployed, PROMOTE)
        assert place.writes <= WRITES[way]


@pytest.mark.parametrize(("way", "left"), [(way, left) for way in WAYS for left in range(1, WRITES[way] + 1)])
async def test_a_bot_killed_between_two_writes_is_followed_by_one_that_goes_on(way: str, left: int) -> None:
    async with on_stand_in() as place:
        await begun(place, way)
        deployed = await place.plan("v2", way)
        await place.survive(deployed, (GRAY, PROMOTE), left, lives=1)
        assert {tag for _, tag in await place.running()} == {"v2"}


@every_way
async def test_bots_killed_after_every_single_write_bring_a_release_to_everybody(place: Place, way: str) -> None:
    await begun(place, way)
    deployed = await place.plan("v2", way)
    assert await place.survive(deployed, (GRAY, PROMOTE), left=1) >= 7
    assert {tag for _, tag in await place.running()} == {"v2"}


@every_way
async def test_bots_killed_after_every_single_write_take_a_release_back(place: Place, way: str) -> None:
    await begun(place, way)
    before = await place.untouched()
    deployed = await place.plan("v2", way)
    await place.drive(deployed, GRAY)
    assert await place.survive(deployed, (ROLL_BACK,), left=1) >= 3
    await place.until(lambda pods: len(pods) == 3, "only the old instances are left")
    if way in ("istio", "blue_green"):
        assert await place.untouched() == before


@every_way
async def test_bots_killed_after_every_single_write_make_a_new_workload(place: Place, way: str) -> None:
    await place.has_way(way)
    deployed = await place.plan("v1", way)
    assert await place.survive(deployed, (PROMOTE,), left=1) >= 2
    assert {tag for _, tag in await place.running()} == {"v1"}


@pytest.mark.parametrize(("way", "looks"), list(itertools.product(WAYS, range(2, 40, 9))))
async def test_a_release_stopped_at_any_moment_leads_back_to_what_was_found(way: str, looks: int) -> None:
    async with on_stand_in() as place:
        await begun(place, way)
        deployed = await place.plan("v2", way)
        left = itertools.count(looks, -1)

        def is_stopped(_fleet: Fleet) -> bool:
            return next(left) <= 0

        for kind in (GRAY, PROMOTE):
            await place.drive(deployed, kind, until=is_stopped)
        await place.drive(deployed, ROLL_BACK)
        await place.until(lambda pods: len(pods) == 3, "only the old instances are left")
        assert {tag for _, tag in await place.running()} == {"v1"}
