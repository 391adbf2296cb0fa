"""A store, a control and a worker on a directory of their own, with acts that do nothing."""

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.control import Control, Order
from engine.model import PersonId, RoomId, Run, RunId, StageKind
from engine.stages.job import Act, Finished, Job, Outcome, Unwound
from engine.worker import Worker
from storage.store import Durability, SqlStore

ANN = PersonId("ann")
LOBBY = RoomId("web:lobby")


class WallClock:
    """The time of day."""

    def now(self) -> datetime:
        """This moment."""
        return datetime.now(UTC)


@dataclass(slots=True)
class Nothing:
    """An act that is over at once. Remembers when each run's first act was called (seconds of `time.perf_counter`)."""

    first: dict[RunId, float] = field(default_factory=dict)

    async def act(self, job: Job) -> Outcome:
        """Do nothing."""
        self.first.setdefault(job.run.id, time.perf_counter())
        return Unwound() if job.run.unwinding else Finished()


def definition(name: str, stages: int) -> str:
    """A pipeline of so many stages that deploys nothing."""
    lines = [f"pipeline: {name}", "stages:"]
    for number in range(1, stages + 1):
        lines += [f"  - name: s{number}", "    source: {git: https://git.example.com/a.git}"]
    return "\n".join([*lines, ""])


@dataclass(slots=True)
class Workshop:
    """One bot without chats."""

    store: SqlStore
    control: Control
    worker: Worker
    nothing: Nothing
    _newest: dict[RunId, int] = field(default_factory=dict)
    _stirred: asyncio.Event = field(default_factory=asyncio.Event)

    def heard(self, runs: Mapping[RunId, int]) -> None:
        """A commit has happened."""
        self._newest.update(runs)
        self._stirred.set()

    async def define(self, name: str, text: str) -> None:
        """Keep a pipeline."""
        now = datetime.now(UTC)
        await self.store.transact(lambda book: book.pipelines.save(name, "default", text, ANN, now))

    async def request(self, pipeline: str) -> Run:
        """Ask for a run."""
        return await self.control.request(Order(pipeline=pipeline, by=ANN, room=LOBBY, changes={}))

    async def ended(self, runs: Mapping[RunId, int]) -> None:
        """Return when the journal of every run has as many entries as `runs` says; that is its end."""
        while any(self._newest.get(run, 0) < count for run, count in runs.items()):
            self._stirred.clear()
            await self._stirred.wait()

    def forget(self) -> None:
        """Drop what was remembered of runs that are over."""
        self._newest.clear()
        self.nothing.first.clear()


def entries(stages: int) -> int:
    """Journal entries of a run of so many stages that goes well: asked for, begun, two a stage, over."""
    return 2 * stages + 3


@contextlib.asynccontextmanager
async def workshop(
    *, synchronous: Durability = "NORMAL", limit: int = 200, acts: Mapping[StageKind, Act] | None = None, at: str = ""
) -> AsyncIterator[Workshop]:
    """A workshop whose worker is alive, on an empty database (or the one in the folder `at`)."""
    with contextlib.ExitStack() as stack:
        folder = at or stack.enter_context(tempfile.TemporaryDirectory(prefix="sluice-bench-"))
        store = SqlStore.open(f"sqlite:///{Path(folder) / 'sluice.db'}", synchronous=synchronous)
        store.start()
        stack.callback(store.close)
        clock, nothing = WallClock(), Nothing()
        control = Control(store, clock)
        done: Mapping[StageKind, Act] = dict.fromkeys(StageKind, nothing) if acts is None else acts
        worker = Worker("bench", store, control, clock, done, nothing, limit=limit)
        shop = Workshop(store, control, worker, nothing)
        store.on_commit(shop.heard)
        async with alive(worker.live()):
            yield shop


@contextlib.asynccontextmanager
async def alive(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Have `work` going for as long as the block lasts."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def timed(work: Callable[[], Coroutine[Any, Any, object]]) -> float:
    """How many seconds `work` takes."""
    begun = time.perf_counter()
    await work()
    return time.perf_counter() - begun
