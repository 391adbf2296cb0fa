import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.errors import Broken
from engine.rollout.fleet import Launch
from tests.support.eventually import eventually
from tests.support.process_target import Place, runs
from tests.support.traffic import ask_many, ask_once, steady

pytestmark = pytest.mark.live


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    place = Place(tmp_path)
    yield place
    await place.target.shutdown()


async def test_after_supervisord_was_killed_the_same_processes_go_on_and_are_kept_again(place: Place) -> None:
    await place.launch("stable", place.release("v1"), 2)
    await place.route({"stable": 100})
    before = _pids(place)
    async with steady(place.port, rate=200) as load:
        _kill_supervisord(place)
        said = await place.target.keep()
        await _all_running(place)
        await place.settled("stable")
    assert said == ("supervisord had ended; it was started again and found 3 of its 3 programs running.",)
    assert _pids(place) == before
    assert load.failures == []


async def test_a_program_that_was_adopted_comes_back_when_it_is_killed(place: Place) -> None:
    await place.launch("stable", place.release("v1"), 2)
    await place.route({"stable": 100})
    _kill_supervisord(place)
    await place.target.keep()
    await place.settled("stable")
    before = _pids(place)
    os.kill(before["hello.stable.1"], signal.SIGKILL)
    await place.until(lambda fleet: not fleet.groups["stable"].is_settled(), "the loss is seen")
    await place.settled("stable")
    assert _pids(place)["hello.stable.1"] not in {0, before["hello.stable.1"]}
    assert _pids(place)["hello.stable.2"] == before["hello.stable.2"]


async def test_programs_that_were_adopted_twice_end_when_the_target_is_shut_down(place: Place) -> None:
    await place.launch("stable", place.release("v1"), 2)
    for _ in range(2):
        _kill_supervisord(place)
        await place.target.keep()
    pids = _pids(place)
    await place.target.shutdown()
    assert not any(runs(pid) for pid in pids.values())


async def test_a_roll_goes_on_over_a_killed_supervisord(place: Place) -> None:
    old, new = place.release("v1"), place.release("v2")
    await place.launch("stable", old, 3)
    await place.route({"stable": 100})
    async with steady(place.port, rate=200, key="version") as load:
        await place.perform(Launch("stable", new, 3))
        await place.until(lambda fleet: fleet.groups["stable"].ready.get(new, 0) >= 1, "the roll is under way")
        _kill_supervisord(place)
        group = await place.settled("stable")
    assert load.failures == []
    assert group.ready == {new: 3}
    assert len(_pids(place)) == 4


async def test_envoy_comes_back_with_everything_it_knew_when_it_is_killed(place: Place) -> None:
    await place.launch("stable", place.release("v1"), 1)
    await place.route({"stable": 100})
    await ask_many(place.port, 40)
    counted = await place.target.traffic("hello")
    os.kill(_pids(place)["envoy"], signal.SIGKILL)
    said: list[str] = []

    async def it_is_back() -> bool:
        said.extend(await place.target.keep())
        fleet = await place.fleet()
        return "Envoy had ended; supervisord starts it again." in said and fleet.in_effect

    await eventually(it_is_back, "Envoy is back, and that is told")
    await ask_many(place.port, 10)
    assert counted.requests == {"stable": 40}
    assert (await place.target.traffic("hello")).requests == {"stable": 50}


async def test_a_port_that_another_process_has_is_named_before_anything_is_started(place: Place) -> None:
    taken = pytest.raises(Broken, match=rf"Port {place.port} of hello is taken by another process")
    with _another_process_at(place.port), taken as refusal:
        await place.perform(Launch("stable", place.release("v1"), 1))
    assert "End that process" in refusal.value.hint
    assert "another service port" in refusal.value.hint
    assert not (await place.fleet()).groups


async def test_nobody_is_told_to_end_sluice_for_a_port_of_its_own(place: Place) -> None:
    taken = pytest.raises(Broken, match=rf"Port {place.port} of hello is taken by Sluice itself")
    with socket.create_server(("127.0.0.1", place.port)), taken as refusal:
        await place.perform(Launch("stable", place.release("v1"), 1))
    assert "End that process" not in refusal.value.hint
    assert "`stop RUN`, give" in refusal.value.hint


async def test_a_port_that_was_taken_while_envoy_was_down_is_named_and_opened_once_it_is_free(place: Place) -> None:
    await place.launch("stable", place.release("v1"), 1)
    await place.route({"stable": 100})
    await place.target.shutdown()
    with socket.create_server(("127.0.0.1", place.port)):
        await eventually(lambda: _is_refused(place), "the taken port is named")
    await place.until(lambda fleet: fleet.in_effect, "the port is opened")
    status, _ = await ask_once(place.port)
    assert status == 200


async def test_two_workloads_cannot_have_one_port(place: Place) -> None:
    await place.launch("stable", place.release("v1"), 1)
    other = Place(place.root, port=place.port, workload="other")
    other.target = place.target
    launch = Launch("stable", other.release("v1"), 1)
    with pytest.raises(Broken, match="already belongs to hello") as refusal:
        await other.perform(launch)
    assert "`stop RUN`, give" in refusal.value.hint
    planned = await other.target.changes(other.placement, [launch])
    assert planned == (f"Port {place.port} of other already belongs to hello.",)
    assert await place.target.changes(place.placement, [launch]) == ()


@contextmanager
def _another_process_at(port: int) -> Iterator[None]:
    listen = f"import socket; s = socket.create_server(('127.0.0.1', {port})); print(1, flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", listen], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        try:
            yield
        finally:
            other.communicate(b"\n")


async def _all_running(place: Place) -> None:
    """Wait until supervisord has had every program for a second."""

    async def look() -> bool:
        programs = await place.target._supervisor.programs()
        return all(each.state == "RUNNING" for each in programs.values())

    await eventually(look, "every program is kept again")


async def _is_refused(place: Place) -> bool:
    try:
        await place.fleet()
    except Broken as error:
        return f"Port {place.port} of hello is taken" in str(error)
    return False


def _kill_supervisord(place: Place) -> None:
    pid = int((place.root / "place/run/supervisord.pid").read_text())
    os.kill(pid, signal.SIGKILL)


def _pids(place: Place) -> dict[str, int]:
    run = place.root / "place/run"
    return {
        path.stem: place.target._supervisor.living(path.stem)
        for path in run.glob("*.pid")
        if path.stem != "supervisord"
    }
