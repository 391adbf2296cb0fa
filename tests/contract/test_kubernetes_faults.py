"""The API server of a cluster in trouble during every move: a release stands still, goes on, and breaks no promise."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest

from engine.rollout.fleet import Fleet, GoalKind, Reroute
from engine.targets.kubernetes.kinds import HTTP_ROUTE, SERVICE, VIRTUAL_SERVICE, Kind
from tests.support.kube_place import WAYS, Place
from tests.support.kube_places import StandIn, on_stand_in
from tests.support.kube_server import Kube
from tests.support.kube_surroundings import NAME
from tests.support.kube_trouble import Fault

GRAY, PROMOTE, ROLL_BACK = GoalKind.GRAY, GoalKind.PROMOTE, GoalKind.ROLL_BACK
every_way = pytest.mark.parametrize("way", WAYS)
REQUESTS = (Fault.TOO_MANY, Fault.BROKEN, Fault.UNAVAILABLE, Fault.CONFLICT, Fault.RESET, Fault.LOST)
"""Faults of single requests."""


async def mended(kube: Kube) -> None:
    """Let every request go well again."""
    kube.mend()


@dataclass
class Weather:
    """Makes trouble anew whenever a move was made, and before the first one; each is over two looks later."""

    place: Place
    make: Callable[[Kube], Awaitable[None]]
    end: Callable[[Kube], Awaitable[None]] = mended
    storms: int = 0
    _moves: int = -1
    _left: int = 0

    async def pass_over(self) -> None:
        """Begin a storm after a move, or come nearer to its end."""
        if self._left:
            self._left -= 1
            if not self._left:
                await self.end(kube_of(self.place))
        elif len(self.place.moves) != self._moves:
            self._moves, self._left = len(self.place.moves), 3
            self.storms += 1
            await self.make(kube_of(self.place))

    async def clear_up(self) -> None:
        """End it."""
        self.place.before_each = None
        if self._left:
            await self.end(kube_of(self.place))


def stand_in(place: Place) -> StandIn:
    assert isinstance(place.ground, StandIn)
    return place.ground


def kube_of(place: Place) -> Kube:
    return stand_in(place).kube


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    async with on_stand_in() as place:
        yield place


async def released_in(place: Place, way: str, weather: Weather, patience: timedelta | None = None) -> None:
    """A gray release and its promotion under a weather, from which on each answer is waited for so long."""
    await place.has_way(way)
    await place.release("v1", way)
    deployed = await place.plan("v2", way)
    if patience is not None:
        stand_in(place).patience = patience
        place.another_target()
    place.before_each = weather.pass_over
    await place.drive(deployed, GRAY)
    await place.drive(deployed, PROMOTE)
    await weather.clear_up()
    assert {tag for _, tag in await place.running()} == {"v2"}
    assert weather.storms >= 2


@every_way
@pytest.mark.parametrize("fault", REQUESTS)
async def test_requests_that_go_wrong_during_every_move_hold_a_release_up_and_change_nothing_of_it(
    place: Place, way: str, fault: Fault
) -> None:
    async def storm(kube: Kube) -> None:
        kube.fail(fault, times=2)
        kube.fail(fault, times=2, verb="patch")

    await released_in(place, way, Weather(place, storm))
    assert place.interruptions


@every_way
async def test_a_cluster_that_is_gone_during_every_move_is_waited_for(place: Place, way: str) -> None:
    await released_in(place, way, Weather(place, Kube.go_away, Kube.come_back))
    assert place.interruptions


@every_way
async def test_answers_that_are_late_during_every_move_are_not_waited_for_for_ever(place: Place, way: str) -> None:
    async def storm(kube: Kube) -> None:
        kube.fail(Fault.SLOW, times=2, verb="patch")

    await released_in(place, way, Weather(place, storm), patience=timedelta(milliseconds=400))
    assert place.interruptions


@every_way
@pytest.mark.parametrize("trouble", ["cut", "ended", "forgotten", "garbage", "silent"])
async def test_watches_that_break_during_every_move_are_begun_again(place: Place, way: str, trouble: str) -> None:
    async def storm(kube: Kube) -> None:
        match trouble:
            case "cut":
                kube.cut_watches()
            case "ended":
                kube.end_watches()
            case "forgotten":
                await place.ground.changes()
                kube.compact()
                kube.cut_watches()
            case "garbage":
                kube.fail(Fault.GARBAGE, times=3)
                kube.end_watches()
            case _:
                kube.fail(Fault.CUT, times=3)
                kube.end_watches()

    await released_in(place, way, Weather(place, storm))


@every_way
async def test_a_way_back_in_bad_weather_leads_to_the_old_version(place: Place, way: str) -> None:
    async def storm(kube: Kube) -> None:
        kube.fail(Fault.LOST, times=1, verb="patch")
        kube.fail(Fault.BROKEN, times=3)

    await place.has_way(way)
    await place.release("v1", way)
    deployed = await place.plan("v2", way)
    await place.drive(deployed, GRAY)
    weather = Weather(place, storm)
    place.before_each = weather.pass_over
    await place.drive(deployed, ROLL_BACK)
    await weather.clear_up()
    await place.until(lambda pods: len(pods) == 3, "only the old instances are left")
    assert {tag for _, tag in await place.running()} == {"v1"}


@pytest.mark.parametrize(("way", "kind"), [("istio", VIRTUAL_SERVICE), ("gateway", HTTP_ROUTE)])
async def test_nobody_is_sent_to_a_gray_service_whose_endpoints_are_late(place: Place, way: str, kind: Kind) -> None:
    await place.has_way(way)
    await place.release("v1", way)
    deployed = await place.plan("v2", way)
    stood = 0

    def is_late(_fleet: Fleet) -> bool:
        nonlocal stood
        if isinstance(place.moves[-1], Reroute):
            stand_in(place).still = True
            stood += 1
        return stood > 15

    await place.drive(deployed, GRAY, until=is_late)
    assert (await place.hands.get(SERVICE, f"{NAME}-gray"))["spec"]["selector"]
    assert f"{NAME}-gray" not in str([one["spec"] for one in await place.hands.all(kind)])
    stand_in(place).still = False
    await place.drive(deployed, GRAY)
    assert f"{NAME}-gray" in str([one["spec"] for one in await place.hands.all(kind)])
