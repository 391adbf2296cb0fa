from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from engine.errors import InvariantViolation
from engine.ports import Placement
from engine.rollout.fleet import Launch, ReleaseId, Reroute, Retire, Route
from engine.rollout.rolling import InstanceState
from engine.routing.envoy import Seen
from engine.routing.envoy_config import LOOPBACK, Endpoint, routes, version_of
from engine.targets.fronted.advance import Facts, advance, decide
from engine.targets.fronted.readiness import Verdict
from engine.targets.fronted.report import fleet_of
from engine.targets.fronted.state import Check, InstanceRecord, Tally, Workload
from engine.targets.fronted.supervisor import Seen as Program
from engine.targets.fronted.wishes import blank, wish

V1, V2 = ReleaseId("hello@1"), ReleaseId("hello@2")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
DRAIN = timedelta(seconds=5)
PLACEMENT = Placement("hello", 8080, {}, drain=DRAIN)
GOOD, BAD, CLOSED = Verdict(ready=True), Verdict(ready=False, said="answers 500 at /"), Verdict(ready=False, open=False)


class World:
    """supervisord, Envoy and the instances as a test wants them, around one workload."""

    def __init__(self) -> None:
        self.now = NOW
        self.workload: Workload = blank(PLACEMENT)
        self.hosts: dict[str, frozenset[Endpoint]] = {}
        self.versions: dict[str, str] = {}
        self.places = (Endpoint(LOOPBACK, port) for port in range(1000, 2000))

    def ask(self, move: Launch | Reroute | Retire) -> None:
        self.workload = wish(self.workload, PLACEMENT, move, self.now)

    def envoy_follows(self) -> None:
        site = self.workload.site
        self.hosts = {f"hello/{group}": frozenset(places) for group, places in site.endpoints.items()}
        self.versions = {"hello": version_of(routes(site))}

    def tick(
        self,
        verdict: Verdict | None = GOOD,
        gone: Iterable[str] = (),
        strangers: Iterable[str] = (),
        lost: Iterable[str] = (),
    ) -> None:
        self.now += timedelta(seconds=1)
        serving = [each.name for each in self.workload.instances if each.serves]
        facts = Facts(
            proxy=Seen(frozenset({"hello"}), versions=self.versions, hosts=self.hosts),
            programs={
                each.name: Program("RUNNING", 1, fresh=False)
                for each in self.workload.instances
                if each.name not in gone
            },
            verdicts=dict.fromkeys(serving, verdict) if verdict else {},
            strangers=frozenset(strangers),
            lost=frozenset(lost),
        )
        advanced = advance(self.workload, facts, self.now)
        self.workload = decide(advanced, dict.fromkeys((V1, V2), Check()), lambda _: next(self.places), self.now)

    def settle(self) -> None:
        for _ in range(30):
            self.envoy_follows()
            self.tick(gone=[each.name for each in self.workload.instances if each.ending])

    def one(self, group: str = "stable") -> InstanceRecord:
        return next(each for each in self.workload.instances if each.group == group)


def _nowhere(release: ReleaseId) -> Endpoint:
    raise AssertionError(f"{release} is not to be started")


@pytest.fixture
def world() -> World:
    return World()


def test_an_instance_is_listed_only_after_it_was_ready_and_ready_only_after_envoy_has_it(world: World) -> None:
    world.ask(Launch("stable", V1, 1))
    world.tick(CLOSED)
    world.tick(CLOSED)
    assert not world.one().listed
    world.tick(GOOD)
    assert world.one().listed
    assert world.one().state is InstanceState.STARTING
    world.envoy_follows()
    world.tick(GOOD)
    assert world.one().state is InstanceState.READY


def test_the_drain_time_begins_when_envoy_has_let_go(world: World) -> None:
    world.ask(Launch("stable", V1, 1))
    world.settle()
    world.ask(Reroute(Route({"stable": 100})))
    world.settle()
    world.ask(Reroute(Route()))
    world.settle()
    world.ask(Retire("stable", DRAIN))
    for _ in range(20):
        world.tick()
    assert world.one().state is InstanceState.DRAINING
    assert not world.one().ending
    world.envoy_follows()
    world.tick()
    let_go = world.now
    while not world.one().ending:
        world.tick()
    assert world.now - let_go == DRAIN


