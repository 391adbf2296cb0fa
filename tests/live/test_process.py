import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.errors import StageFailure
from engine.rollout.fleet import Launch, Retire
from tests.support.process_target import DEMO, Place, runs
from tests.support.traffic import steady

pytestmark = pytest.mark.live


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    place = Place(tmp_path)
    yield place
    await place.target.shutdown()


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


async def test_an_instance_that_answers_500_gets_no_traffic_and_says_so(place: Place) -> None:
    await place.perform(Launch("gray", place.release("v1", {"SERVICE_HEALTH": "500"}), 1))
    fleet = await place.until(lambda fleet: bool(fleet.groups["gray"].trouble), "the trouble is told")
    assert "answers 500 at /healthz" in fleet.groups["gray"].trouble
    assert fleet.groups["gray"].ready_now() == 0


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
