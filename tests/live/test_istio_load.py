"""What Istio itself makes of a release: real requests through its gateway, under load, whatever becomes of the release.

Beside what tests marked `cluster` need anyway, it takes a cluster where Istio's control plane runs and looks at every
namespace, and an ingress gateway that follows it. ``SLUICE_TEST_ISTIO_GATEWAY=HOST:PORT`` says where port 80 of the
gateway is reached from here, ``SLUICE_TEST_ISTIO_SELECTOR`` (``NAME=VALUE``, several with commas) which labels its pods
have, if not ``istio=ingressgateway``. The test's namespace has no label for injection: the gateway speaks plain HTTP to
the pods there. Each test makes a Gateway and a VirtualService for a host of its own (``NAMESPACE.example.com``, which
need not be known to any DNS).

The team's VirtualService was there before Sluice. Its route to the workload stands between two that lead to another
workload, and those are visited all the while, too.
"""

import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from engine.deployed import Deployed
from engine.rollout.fleet import Fleet, GoalKind
from engine.targets.kubernetes.kinds import VIRTUAL_SERVICE
from tests.support.eventually import eventually
from tests.support.istio_gateway import REPORTS, ROUTES, SHOP, Ingress, has_team, routes_of, versions
from tests.support.kube_place import Place
from tests.support.kube_places import on_cluster
from tests.support.kube_traffic import Crowd, visited_at

pytestmark = [pytest.mark.live, pytest.mark.cluster, pytest.mark.timeout(600)]

Json = dict[str, Any]
GRAY, PROMOTE, ROLL_BACK = GoalKind.GRAY, GoalKind.PROMOTE, GoalKind.ROLL_BACK

IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X)"
CHROME_ON_IOS = f"{IPHONE} CriOS/120.0 Mobile/15E148 Safari/604.1"
SAFARI_ON_IOS = f"{IPHONE} Version/17.0 Mobile/15E148 Safari/604.1"
EDGE_ON_IOS = f"{IPHONE} CriOS/120.0 EdgiOS/120.0 Safari/604.1"
CHROME_ON_LINUX = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/120.0.0.0 Safari/537.36"
CONTENT = [
    {"headers": {"X-Tester": {"exact": "yes"}, "X-Team": {"regex": "shop-(a|b)"}}},
    {"cookie": {"exact": "beta=yes"}},
    {"cookie": {"regex": "lane=g[0-9]+"}},
    {"systems": ["ios"], "browsers": ["chrome"]},
]
TESTERS = (
    {"x-tester": "yes", "x-team": "shop-b"},
    {"cookie": "a=1; beta=yes; b=2"},
    {"cookie": "lane=g12"},
    {"user-agent": CHROME_ON_IOS},
)
OTHERS: tuple[dict[str, str], ...] = (
    {},
    {"x-tester": "yes"},
    {"x-tester": "yes", "x-team": "shop-c"},
    {"x-tester": "yes", "x-team": "shop-ab"},
    {"cookie": "xbeta=yes; beta=yesterday"},
    {"cookie": "lane=g"},
    {"user-agent": SAFARI_ON_IOS},
    {"user-agent": EDGE_ON_IOS},
    {"user-agent": CHROME_ON_LINUX},
    {"user-agent": ""},
)


@dataclass(frozen=True, slots=True)
class Mesh:
    """One namespace of a mesh, the way in, and the team's routes as they were found."""

    place: Place
    ingress: Ingress
    found: Json

    async def routes(self) -> Json:
        """What the team's VirtualService says now."""
        return routes_of(await self.place.hands.get(VIRTUAL_SERVICE, ROUTES))

    async def only(self, version: str) -> None:
        """Wait until all that runs is three instances of one version; the routes are as they were found by then."""

        async def is_so() -> bool:
            return await versions(self.place) == {version: 3}

        await eventually(is_so, f"only {version}", self.place.pace.within, self.place.pace.between)
        assert await self.routes() == self.found

    async def in_gray(self, tag: str = "v2", **settings: Any) -> Deployed:
        deployed = await self.place.plan(tag, "istio", **settings)
        await self.place.drive(deployed, GRAY)
        return deployed


@pytest.fixture
async def mesh() -> AsyncIterator[Mesh]:
    async with on_cluster() as place:
        ingress = Ingress.given(place.namespace)
        found = await has_team(place, ingress)
        place.decided_by = "ann"

        async def is_open() -> bool:
            return await ingress.ask({}, {}, path=SHOP) + await ingress.ask({}, path="/") == [{"v1"}] * 3

        await eventually(is_open, "the gateway leads to the workload", place.pace.within, place.pace.between)
        yield Mesh(place, ingress, found)


@asynccontextmanager
async def load(mesh: Mesh, capsys: pytest.CaptureFixture[str], story: str) -> AsyncIterator[Crowd]:
    """Visitors all the while; afterwards the story's figures are told. Nobody may be turned away or led astray."""
    begun, errand = time.monotonic(), mesh.ingress.errand
    plain, foreign = [errand("plain")] * 8, [errand("before", f"{SHOP}/{REPORTS}"), errand("after", "/prices")]
    async with visited_at(mesh.ingress.address, [*plain, *foreign * 2], rate=225) as crowd:
        yield crowd
    seconds, tally = time.monotonic() - begun, crowd.tally
    shares = ", ".join(f"{count} {name}" for name, count in sorted(tally.answers.items()))
    with capsys.disabled():
        print(f"\n{story}: {tally.total} requests, {len(tally.failures)} failed, {seconds:.0f} s ({shares})")
    assert not tally.failures, [one.words for one in tally.failures]
    assert not tally.again, [one.words for one in tally.again]
    assert tally.total > 20 * seconds
    assert {name for name in tally.answers if not name.startswith("plain")} == {"before v3", "after v3"}