def test_a_group_that_the_route_names_is_not_retired(world: World) -> None:
    world.ask(Launch("stable", V1, 1))
    world.settle()
    world.ask(Reroute(Route({"stable": 100})))
    world.ask(Retire("stable", DRAIN))
    world.settle()
    assert world.one().state is InstanceState.READY


def test_a_ready_instance_that_fails_three_times_leaves_the_traffic_unless_it_is_the_last(world: World) -> None:
    world.ask(Launch("stable", V1, 2))
    world.settle()
    for _ in range(2):
        world.tick(BAD)
    assert all(each.listed for each in world.workload.instances)
    world.tick(BAD)
    assert [each.listed for each in world.workload.instances].count(True) == 1
    assert all(each.state is InstanceState.UNREADY for each in world.workload.instances)
    assert "answers 500 at /" in fleet_of(world.workload, None).groups["stable"].trouble


def test_an_instance_whose_port_a_stranger_has_gets_another(world: World) -> None:
    world.ask(Launch("stable", V1, 1))
    world.tick(CLOSED)
    first = world.one()
    world.tick(GOOD, strangers=[first.name])
    assert [(each.port, each.ending, each.listed) for each in world.workload.instances] == [
        (first.port, True, False),
        (first.port + 1, False, False),
    ]


def test_a_missing_instance_whose_place_somebody_has_gets_another_also_when_it_was_the_only_one(world: World) -> None:
    world.ask(Launch("stable", V1, 1))
    world.settle()
    served = world.one()
    assert served.reached
    world.tick(CLOSED, strangers=[served.name])
    assert [each.ending for each in world.workload.instances] == [False]
    world.tick(CLOSED, strangers=[served.name], gone=[served.name])
    assert [each.ending for each in world.workload.instances] == [True, False]
    world.settle()
    assert [each.name for each in world.workload.instances] == ["hello.stable.2"]


def test_an_instance_whose_address_leads_nowhere_gets_another_unless_it_has_served(world: World) -> None:
    world.ask(Launch("stable", V1, 1))
    world.tick(CLOSED)
    first = world.one()
    world.tick(CLOSED, lost=[first.name])
    assert [each.ending for each in world.workload.instances] == [True, False]
    world.settle()
    served = world.one()
    world.tick(CLOSED, lost=[served.name])
    assert [each.ending for each in world.workload.instances] == [False]


def test_a_group_is_unrouted_since_envoy_follows_a_route_without_it(world: World) -> None:
    world.ask(Launch("stable", V1, 1))
    world.ask(Launch("gray", V2, 1))
    world.settle()
    world.ask(Reroute(Route({"gray": 100})))
    world.settle()
    world.ask(Reroute(Route({"stable": 100})))
    assert world.workload.groups["gray"].unrouted_since is None
    world.tick()
    assert world.workload.groups["gray"].unrouted_since is None
    world.envoy_follows()
    world.tick()
    assert world.workload.groups["gray"].unrouted_since == world.now


def test_without_an_answer_from_envoy_nothing_that_drains_is_ended(world: World) -> None:
    world.ask(Launch("stable", V1, 1))
    world.settle()
    world.workload = replace(
        world.workload,
        instances=(replace(world.one(), state=InstanceState.DRAINING, listed=False, exposed=True),),
    )
    later = world.now + timedelta(hours=1)
    after = decide(advance(world.workload, Facts(), later), {}, _nowhere, later)
    assert not after.instances[0].ending


def test_a_roll_ends_with_the_new_release_only(world: World) -> None:
    world.ask(Launch("stable", V1, 3))
    world.settle()
    world.ask(Launch("stable", V2, 3))
    world.settle()
    assert fleet_of(world.workload, None).groups["stable"].is_settled()
    assert {each.release for each in world.workload.instances} == {V2}


def test_a_route_to_a_group_that_is_not_there_is_a_bug_and_changes_nothing(world: World) -> None:
    with pytest.raises(InvariantViolation, match="hello has no group gray"):
        world.ask(Reroute(Route({"gray": 100})))


def test_retiring_a_group_that_is_gone_changes_nothing(world: World) -> None:
    before = world.workload
    world.ask(Retire("gray"))
    assert world.workload == before


def test_a_counter_goes_on_after_the_proxy_began_anew() -> None:
    tally = Tally().read(40, reborn=False).read(5, reborn=True).read(7, reborn=False).read(2, reborn=False)
    assert tally.total == 49
