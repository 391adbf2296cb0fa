"""A worker that dies at any commit, and the one after it: each act has its effect once, and the run ends as it should.

A process that is killed is modelled by a store that takes nothing more from it: what it does after that reaches nobody.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest

from engine.control import Control
from engine.errors import Interrupted
from engine.model import RunId, RunState, StageState
from engine.ports import Book
from engine.stages.job import Finished, Job, Outcome
from engine.worker import LEASE, Worker
from storage.store import SqlStore
from tests.support.eventually import eventually
from tests.support.house import House, ScriptedAct, a_house, working

T = TypeVar("T")
COMMITS = 5
"""The claim, and for each of two stages its intent and its outcome."""


@dataclass
class DyingStore:
    """A store as a process sees it that is killed right before (``-n``) or right after (``n``) its nth commit."""

    inner: SqlStore
    at: int
    commits: int = 0
    dead: asyncio.Event = field(default_factory=asyncio.Event)

    async def transact(self, work: Callable[[Book], T]) -> T:
        self._check()
        self.commits += 1
        if self.commits == -self.at:
            self.dead.set()
        self._check()
        result = await self.inner.transact(work)
        if self.commits == self.at:
            self.dead.set()
        self._check()
        return result

    async def read(self, work: Callable[[Book], T]) -> T:
        self._check()
        return await self.inner.read(work)

    def on_commit(self, heard: Callable[[dict[RunId, int]], None]) -> None:
        self.inner.on_commit(heard)  # type: ignore[arg-type]

    def _check(self) -> None:
        if self.dead.is_set():
            raise Interrupted("This process is dead.")


@dataclass
class World:
    """What acts change: made once, found again ever after."""

    made: list[str] = field(default_factory=list)

    async def act(self, job: Job) -> Outcome:
        name = f"{job.run.id}/{job.state.name}/{job.state.attempt}"
        await job.note(f"making {name}", {"intent": name})
        if name not in self.made:
            self.made.append(name)
        return Finished({"made": name})


def worker_of(house: House, store: DyingStore | SqlStore, name: str, world: World) -> Worker:
    act = ScriptedAct(world.act)
    plain = house.worker(name, source=act, build=act)
    return Worker(name, store, Control(store, house.clock), house.clock, plain.acts, plain.unwind)


@pytest.mark.parametrize("at", [sign * number for number in range(1, COMMITS + 1) for sign in (1, -1)])
async def test_a_crash_at_any_commit_loses_and_repeats_nothing(tmp_path: Path, at: int) -> None:
    async with a_house(tmp_path) as house:
        world = World()
        run = await house.request("plain")
        store = DyingStore(house.store, at)
        async with working(worker_of(house, store, "first", world)):
            await eventually(store.dead.is_set)
        house.clock.pass_time(2 * LEASE)
        async with working(worker_of(house, house.store, "second", world)):
            run = await house.until(run, lambda run: run.state.is_over)
        assert run.state is RunState.SUCCEEDED
        assert [stage.attempt for stage in run.stages] == [1, 1]
        assert [stage.state for stage in run.stages] == [StageState.SUCCEEDED] * 2
        assert world.made == ["plain-1/code/1", "plain-1/image/1"]
        assert [stage.outputs["intent"] for stage in run.stages] == world.made
        assert (await house.events(run)).count("StageSucceeded") == 2
        assert await house.replayed(run) == run