async def split(crowd: Crowd, capsys: pytest.CaptureFixture[str], wanted: int) -> None:
    """See that `wanted` percent of the plain requests from now on reach v2."""
    before, now = await _plain(crowd), Counter[str]()

    async def are_enough() -> bool:
        nonlocal now
        now = await _plain(crowd) - before
        return now.total() >= 2000

    await eventually(are_enough, "two thousand plain requests", 60, 0.1)
    seen = 100 * now["plain v2"] / now.total()
    with capsys.disabled():
        print(f"\n  {wanted} % wanted, {seen:.1f} % of {now.total()} seen")
    assert seen == pytest.approx(wanted, abs=4)


async def _plain(crowd: Crowd) -> Counter[str]:
    answers = (await crowd.so_far()).answers
    return Counter({name: count for name, count in answers.items() if name.startswith("plain ")})


async def test_the_gateway_gives_gray_its_share_and_follows_a_new_one_until_the_promotion(
    mesh: Mesh, capsys: pytest.CaptureFixture[str]
) -> None:
    async with load(mesh, capsys, "adoption, gray 20 %, then 50 %, promotion") as crowd:
        deployed = await mesh.in_gray(policy={"ratio": 20})
        await split(crowd, capsys, 20)
        await mesh.place.drive(deployed, GRAY, share=50)
        await split(crowd, capsys, 50)
        await mesh.place.drive(deployed, PROMOTE)
        await mesh.only("v2")
    assert await mesh.ingress.ask({}, times=20) == [{"v2"}]


async def test_a_content_rule_lets_its_testers_reach_gray_and_no_plain_request(
    mesh: Mesh, capsys: pytest.CaptureFixture[str]
) -> None:
    async with load(mesh, capsys, "adoption, gray by content, promotion") as crowd:
        deployed = await mesh.in_gray(policy={"content": CONTENT})
        assert await mesh.ingress.ask(*TESTERS, times=20) == [{"v2"}] * len(TESTERS)
        assert await mesh.ingress.ask(*OTHERS, times=20) == [{"v1"}] * len(OTHERS)
        for path in (f"{SHOP}/{REPORTS}", "/prices"):
            assert await mesh.ingress.ask(*TESTERS, path=path) == [{"v3"}] * len(TESTERS)
        assert await mesh.ingress.ask(*TESTERS, path="/") == [{"v2"}] * len(TESTERS)
        await split(crowd, capsys, 0)
        assert "plain v2" not in (await crowd.so_far()).answers
        await mesh.place.drive(deployed, PROMOTE)
        await mesh.only("v2")
    assert await mesh.ingress.ask({}, times=20) == [{"v2"}]


async def test_testers_and_a_share_of_the_plain_requests_reach_gray_together_until_it_is_taken_back(
    mesh: Mesh, capsys: pytest.CaptureFixture[str]
) -> None:
    async with load(mesh, capsys, "adoption, gray 30 % and by content, roll-back") as crowd:
        deployed = await mesh.in_gray(policy={"ratio": 30, "content": CONTENT})
        assert await mesh.ingress.ask(*TESTERS, times=20) == [{"v2"}] * len(TESTERS)
        await split(crowd, capsys, 30)
        await mesh.place.drive(deployed, ROLL_BACK)
        await mesh.only("v1")
    assert await mesh.ingress.ask(*TESTERS, times=20) == [{"v1"}] * len(TESTERS)


async def test_nobody_is_turned_away_when_a_promotion_is_stopped_in_its_middle(
    mesh: Mesh, capsys: pytest.CaptureFixture[str]
) -> None:
    async with load(mesh, capsys, "adoption, gray 20 %, promotion stopped"):
        deployed = await mesh.in_gray(policy={"ratio": 20})

        def is_being_promoted(fleet: Fleet) -> bool:
            return fleet.groups["stable"].present.get(deployed.new.id, 0) > 0

        await mesh.place.drive(deployed, PROMOTE, until=is_being_promoted)
        await mesh.place.drive(deployed, ROLL_BACK)
        await mesh.only("v1")
    assert await mesh.ingress.ask({}, times=20) == [{"v1"}]


async def test_nobody_is_turned_away_by_a_version_that_never_gets_ready(
    mesh: Mesh, capsys: pytest.CaptureFixture[str]
) -> None:
    async with load(mesh, capsys, "a bad version in gray, then promoted, then taken back") as crowd:
        deployed = await mesh.place.plan("bad", "istio", policy={"ratio": 20, "content": CONTENT})
        for kind in (GRAY, PROMOTE):
            await mesh.place.drive(deployed, kind, until=lambda fleet: any(g.trouble for g in fleet.groups.values()))
        await mesh.place.drive(deployed, ROLL_BACK)
        await mesh.only("v1")
    assert crowd.tally.answers.keys() == {"plain v1", "before v3", "after v3"}
