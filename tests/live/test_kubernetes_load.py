"""What a real cluster promises visitors: no request is lost, whatever becomes of a release and whenever.

The workload was made by others, so each story begins with its adoption. Its pods go on answering for a while when they
are told to end, as everybody's should: Sluice sees to that in those that it makes. Where they do not, gray takes their
requests before they end.

A visitor who keeps a connection stays with the pod until it closes that, and a request that meets the closing is made
once more, as HTTP clients do. So a pod may close connections only when new ones have long gone elsewhere.
"""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from engine.deployed import Deployed
from engine.rollout.fleet import Fleet, GoalKind
from tests.support.kube_lives import left_at, life_of
from tests.support.kube_place import Place
from tests.support.kube_places import on_cluster
from tests.support.kube_promises import Change
from tests.support.kube_surroundings import NAME
from tests.support.kube_traffic import visited
from tests.support.visitors import Mishap, Tally

pytestmark = [pytest.mark.live, pytest.mark.cluster, pytest.mark.timeout(600)]

GRAY, PROMOTE, ROLL_BACK = GoalKind.GRAY, GoalKind.PROMOTE, GoalKind.ROLL_BACK
every_way = pytest.mark.parametrize("way", ["canary", "blue_green"])


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    async with on_cluster() as place:
        await place.has_workload(lifecycle={"preStop": {"sleep": {"seconds": 3}}})
        place.decided_by = "ann"
        yield place


@asynccontextmanager
async def load(place: Place, capsys: pytest.CaptureFixture[str], story: str) -> AsyncIterator[Tally]:
    """Visitors all the while; afterwards the story's figures are told, and nobody may have been turned away."""
    begun = time.monotonic()
    async with visited(place.namespace, NAME) as tally:
        yield tally
    seconds = time.monotonic() - begun
    changes = await place.ground.changes()
    shares = ", ".join(f"{count} {version}" for version, count in sorted(tally.answers.items()))
    counts = f"{tally.total} requests, {len(tally.failures)} failed, {len(tally.again)} made again"
    with capsys.disabled():
        print(f"\n{story}: {counts}, {seconds:.0f} s ({shares})")
    assert not tally.failures, [f"{one.words}; {life_of(one.host, changes, one.at)}" for one in tally.failures]
    early = [one for one in tally.again if one.at - _left_at(one, changes) < _least_rest(place)]
    assert not early, [f"{one.words}; {life_of(one.host, changes, one.at)}" for one in early]
    assert tally.total > 20 * seconds


def _left_at(seen: Mishap, changes: Sequence[Change]) -> float:
    """Since when the pod had got no new requests; what is yet to come where it still did."""
    left = left_at(seen.host, NAME, changes)
    return float("inf") if left is None else left


def _least_rest(place: Place) -> float:
    """How many seconds a pod goes on at the least when it gets no new requests any more."""
    return (place.pace.drain - place.pace.slack).total_seconds()


async def in_gray(place: Place, way: str) -> Deployed:
    deployed = await place.plan("v2", way)
    await place.drive(deployed, GRAY)
    return deployed


@pytest.mark.parametrize("end", [PROMOTE, ROLL_BACK])
async def test_pods_that_end_at_once_are_spared_requests_before_they_do(
    end: GoalKind, capsys: pytest.CaptureFixture[str]
) -> None:
    async with on_cluster() as place:
        await place.has_workload()
        place.decided_by = "ann"
        async with load(place, capsys, f"canary: adoption of pods without a preStop hook, gray, {end}"):
            deployed = await in_gray(place, "canary")
            await place.drive(deployed, end)
            await only(place, "v2" if end is PROMOTE else "v1")


async def only(place: Place, tag: str) -> None:
    """Wait until all that runs is three ready instances of one version, or six of them in two colours."""
    await place.until(
        lambda pods: all(pod["spec"]["containers"][0]["image"].endswith(tag) for pod in pods), f"all {tag}"
    )


@every_way
async def test_nobody_is_turned_away_from_the_adoption_to_the_end_of_the_promotion(
    place: Place, way: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with load(place, capsys, f"{way}: adoption, gray, promotion") as tally:
        deployed = await in_gray(place, way)
        await place.drive(deployed, PROMOTE)
    assert tally.answers["v2"] > 0
    assert {tag for _, tag in await place.running()} == {"v2"}


@every_way
async def test_nobody_is_turned_away_when_a_gray_release_is_taken_back(
    place: Place, way: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with load(place, capsys, f"{way}: adoption, gray, roll-back"):
        deployed = await in_gray(place, way)
        await place.drive(deployed, ROLL_BACK)
        await only(place, "v1")


@every_way
async def test_nobody_is_turned_away_when_a_promotion_is_stopped_in_its_middle(
    place: Place, way: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with load(place, capsys, f"{way}: adoption, gray, promotion stopped"):
        deployed = await in_gray(place, way)
        await place.drive(deployed, PROMOTE, until=lambda fleet: is_being_promoted(fleet, deployed))
        await place.drive(deployed, ROLL_BACK)
        await only(place, "v1")


def is_being_promoted(fleet: Fleet, deployed: Deployed) -> bool:
    """Whether some of the official instances are new ones already, or the new colour is the one that serves."""
    stable = fleet.groups["stable"]
    rolled = stable.present.get(deployed.new.id, 0) > 0
    return rolled or (fleet.route.weights.get("stable", 0) == 0 and fleet.in_effect)


async def test_nobody_is_turned_away_when_a_canary_is_taken_back_after_it_went_to_everybody(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    async with load(place, capsys, "canary: adoption, promotion, roll-back afterwards") as tally:
        deployed = await in_gray(place, "canary")
        await place.drive(deployed, PROMOTE)
        back = Deployed(place.workload, deployed.spec, deployed.old or deployed.new, deployed.new, "hello", "hello-2")
        await place.drive(back, PROMOTE)
        await only(place, "v1")
    assert tally.answers["v2"] > 0


@every_way
async def test_nobody_is_turned_away_by_a_version_that_never_gets_ready(
    place: Place, way: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with load(place, capsys, f"{way}: a bad version in gray, then promoted, then taken back") as tally:
        deployed = await place.plan("bad", way)
        for kind in (GRAY, PROMOTE):
            await place.drive(deployed, kind, until=is_in_trouble)
        await place.drive(deployed, ROLL_BACK)
        await only(place, "v1")
    assert set(tally.answers) == {"v1"}


def is_in_trouble(fleet: Fleet) -> bool:
    return any(group.trouble for group in fleet.groups.values())
