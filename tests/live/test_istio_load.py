"""What a mesh itself makes of a release: real requests through its proxies, under load, whatever becomes of it.

Beside what tests marked `cluster` need anyway, they take proxies that a control plane tells what to do:

* For VirtualServices, Istio in the same cluster, which looks at every namespace, and its ingress gateway:
  ``SLUICE_TEST_ISTIO_GATEWAY=HOST:PORT`` says where port 80 of it is reached from here, ``SLUICE_TEST_ISTIO_SELECTOR``
  (``NAME=VALUE``, several with commas) which labels its pods have, if not ``istio=ingressgateway``.
* For VirtualServices within the mesh, a sidecar that is an HTTP proxy as well (``proxyHttpPort`` in Istio's settings of
  the mesh): ``SLUICE_TEST_ISTIO_PROXY=HOST:PORT`` says where that is reached.
* For HTTPRoutes, a Gateway of the Gateway API, Istio's or another's, that takes routes of every namespace:
  ``SLUICE_TEST_GATEWAY=NAMESPACE/NAME@HOST:PORT`` names it, and where its listener for HTTP is reached. The image has
  to answer every path as it answers ``/``.

Each test makes a namespace, which is not labelled for injection: the proxy has to speak plain HTTP to the pods there.
At a gateway it asks for a host of its own, ``NAMESPACE.example.com``, of which no DNS has to know.

The team's routes were there before Sluice. The one to the workload stands between two that lead to another workload,
and those are visited all the while, too.
"""

import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from engine.deployed import Deployed
from engine.rollout.fleet import Fleet, GoalKind
from engine.targets.kubernetes.kinds import VIRTUAL_SERVICE
from tests.support.eventually import eventually
from tests.support.gateways import CART, FOREIGN, SHOP, Front, front_of, has_team, versions
from tests.support.kube_place import Place
from tests.support.kube_places import on_cluster
from tests.support.kube_traffic import Crowd, visited_at

pytestmark = [pytest.mark.live, pytest.mark.cluster, pytest.mark.timeout(600)]

Json = dict[str, Any]
Headers = Mapping[str, str]
GRAY, PROMOTE, ROLL_BACK = GoalKind.GRAY, GoalKind.PROMOTE, GoalKind.ROLL_BACK

IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X)"
CHROME = f"{IPHONE} CriOS/120.0 Mobile/15E148 Safari/604.1"
CONTENT: tuple[Json, ...] = (
    {"headers": {"X-Tester": {"exact": "yes"}, "X-Team": {"regex": "shop-(a|b)"}}},
    {"cookie": {"exact": "beta=yes"}},
    {"cookie": {"regex": "lane=g[0-9]+"}},
)
BROWSERS: Json = {"systems": ["ios"], "browsers": ["chrome"]}
"""More than an HTTPRoute can say."""
TESTERS: tuple[Headers, ...] = (
    {"x-tester": "yes", "x-team": "shop-b"},
    {"cookie": "a=1; beta=yes; b=2"},
    {"cookie": "lane=g12"},
)
OTHERS: tuple[Headers, ...] = (
    {},
    {"x-tester": "yes"},
    {"x-tester": "yes", "x-team": "shop-c"},
    {"x-tester": "yes", "x-team": "shop-ab"},
    {"cookie": "xbeta=yes; beta=yesterday"},
    {"cookie": "lane=g"},
    {"user-agent": ""},
    {"user-agent": f"{IPHONE} Version/17.0 Mobile/15E148 Safari/604.1"},
    {"user-agent": f"{IPHONE} CriOS/120.0 EdgiOS/120.0 Safari/604.1"},
    {"user-agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/120.0.0.0 Safari/537.36"},
)


