"""DBOS doing the same: workflows of steps that do nothing, on SQLite. Runs as a process of its own.

`python -m tests.bench.dbos_side STAGES RUNS AT_ONCE NORMAL|FULL` prints steps per second. Its engine is SQLAlchemy's,
so WAL and `synchronous` are set on each of its connections. Its plain and its asynchronous workflows are both
measured; the faster ones count.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy
from dbos import DBOS
from sqlalchemy import event


@DBOS.step()
def nothing() -> None:
    """Do nothing."""


@DBOS.step()
async def nothing_async() -> None:
    """Do nothing."""


@DBOS.workflow()
def steps(count: int) -> None:
    """So many steps."""
    for _ in range(count):
        nothing()


@DBOS.workflow()
async def steps_async(count: int) -> None:
    """So many steps."""
    for _ in range(count):
        await nothing_async()


def main(stages: int, runs: int, at_once: int, synchronous: str) -> float:
    """Steps per second, the better of two ways."""
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as folder:
        url = f"sqlite:///{Path(folder) / 'dbos.db'}"
        with_pragmas(synchronous)
        DBOS(config={"name": "bench", "system_database_url": url, "log_level": "ERROR"})
        DBOS.launch()
        try:
            took = [_plain(stages, runs, at_once), asyncio.run(_async(stages, runs, at_once))]
        finally:
            DBOS.destroy()
    return stages * runs / min(took)


def with_pragmas(synchronous: str) -> None:
    """Set every connection that is made from now on to WAL."""

    @event.listens_for(sqlalchemy.pool.Pool, "connect")
    def _connected(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={synchronous}")


def _plain(stages: int, runs: int, at_once: int) -> float:
    steps(1)
    begun = time.perf_counter()
    for _ in range(runs // at_once):
        handles = [DBOS.start_workflow(steps, stages) for _ in range(at_once)] if at_once > 1 else []
        for handle in handles:
            handle.get_result()
        if at_once == 1:
            steps(stages)
    return time.perf_counter() - begun


async def _async(stages: int, runs: int, at_once: int) -> float:
    await steps_async(1)
    begun = time.perf_counter()
    for _ in range(runs // at_once):
        await asyncio.gather(*(steps_async(stages) for _ in range(at_once)))
    return time.perf_counter() - begun


_READ: tuple[Callable[[str], Any], ...] = (int, int, int, str)

if __name__ == "__main__":
    print(main(*(read(word) for read, word in zip(_READ, sys.argv[1:], strict=True))))
