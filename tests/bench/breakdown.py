"""Where the time of one durable stage goes: each part measured alone, on the same run, and what is left over.

The parts are what one report of a stage's success does. What they do not explain is the event loop with the worker in
it, and two threads waiting for one interpreter.
"""

import time
from collections.abc import Callable
from itertools import count
from typing import Any

from sqlalchemy import bindparam, insert, update

from engine import commands as c
from engine.model import Run
from engine.pipeline import resolve
from engine.transitions import ENGINE, decided, evolve
from storage import codec
from storage.book import SqlBook
from storage.ready import Ready
from storage.tables import journal, runs
from tests.bench.floor import hop_seconds, statements_seconds
from tests.bench.report import Figure, middle
from tests.bench.stages import STAGES, ours_per_second
from tests.bench.workshop import Workshop, definition, entries, workshop

_VALUES: dict[str, Any] = {name: bindparam(name) for name in ("seq", "document")}
_GROW = Ready(update(runs).where(runs.c.id == bindparam("id_"), runs.c.seq == bindparam("before_")).values(_VALUES))
_ADD = Ready(insert(journal), ("run", "n", "at", "by", "kind", "document"))
_NUMBERS = count()
LENGTH = 6500
"""Characters of a run of 50 stages, half of them done."""


async def measure(*, quick: bool) -> list[Figure]:
    """Microseconds a stage, for the parts and for the whole."""
    times = 100 if quick else 300
    alone = [await ours_per_second("NORMAL", 5, 1) for _ in range(3)]
    together = await ours_per_second("NORMAL", 100, 100)
    async with workshop() as shop:
        parts = await _parts(shop, times)
        floor = await hop_seconds(10 * times)
    figures = [Figure(name, 1e6 * seconds, "µs/stage", note=note) for name, seconds, note in parts]
    least = statements_seconds(10 * times, LENGTH)
    whole, crowd = 1 / middle(alone), 1 / together
    explained = sum(seconds for _, seconds, _ in parts)
    return [
        Figure(f"a stage of a run of {STAGES}, one run after another", 1e6 * whole, "µs/stage"),
        Figure("the same, 100 runs at once", 1e6 * crowd, "µs/stage", note="Commit and hop are shared by many runs."),
        *figures,
        Figure("the least: a bare hop between two threads", 1e6 * floor, "µs/stage", note="no job, no store"),
        Figure("the least: bare statements and commit", 1e6 * least, "µs/stage", note="plain sqlite3, our tables"),
        Figure("left over: event loop, worker, waiting", 1e6 * (whole - explained), "µs/stage", note="alone"),
    ]


async def _parts(shop: Workshop, times: int) -> list[tuple[str, float, str]]:
    text = definition("bench", STAGES)
    await shop.define("bench", text)
    done = await shop.request("bench")
    await shop.ended({done.id: entries(STAGES)})
    run = await _half_way(shop, done)
    command = c.ReportSuccess(run=run.id, by=ENGINE, stage=run.position, attempt=1, token=1)
    now = run.created_at
    events, after = decided(run, command, now)
    kept = codec.dump_run(run)
    both = _timed(lambda: (codec.dump_run(after), codec.dump_run(run)), times)
    hop = await _alone(shop, lambda _book: None, times)
    reading = await _alone(shop, lambda book: book.connection.exec_driver_sql("SELECT 1").scalar_one(), times)
    writing = await _alone(shop, _count, times)
    return [
        ("decide and evolve", _timed(lambda: decided(run, command, now), times), "two events"),
        ("JSON: the run written", both / 2, f"{len(kept):,} characters, two stages of them anew"),
        ("JSON: the entries written", _timed(lambda: [codec.dump(event) for event in events], times), ""),
        ("SQL: two statements, without their commit", await _statements(shop, run, kept, times), "update, insert"),
        ("commit", max(0.0, writing - reading), "of a row, beyond a transaction that only reads"),
        ("thread hop, with an empty transaction", hop, "loop to writer and back"),
        (
            "the definition, for each run three times",
            3 * _timed(lambda: resolve(text, {}), 5) / STAGES,
            "YAML to model",
        ),
    ]


async def _half_way(shop: Workshop, run: Run) -> Run:
    """The run as it was with half of its stages done."""
    told = await shop.store.read(lambda book: book.journal.of(run.id))
    seen: Run | None = None
    for entry in told[: 2 + 2 * (STAGES // 2) + 1]:
        seen = evolve(seen, entry.event)
    assert seen is not None
    return seen


def _count(book: SqlBook) -> None:
    book.connection.exec_driver_sql("INSERT INTO counters (name, value) VALUES (?, 1)", (f"bench-{next(_NUMBERS)}",))


def _timed(work: Callable[[], object], times: int) -> float:
    took = []
    for _ in range(times):
        begun = time.perf_counter()
        work()
        took.append(time.perf_counter() - begun)
    return middle(took)


async def _alone(shop: Workshop, work: Callable[[SqlBook], object], times: int) -> float:
    took = []
    for _ in range(times):
        begun = time.perf_counter()
        await shop.store.transact(work)
        took.append(time.perf_counter() - begun)
    return middle(took)


async def _statements(shop: Workshop, run: Run, kept: str, times: int) -> float:
    """The statements of one report, in the writing thread, less the JSON in them."""
    return await shop.store.transact(lambda book: _timed(lambda: _both(book, run, kept), times))


def _both(book: SqlBook, run: Run, kept: str) -> None:
    """What a report sends: the run written, two entries added."""
    now = entries(STAGES)
    book.wrote()
    book.send(_GROW, [{"id_": run.id, "before_": now, "seq": now, "document": kept}])
    first = next(_NUMBERS)
    row = {"run": "breakdown", "at": run.created_at, "by": ENGINE, "kind": "StageStarted", "document": "{}"}
    book.send(_ADD, [{**row, "n": 2 * first}, {**row, "n": 2 * first + 1}])
