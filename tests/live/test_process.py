import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.errors import StageFailure
from engine.rollout.fleet import Launch, Reroute, Retire, Route, Scale
from tests.support.process_target import DEMO, Place, runs
from tests.support.traffic import ask_many, ask_once, steady

pytestmark = pytest.mark.live


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    place = Place(tmp_path)
    yield place
    await place.target.shutdown()


async def test_a_released_workload_answers_on_its_fixed_port(place: Place) -> None:
    await place.launch("stable", place.release("v1"), 2)
    await place.route({"stable": 100})
    status, answer = await ask_once(place.port)
    assert (status, answer["version"], answer["group"]) == (200, "v1", "stable")


async def test_no_request_is_lost_while_a_release_goes_through_all_its_moves(place: Place) -> None:
    old, new = place.release("v1"), place.release("v2")
    await place.launch("stable", old, 3)
    await place.route({"stable": 100})
    async with steady(place.port, rate=240) as load:
        await place.launch("gray", new, 1)
        for share in (20, 50, 100):
            await place.route({"stable": 100 - share, "gray": share})
        await place.perform(Scale("stable", 1, place.drain))
        await place.settled("stable")
        await place.launch("stable", new, 3)
        await place.route({"stable": 100})
        await place.perform(Retire("gray", place.drain))
        await place.until(lambda fleet: "gray" not in fleet.groups, "gray is gone")
    assert load.failures == []
    assert load.total > 200
    assert load.answers["gray"] > 0


async def test_no_post_is_lost_while_instances_are_replaced(place: Place) -> None:
    old, new = place.release("v1"), place.release("v2")
    await place.launch("stable", old, 2)
    await place.route({"stable": 100})
    async with steady(place.port, rate=200, key="version", method="POST") as load:
        await place.launch("stable", new, 2)
    assert load.failures == []
    assert load.answers["v2"] > 0


async def test_an_instance_killed_with_9_comes_back_and_no_get_is_lost(place: Place) -> None:
    await place.launch("stable", place.release("v1"), 2)
    await place.route({"stable": 100})
    victim = await _pids(place)
    async with steady(place.port, rate=200) as load:
        os.kill(victim[0], signal.SIGKILL)
        await place.until(lambda fleet: not fleet.groups["stable"].is_settled(), "the loss is seen")
        await place.settled("stable")
    assert load.failures == []
    assert set(await _pids(place)) != set(victim)


async def test_a_bot_that_was_killed_in_the_middle_of_a_roll_goes_on(place: Place) -> None:
    old, new = place.release("v1"), place.release("v2")
    await place.launch("stable", old, 3)
    await place.route({"stable": 100})
    async with steady(place.port, rate=200, key="version") as load:
        await place.perform(Launch("stable", new, 3))
        await place.until(lambda fleet: fleet.groups["stable"].ready.get(new, 0) >= 1, "the roll is under way")
        place.another_target()
        group = await place.settled("stable")
    assert load.failures == []
    assert group.ready == {new: 3}


async def test_a_release_that_never_gets_ready_leaves_the_traffic_and_says_why(place: Place) -> None:
    old = place.release("v1")
    new = place.release("v2", command="echo no database >&2; exit 3")
    await place.launch("stable", old, 2)
    await place.route({"stable": 100})
    await place.perform(Launch("stable", new, 2))
    fleet = await place.until(lambda fleet: bool(fleet.groups["stable"].trouble), "the trouble is told")
    assert fleet.groups["stable"].ready == {old: 2}
    assert "exit code 3: no database" in fleet.groups["stable"].trouble
    tally = await ask_many(place.port, 50, key="version")
    assert tally.answers == {"v1": 50}
    await place.launch("stable", old, 2)


async def test_an_instance_that_answers_500_gets_no_traffic_and_says_so(place: Place) -> None:
    await place.perform(Launch("gray", place.release("v1", {"SERVICE_HEALTH": "500"}), 1))
    fleet = await place.until(lambda fleet: bool(fleet.groups["gray"].trouble), "the trouble is told")
    assert "answers 500 at /healthz" in fleet.groups["gray"].trouble
    assert fleet.groups["gray"].ready_now() == 0


async def test_a_release_without_a_health_path_is_ready_when_its_port_opens(place: Place) -> None:
    await place.launch("stable", place.release("v1", http=None), 1)


async def test_an_instance_sees_its_settings_and_nothing_of_the_bots_environment(place: Place) -> None:
    awkward = 'a "b" %s ${c}; d'
    release = place.release("v1", {"GREETING": awkward}, command=f"env | sort; exec {DEMO}")
    await place.launch("stable", release, 1)
    (log,) = (place.root / "place/logs").glob("hello.stable.*.out")
    seen = dict(line.partition("=")[::2] for line in log.read_text().splitlines())
    assert seen["GREETING"] == awkward
    assert seen["SLUICE_VERSION"] == "v1"
    assert "PYTEST_CURRENT_TEST" in os.environ
    assert "PYTEST_CURRENT_TEST" not in seen


async def test_everything_that_retires_is_ended_and_its_traces_removed(place: Place) -> None:
    await place.launch("gray", place.release("v1"), 2)
    pids = await _pids(place)
    await place.perform(Retire("gray", place.drain))
    await place.until(lambda fleet: not fleet.groups, "gray is gone")
    assert not any(runs(pid) for pid in pids)
    assert [path.name for path in (place.root / "place/programs").iterdir() if "gray" in path.name] == []
    assert await place.target.instances("hello") == ()


async def test_forgetting_a_workload_closes_its_port_and_ends_its_processes(place: Place) -> None:
    await place.launch("stable", place.release("v1"), 2)
    pids = await _pids(place)
    await place.target.forget("hello")
    assert not any(runs(pid) for pid in pids)
    fleet = await place.target.observe(place.placement)
    assert not fleet.groups


async def test_a_roll_that_is_taken_back_halfway_loses_nothing(place: Place) -> None:
    old, new = place.release("v1"), place.release("v2")
    await place.launch("stable", old, 3)
    await place.route({"stable": 100})
    async with steady(place.port, rate=200, key="version") as load:
        await place.perform(Launch("stable", new, 3))
        await place.until(lambda fleet: fleet.groups["stable"].ready.get(new, 0) >= 1, "the roll is under way")
        await place.launch("stable", old, 3)
    assert load.failures == []
    assert (await place.settled("stable")).ready == {old: 3}


async def test_asking_for_the_same_move_twice_changes_nothing(place: Place) -> None:
    release = place.release("v1")
    await place.launch("stable", release, 2)
    names = {each.name for each in await place.target.instances("hello")}
    await place.launch("stable", release, 2)
    await place.perform(Reroute(Route({"stable": 100})))
    await place.route({"stable": 100})
    assert {each.name for each in await place.target.instances("hello")} == names


async def _pids(place: Place) -> list[int]:
    await place.fleet()
    run = place.root / "place/run"
    return [place.target._supervisor.living(path.stem) for path in sorted(run.glob("hello.*.pid"))]


async def test_a_bundle_without_a_web_line_is_refused_before_anything_is_started(place: Place) -> None:
    release = place.release("v1")
    place.commands["sha256:v1"] = ""
    with pytest.raises(StageFailure, match="web: line"):
        await place.perform(Launch("stable", release, 1))
    assert not (await place.fleet()).groups