@dataclass(frozen=True, slots=True)
class Mesh:
    """One namespace of a mesh, the way into it, and the team's routes as they were found."""

    way: str
    place: Place
    front: Front
    found: Json

    @property
    def content(self) -> list[Json]:
        """The rules that this way can say."""
        return [*CONTENT] if self.way == "gateway" else [*CONTENT, BROWSERS]

    @property
    def testers(self) -> list[Headers]:
        """What requests have in their headers that pass one of them."""
        return [*TESTERS] if self.way == "gateway" else [*TESTERS, {"user-agent": CHROME}]

    async def in_gray(self, **policy: Any) -> Deployed:
        """Release v2 to those whom the policy means."""
        deployed = await self.plan("v2", **policy)
        await self.place.drive(deployed, GRAY)
        return deployed

    async def plan(self, tag: str, **policy: Any) -> Deployed:
        """Ask for the release of this tag."""
        return await self.place.plan(tag, "gateway" if self.way == "gateway" else "istio", policy=policy)

    async def only(self, version: str) -> None:
        """Wait until all that runs is three instances of one version; the routes are as they were found by then."""

        async def is_so() -> bool:
            return await versions(self.place) == {version: 3}

        await eventually(is_so, f"only {version}", self.place.pace.within, self.place.pace.between)
        assert await self.front.routes(self.place) == self.found
        assert await self.front.ask({}, *self.testers, times=20) == [{version}] * (1 + len(self.testers))


@pytest.fixture(params=["istio", "mesh", "gateway"])
async def mesh(request: pytest.FixtureRequest) -> AsyncIterator[Mesh]:
    async with in_mesh(request.param, dict.fromkeys((SHOP, CART), "v1") | dict.fromkeys(FOREIGN.values(), "v3")) as one:
        yield one


@asynccontextmanager
async def in_mesh(way: str, answers: Mapping[str, str]) -> AsyncIterator[Mesh]:
    """A namespace whose workload is reached this way; by path, the version that answers."""
    async with on_cluster() as place:
        front = front_of(way, place.namespace)
        await has_team(place, front)
        place.decided_by = "ann"

        async def is_open() -> bool:
            return all([await front.ask({}, path=path, times=5) == [{one}] for path, one in answers.items()])

        await eventually(is_open, "requests find the workload", place.pace.within, place.pace.between)
        yield Mesh(way, place, front, await front.routes(place))


@asynccontextmanager
async def load(mesh: Mesh, capsys: pytest.CaptureFixture[str], story: str) -> AsyncIterator[Crowd]:
    """Visitors all the while; afterwards the story's figures are told. Nobody may be turned away or led astray."""
    begun, front = time.monotonic(), mesh.front
    foreign = [front.errand(name, path) for name, path in FOREIGN.items() if front.things]
    async with visited_at(front.address, [*[front.errand("plain")] * 8, *foreign * 2], rate=225) as crowd:
        yield crowd
    seconds, tally = time.monotonic() - begun, crowd.tally
    shares = ", ".join(f"{count} {name}" for name, count in sorted(tally.answers.items()))
    counts = f"{tally.total} requests, {len(tally.failures)} failed"
    with capsys.disabled():
        print(f"\n{mesh.way}: {story}: {counts}, {seconds:.0f} s ({shares})")
    assert not tally.failures, [one.words for one in tally.failures]
    assert not tally.again, [one.words for one in tally.again]
    assert tally.total > 20 * seconds
    assert {name for name in tally.answers if not name.startswith("plain")} == {
        f"{name} v3" for name in FOREIGN if front.things
    }


async def split(crowd: Crowd, capsys: pytest.CaptureFixture[str], wanted: int) -> None:
    """See that `wanted` percent of the plain requests from now on reach v2."""
    before, seen = await _plain(crowd), Counter[str]()

    async def are_enough() -> bool:
        nonlocal seen
        seen = await _plain(crowd) - before
        return seen.total() >= 2000

    await eventually(are_enough, "two thousand plain requests", 60, 0.1)
    share = 100 * seen["plain v2"] / seen.total()
    with capsys.disabled():
        print(f"\n  {wanted} % wanted, {share:.1f} % of {seen.total()} seen")
    assert share == pytest.approx(wanted, abs=4 if wanted else 0)


async def _plain(crowd: Crowd) -> Counter[str]:
    answers = (await crowd.so_far()).answers
    return Counter({name: count for name, count in answers.items() if name.startswith("plain ")})


