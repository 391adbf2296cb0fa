"""What no program of this shape can go below: the bare hop between two threads, and a stage's bare statements.

The hop has no job, no store and no transaction in it: a queue, a thread, and the event loop woken by it. The statements
are a stage's two, on the real tables, by the driver alone, with everything they need made beforehand.
"""

import asyncio
import queue
import sqlite3
import tempfile
import threading
import time
from pathlib import Path

from storage.store import SqlStore

Waiting = tuple[asyncio.AbstractEventLoop, "asyncio.Future[None]"]
_MOMENT = "2026-03-01 12:00:00.000000"
_RUN = """INSERT INTO runs (id, pipeline, number, workload, state, active, created_at, seq, document, due_at, token)
    VALUES ('bench-1', 'bench', 1, '', 'running', 1, :moment, 0, :document, :moment, 1)"""
_GROW = "UPDATE runs SET seq = ?, document = ? WHERE id = 'bench-1' AND seq = ? AND token = 1"
_ADD = """INSERT INTO journal (run, n, at, "by", kind, document)
    VALUES ('bench-1', ?, ?, 'sluice', 'StageStarted', ?)"""
_EVENT = '{"at":"2026-03-01T12:00:00.000000Z","by":"sluice","stage":25,"attempt":1}'


async def hop_seconds(times: int) -> float:
    """From the event loop to another thread and back, nothing done there."""
    waiting: queue.SimpleQueue[Waiting | None] = queue.SimpleQueue()
    thread = threading.Thread(target=_answer, args=(waiting,))
    thread.start()
    loop = asyncio.get_running_loop()
    begun = time.perf_counter()
    for _ in range(times):
        future: asyncio.Future[None] = loop.create_future()
        waiting.put((loop, future))
        await future
    took = time.perf_counter() - begun
    waiting.put(None)
    await asyncio.to_thread(thread.join)
    return took / times


def _answer(waiting: "queue.SimpleQueue[Waiting | None]") -> None:
    while (asked := waiting.get()) is not None:
        loop, future = asked
        loop.call_soon_threadsafe(future.set_result, None)


def statements_seconds(times: int, length: int) -> float:
    """A stage's transaction by plain sqlite3: a run of `length` characters, two entries, the commit."""
    document = "x" * length
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as folder:
        path = Path(folder) / "sluice.db"
        SqlStore.open(f"sqlite:///{path}").engine.dispose()
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute(_RUN, {"moment": _MOMENT, "document": document})
        begun = time.perf_counter()
        for number in range(times):
            _stage(connection, number, document)
        took = time.perf_counter() - begun
        connection.close()
    return took / times


def _stage(connection: sqlite3.Connection, number: int, document: str) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(_GROW, (number + 1, document, number))
    connection.executemany(_ADD, [(2 * number, _MOMENT, _EVENT), (2 * number + 1, _MOMENT, _EVENT)])
    connection.execute("COMMIT")
