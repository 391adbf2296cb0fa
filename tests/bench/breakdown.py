"""Where the time of one durable stage goes: each part measured alone, on the same run, and what is left over.

The parts are what one report of a stage's success does. What they do not explain is the event loop with the worker in
it, and two threads waiting for one interpreter.
"""

import time
from collections.abc import Callable
from itertools import count
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from engine import commands as c
from engine.model import Run
from engine.pipeline import resolve
from engine.transitions import ENGINE, decide, evolve
from storage import codec
from storage.book import SqlBook
from storage.tables import journal, runs
from tests.bench.report import Figure, middle
from tests.bench.stages import STAGES, ours_per_second
from tests.bench.workshop import Workshop, definition, entries, workshop

_LOAD = select(runs.c.document).where(runs.c.id == bindparam("id_"))
_VALUES: dict[str, Any] = {name: bindparam(name) for name in ("document", "state", "active", "due_at")}
_SAVE = update(runs).where(runs.c.id == bindparam("id_"), runs.c.seq == bindparam("seq_")).values(_VALUES)
_ADD = insert(journal)
_NUMBERS = count()


async def measure(*, quick: bool) -> list[Figure]:
    """Microseconds a stage, for the parts and for the whole."""
    times = 100 if quick else 300
    alone = [await ours_per_second("NORMAL", 5, 1) for _ in range(3)]
    together = await ours_per_second("NORMAL", 100, 100)
    async with workshop() as shop:
        parts = await _parts(shop, times)
    figures = [Figure(name, 1e6 * seconds, "µs/stage", note=note) for name, seconds, note in parts]
    whole, crowd = 1 / middle(alone), 1 / together
    explained = sum(seconds for _, seconds, _ in parts)
    return [
        Figure(f"a stage of a run of {STAGES}, one run after another", 1e6 * whole, "µs/stage"),
        Figure("the same, 100 runs at once", 1e6 * crowd, "µs/stage", note="Commit and hop are shared by many runs."),
        *figures,
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
    events = decide(run, command, now)
    kept = codec.dump(run)
    hop = await _alone(shop, lambda _book: None, times)
    reading = await _alone(shop, lambda book: book.connection.exec_driver_sql("SELECT 1").scalar_one(), times)
    writing = await _alone(shop, _count, times)
    return [
        ("decide and evolve", _timed(lambda: _evolved(run, command), times), "twice evolve, as control does"),
        ("JSON: the run read", _timed(lambda: codec.load_run(kept), times), f"{len(kept):,} characters"),
        ("JSON: the run written", _timed(lambda: codec.dump(run), times), ""),
        ("JSON: the entries written", _timed(lambda: [codec.dump(event) for event in events], times), ""),
        (
            "SQL: three statements through SQLAlchemy",
            await _statements(shop, run, kept, times),
            "select, update, insert",
        ),
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


def _evolved(run: Run, command: c.Command) -> Run:
    for event in decide(run, command, run.created_at):
        run = evolve(run, event)
    return run


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
    """The three statements of one report, in the writing thread, less the JSON in them."""
    return await shop.store.transact(lambda book: _timed(lambda: _three(book, run, kept), times))


def _three(book: SqlBook, run: Run, kept: str) -> None:
    """What a report sends: the run read, the run written, two entries added."""
    book.read(_LOAD, {"id_": run.id}).scalar_one()
    values = {"document": kept, "state": run.state.value, "active": True, "due_at": run.created_at}
    book.write(_SAVE, {"id_": run.id, "seq_": entries(STAGES), **values})
    first = next(_NUMBERS)
    row = {"run": "breakdown", "at": run.created_at, "by": ENGINE, "kind": "StageStarted", "document": "{}"}
    book.write(_ADD, [{**row, "n": 2 * first}, {**row, "n": 2 * first + 1}])
