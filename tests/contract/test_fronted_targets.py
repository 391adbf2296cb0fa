"""What every target of one machine does, whoever runs the instances: processes of supervisord, or containers."""

import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import Broken
from engine.rollout.fleet import Launch, Reroute, Retire, Route, Scale
from tests.support.docker_place import docker_place
from tests.support.process_target import Place
from tests.support.traffic import ask_many, ask_once, steady

pytestmark = pytest.mark.live


@pytest.fixture(params=["process", "docker"])
async def here(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    """One root, one workload; after the test nothing of it runs."""
    if request.param == "process":
        place = Place(tmp_path)
        yield place
        await place.target.shutdown()
        return
    containers = docker_place(tmp_path, request.getfixturevalue("docker_engine"))
    yield containers
    await containers.end()


async def test_a_released_workload_answers_on_its_fixed_port(here: Place) -> None:
    await here.launch("stable", here.release("v1"), 1)
    await here.route({"stable": 100})
    status, answer = await ask_once(here.port)
    assert (status, answer["version"], answer["group"]) == (200, "v1", "stable")


async def test_no_request_is_lost_while_a_release_goes_through_all_its_moves(here: Place) -> None:
    old, new = here.release("v1"), here.release("v2")
    await here.launch("stable", old, 2)
    await here.route({"stable": 100})
    async with steady(here.port, rate=240) as load:
        await here.launch("gray", new, 1)
        for share in (20, 50, 100):
            await here.route({"stable": 100 - share, "gray": share})
        await here.perform(Scale("stable", 1, here.drain))
        await here.settled("stable")
        await here.launch("stable", new, 2)
        await here.route({"stable": 100})
        await here.perform(Retire("gray", here.drain))
        await here.until(lambda fleet: "gray" not in fleet.groups, "gray is gone")
    assert load.failures == []
    assert load.total > 200
    assert load.answers["gray"] > 0


async def test_a_bot_that_was_killed_in_the_middle_of_a_roll_goes_on(here: Place) -> None:
    old, new = here.release("v1"), here.release("v2")
    await here.launch("stable", old, 2)
    await here.route({"stable": 100})
    async with steady(here.port, rate=200, key="version") as load:
        await here.perform(Launch("stable", new, 2))
        await here.until(lambda fleet: fleet.groups["stable"].ready.get(new, 0) >= 1, "the roll is under way")
        here.another_target()
        group = await here.settled("stable")
    assert load.failures == []
    assert group.ready == {new: 2}


async def test_a_roll_that_is_taken_back_halfway_loses_nothing(here: Place) -> None:
    old, new = here.release("v1"), here.release("v2")
    await here.launch("stable", old, 2)
    await here.route({"stable": 100})
    async with steady(here.port, rate=200, key="version") as load:
        await here.perform(Launch("stable", new, 2))
        await here.until(lambda fleet: fleet.groups["stable"].ready.get(new, 0) >= 1, "the roll is under way")
        await here.launch("stable", old, 2)
    assert load.failures == []
    assert (await here.settled("stable")).ready == {old: 2}


async def test_a_release_that_never_gets_ready_leaves_the_traffic_and_says_why(here: Place) -> None:
    old = here.release("v1")
    new = here.release("v2", command="echo no database >&2; exit 3")
    await here.launch("stable", old, 2)
    await here.route({"stable": 100})
    await here.perform(Launch("stable", new, 2))
    fleet = await here.until(lambda fleet: "ended" in fleet.groups["stable"].trouble, "the trouble is told")
    assert fleet.groups["stable"].ready == {old: 2}
    assert "exit code 3: no database" in fleet.groups["stable"].trouble
    tally = await ask_many(here.port, 50, key="version")
    assert tally.answers == {"v1": 50}
    await here.launch("stable", old, 2)


async def test_a_release_without_a_health_path_is_ready_when_its_port_opens(here: Place) -> None:
    await here.launch("stable", here.release("v1", http=None), 1)


async def test_asking_for_the_same_move_twice_changes_nothing(here: Place) -> None:
    release = here.release("v1")
    await here.launch("stable", release, 1)
    names = {each.name for each in await here.target.instances(here.workload)}
    await here.launch("stable", release, 1)
    await here.perform(Reroute(Route({"stable": 100})))
    await here.route({"stable": 100})
    assert {each.name for each in await here.target.instances(here.workload)} == names


async def test_every_answer_is_counted_for_the_group_that_gave_it(here: Place) -> None:
    await here.launch("stable", here.release("v1"), 1)
    await here.route({"stable": 100})
    await ask_many(here.port, 40)
    assert (await here.target.traffic(here.workload)).requests == {"stable": 40}
    assert "stable" in await here.target.effective_route(here.workload)


async def test_the_settings_and_the_routes_of_what_was_asked_for_are_told(here: Place) -> None:
    assert await here.target.applied(here.placement) == {}
    release = here.release("v1")
    await here.launch("stable", release, 1)
    await here.route({"stable": 100})
    told = await here.target.applied(here.placement)
    assert [name.split()[0] for name in told] == ["Release", "Routes"]
    about, routes = told.values()
    assert about["image"] == here.placement.releases[release].image
    assert "/stable" in f"{routes}"


async def test_of_several_runs_each_is_told_what_it_asked_for_itself(here: Place) -> None:
    old, new = here.release("v1"), here.release("v2")
    await here.launch("stable", old, 1)
    await here.route({"stable": 100})
    releases = {new: here.releases[new], old: here.releases[old]}
    gray = replace(here.placement, releases=releases, run="hello-2")
    assert await here.target.applied(gray) == {}, "it has asked for nothing yet"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        elsewhere = replace(gray, preview_port=taken.getsockname()[1])
        with pytest.raises(Broken):
            await here.target.perform(elsewhere, Launch("gray", new, 1))
    assert await here.target.applied(gray) == {}, "what was refused was not begun"
    await here.target.perform(gray, Launch("gray", new, 1))
    (only,) = (await here.target.applied(gray)).values()
    assert only["image"] == here.releases[new].image
    await here.settled("gray")
    await here.target.perform(gray, Reroute(Route({"stable": 80, "gray": 20})))
    await here.target.perform(gray, Launch("stable", old, 2))
    here.another_target()
    told = await here.target.applied(gray)
    assert [name.split()[0] for name in told] == ["Release", "Routes"]
    back = replace(gray, run="hello-3", firm=True)
    assert await here.target.applied(back) == {}, "the run that takes gray back has not applied it"
    await here.target.perform(back, Reroute(Route({"stable": 100})))
    assert [name.split()[0] for name in await here.target.applied(back)] == ["Routes"]
    assert await here.target.applied(gray) == {}, "nothing of it is wished for any more"


async def test_a_forgotten_workload_leaves_nothing_that_answers(here: Place) -> None:
    await here.launch("stable", here.release("v1"), 1)
    await here.route({"stable": 100})
    await here.target.forget(here.workload)
    assert not (await here.target.observe(here.placement)).groups
    assert await here.target.instances(here.workload) == ()
    with pytest.raises(OSError, match=r"refused|Connect call failed"):
        await ask_once(here.port)
