"""What becomes of a release while the Docker Engine is killed with 9, with and without live-restore."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from engine.errors import Interrupted
from engine.rollout.fleet import Fleet, Launch
from tests.support.docker_engine import running_engine
from tests.support.docker_place import DockerPlace, docker_place
from tests.support.eventually import eventually
from tests.support.traffic import ask_many, steady

# docker's client leaves a socket open that it did not get through with, when the engine dies just then.
pytestmark = [pytest.mark.live, pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")]


@asynccontextmanager
async def on_an_engine_of_its_own(root: Path, **settings: object) -> AsyncIterator[DockerPlace]:
    with running_engine(**settings) as engine:
        place = docker_place(root, engine)
        try:
            await place.launch("stable", place.release("v1"), 2)
            await place.route({"stable": 100})
            yield place
        finally:
            await place.end()


async def test_with_live_restore_no_request_is_lost_and_the_release_goes_on_when_the_engine_is_back(
    tmp_path: Path,
) -> None:
    async with on_an_engine_of_its_own(tmp_path, live_restore=True) as place:
        new = place.release("v2")
        async with steady(place.port, rate=100, key="version") as load:
            await place.perform(Launch("stable", new, 2))
            await place.until(_begun, "the roll is under way")
            place.engine.kill()
            await _is_away(place)
            said = await place.target.keep()
            place.another_target()
            await _is_away(place)
            await _bring_back(place)
            assert (await place.settled("stable")).ready == {new: 2}
        assert load.failures == []
        assert load.answers["v2"] > 0
        assert any("does not answer" in each for each in said)
        assert len(await place.containers()) == 2
        assert set((await ask_many(place.port, 30, key="version")).answers) == {"v2"}


async def test_without_live_restore_the_release_is_taken_back_when_the_engine_is_back_and_nothing_is_orphaned(
    tmp_path: Path,
) -> None:
    async with on_an_engine_of_its_own(tmp_path) as place:
        old, new = next(iter(place.releases)), place.release("v2")
        await place.perform(Launch("stable", new, 2))
        await place.until(_begun, "the roll is under way")
        place.engine.kill()
        await _is_away(place)
        assert (await ask_many(place.port, 30, key="version")).failures == [], "containers outlive a killed engine"
        assert any("does not answer" in each for each in await place.target.keep())
        await _bring_back(place)
        await place.perform(Launch("stable", old, 2))
        assert (await place.settled("stable")).ready == {old: 2}
        assert any("answers again" in each for each in await place.target.keep())
        await eventually(lambda: _only(place, 2), "nothing is left over")
        assert set((await ask_many(place.port, 30, key="version")).answers) == {"v1"}


def _begun(fleet: Fleet) -> bool:
    return sum(fleet.groups["stable"].present.values()) > 2


async def _is_away(place: DockerPlace) -> None:
    with pytest.raises(Interrupted, match="does not answer"):
        await place.fleet()


async def _bring_back(place: DockerPlace) -> None:
    """Start the engine again, and let visitors go on meanwhile."""
    place.engine.begin()
    await asyncio.to_thread(place.engine.wait)


async def _only(place: DockerPlace, count: int) -> bool:
    await place.fleet()
    everything = await place.docker._containers.listed()
    return len(everything) == count