async def test_gray_gets_its_share_and_a_new_one_until_the_promotion(
    mesh: Mesh, capsys: pytest.CaptureFixture[str]
) -> None:
    async with load(mesh, capsys, "adoption, gray 20 %, then 50 %, promotion") as crowd:
        deployed = await mesh.in_gray(ratio=20)
        await split(crowd, capsys, 20)
        await mesh.place.drive(deployed, GRAY, share=50)
        await split(crowd, capsys, 50)
        await mesh.place.drive(deployed, PROMOTE)
        await mesh.only("v2")


async def test_a_content_rule_lets_its_testers_reach_gray_and_no_plain_request(
    mesh: Mesh, capsys: pytest.CaptureFixture[str]
) -> None:
    async with load(mesh, capsys, "adoption, gray by content, promotion") as crowd:
        deployed = await mesh.in_gray(content=mesh.content)
        assert await mesh.front.ask(*mesh.testers, times=20) == [{"v2"}] * len(mesh.testers)
        assert await mesh.front.ask(*mesh.testers, path=CART) == [{"v2"}] * len(mesh.testers)
        assert await mesh.front.ask(*OTHERS, times=20) == [{"v1"}] * len(OTHERS)
        for path in FOREIGN.values():
            assert await mesh.front.ask(*mesh.testers, path=path) == [{"v3"}] * len(mesh.testers)
        await split(crowd, capsys, 0)
        assert "plain v2" not in (await crowd.so_far()).answers
        await mesh.place.drive(deployed, PROMOTE)
        await mesh.only("v2")


async def test_testers_and_a_share_of_the_plain_requests_reach_gray_together_until_it_is_taken_back(
    mesh: Mesh, capsys: pytest.CaptureFixture[str]
) -> None:
    async with load(mesh, capsys, "adoption, gray 30 % and by content, roll-back") as crowd:
        deployed = await mesh.in_gray(ratio=30, content=mesh.content)
        assert await mesh.front.ask(*mesh.testers, times=20) == [{"v2"}] * len(mesh.testers)
        await split(crowd, capsys, 30)
        await mesh.place.drive(deployed, ROLL_BACK)
        await mesh.only("v1")


async def test_nobody_is_turned_away_when_a_promotion_is_stopped_in_its_middle(
    mesh: Mesh, capsys: pytest.CaptureFixture[str]
) -> None:
    async with load(mesh, capsys, "adoption, gray 20 %, promotion stopped"):
        deployed = await mesh.in_gray(ratio=20)

        def is_being_promoted(fleet: Fleet) -> bool:
            return fleet.groups["stable"].present.get(deployed.new.id, 0) > 0

        await mesh.place.drive(deployed, PROMOTE, until=is_being_promoted)
        await mesh.place.drive(deployed, ROLL_BACK)
        await mesh.only("v1")


async def test_nobody_is_turned_away_by_a_version_that_never_gets_ready(
    mesh: Mesh, capsys: pytest.CaptureFixture[str]
) -> None:
    async with load(mesh, capsys, "a bad version in gray, then promoted, then taken back") as crowd:
        deployed = await mesh.plan("bad", ratio=20, content=mesh.content)
        for kind in (GRAY, PROMOTE):
            await mesh.place.drive(deployed, kind, until=is_in_trouble)
        await mesh.place.drive(deployed, ROLL_BACK)
        await mesh.only("v1")
    assert crowd.tally.answers.keys() == {"plain v1", *(f"{name} v3" for name in FOREIGN)}


async def test_a_workload_without_routes_gets_some_for_the_mesh_as_long_as_it_is_in_gray(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with in_mesh("bare", {SHOP: "v1"}) as mesh:
        for end, version in ((ROLL_BACK, "v1"), (PROMOTE, "v2")):
            async with load(mesh, capsys, f"gray 20 % and by content, {end}") as crowd:
                deployed = await mesh.in_gray(ratio=20, content=mesh.content)
                assert await mesh.front.ask(*mesh.testers, times=20) == [{"v2"}] * len(mesh.testers)
                await split(crowd, capsys, 20)
                await mesh.place.drive(deployed, end)
                await mesh.only(version)
            assert not await mesh.place.hands.all(VIRTUAL_SERVICE)


def is_in_trouble(fleet: Fleet) -> bool:
    return any(group.trouble for group in fleet.groups.values())
