"""A store, a door, and workers whose acts do what a test wrote down. No target, no git, no chat."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from engine.control import Control, Order, replay
from engine.model import PersonId, Run, RunId, StageKind, StageState
from engine.ports import Timer
from engine.stages.job import Act, Ask, Finished, Job, Outcome, Unwound
from engine.worker import Worker
from storage.store import SqlStore
from tests.support.eventually import eventually
from tests.support.store import ANN, LOBBY, ManualClock, opened, sqlite_at

Script = Callable[[Job], Awaitable[Outcome]]

PLAIN = """
pipeline: plain
stages:
  - name: code
    source: {git: https://git.example.com/shop/api.git}
  - name: image
    build: {image: "shop/api:v1"}
"""
SHOP = """
pipeline: shop
variables:
  tag: v1
concurrency: CONCURRENCY
stages:
  - name: gray
    gray: {image: "shop/api:${tag}", service: {port: 18080}}
  - name: review
    review: {reviewers: [ann, bob], mode: all, deadline: 8h}
  - name: official
    official: {}
"""
GATED = """
pipeline: gated
variables:
  tag: v1
stages:
  - name: code
    source: {git: https://git.example.com/shop/api.git, tag: "${tag}"}
    conditions:
      of:
        - webhook: go
          parameters: {version: tag}
"""


def shop(concurrency: str = "queue") -> str:
    return SHOP.replace("CONCURRENCY", concurrency)


@dataclass
class ScriptedAct:
    """Does what its script says, and counts how often it was asked."""

    script: Script
    asked: list[Job] = field(default_factory=list)

    async def act(self, job: Job) -> Outcome:
        self.asked.append(job)
        return await self.script(job)


async def finish(_job: Job) -> Outcome:
    return Finished({})


async def unwind(_job: Job) -> Outcome:
    return Unwound()


@dataclass
class House:
    """What a test needs of a store and its door."""

    store: SqlStore
    clock: ManualClock
    control: Control
    troubles: list[tuple[RunId, str]] = field(default_factory=list)

    async def define(self, name: str, text: str) -> None:
        await self.store.transact(lambda book: book.pipelines.save(name, "default", text, ANN, self.clock.now()))

    async def request(self, pipeline: str, *, by: PersonId = ANN, **changes: str) -> Run:
        return await self.control.request(Order(pipeline=pipeline, by=by, room=LOBBY, changes=changes))

    async def load(self, run: Run | RunId) -> Run:
        name = run.id if isinstance(run, Run) else run
        return await self.store.read(lambda book: book.runs.load(name))

    async def timers(self, run: Run) -> list[Timer]:
        far = self.clock.now().replace(year=2099)
        return [timer for timer in await self.store.read(lambda book: book.timers.due(far, 99)) if timer.run == run.id]

    async def events(self, run: Run) -> list[str]:
        entries = await self.store.read(lambda book: book.journal.of(run.id))
        return [type(entry.event).__name__ for entry in entries]

    async def replayed(self, run: Run) -> Run:
        entries = await self.store.read(lambda book: book.journal.of(run.id))
        return replay([entry.event for entry in entries])

    def worker(self, name: str = "w1", *, back: Script = unwind, limit: int = 200, **acts: Script | Act) -> Worker:
        """A worker with these acts, by kind of stage; every other kind just succeeds."""
        made = {kind: _act(acts.get(kind.value, finish)) for kind in StageKind}
        return Worker(
            name,
            self.store,
            self.control,
            self.clock,
            made,
            _act(back),
            trouble=lambda run, sentence: self.troubles.append((run, sentence)),
            limit=limit,
        )

    async def until(self, run: Run, condition: Callable[[Run], bool]) -> Run:
        """The run, as soon as a commit makes `condition` hold."""
        stirred = asyncio.Event()
        self.store.on_commit(lambda runs: stirred.set() if run.id in runs else None)
        async with asyncio.timeout(20):
            while not condition(now := await self.load(run)):
                await stirred.wait()
                stirred.clear()
        return now


def _act(script: Script | Act) -> Act:
    return script if isinstance(script, ScriptedAct) else ScriptedAct(script)  # type: ignore[arg-type]


@asynccontextmanager
async def a_house(directory: Path, *, definitions: Mapping[str, str] | None = None) -> AsyncIterator[House]:
    """A new database with these pipelines."""
    clock = ManualClock()
    async with opened(sqlite_at(directory)) as store:
        house = House(store, clock, Control(store, clock))
        for name, text in (definitions or {"plain": PLAIN, "shop": shop(), "gated": GATED}).items():
            await house.define(name, text)
        yield house


@asynccontextmanager
async def working(*workers: Worker) -> AsyncIterator[None]:
    """These workers at work until the block ends, or one of them fails."""
    tasks = [asyncio.create_task(worker.live()) for worker in workers]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(error, asyncio.CancelledError) for error in ended), ended


__all__ = ["GATED", "PLAIN", "House", "ScriptedAct", "a_house", "eventually", "finish", "shop", "unwind", "working"]


def is_over(run: Run) -> bool:
    return run.state.is_over


def is_held(run: Run) -> bool:
    return run.stage.state is StageState.HELD


async def for_ever(_job: Job) -> Outcome:
    await asyncio.Event().wait()
    return Finished({})


async def ask(job: Job) -> Outcome:
    return Ask(f"f{job.run.share}", {"plan": {}}, job.now() + timedelta(hours=8))
