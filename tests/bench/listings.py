"""What `status`, `runs` and `list` ask of the store, with a long history and with a hundredth of it.

In both, a hundred runs are active: that number is what somebody is doing now, not what was done over the years.
"""

import asyncio
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from engine.errors import Refused
from engine.model import RunId
from storage.book import SqlBook
from storage.store import SqlStore
from tests.bench.filling import History, fill, name_of
from tests.bench.report import Figure, middle

LONG = History(pipelines=10_000, runs=100_000)
SHORT = History(pipelines=100, runs=1_000)
SOME = name_of(50)
AT_MOST = 2.0


def _list(book: SqlBook) -> object:
    page = book.pipelines.page("", 50)
    return [(pipeline.name, book.runs.latest(pipeline.name, 1)) for pipeline in page]


def _status(book: SqlBook) -> object:
    run = book.runs.load(RunId(f"{SOME}-1"))
    return run, book.pipelines.load(run.pipeline, run.version), book.journal.of(run.id)


def _unknown(book: SqlBook) -> object:
    try:
        return book.pipelines.load("servise-00051")
    except Refused as refused:
        return refused.hint


ASKED: Mapping[str, tuple[Callable[[SqlBook], object], float | None]] = {
    "status: the active runs": (lambda book: book.runs.active(), AT_MOST),
    "status RUN: one run, its definition and its journal": (_status, AT_MOST),
    "runs: the latest 20": (lambda book: book.runs.latest(None, 20), AT_MOST),
    "runs PIPELINE: its latest 20": (lambda book: book.runs.latest(SOME, 20), AT_MOST),
    "list: a page of 50, each with its latest run": (_list, AT_MOST),
    "the feed: the newest 100 journal entries": (
        lambda book: book.journal.since(book.journal.head() - 100, 100),
        AT_MOST,
    ),
    "a misspelt name, with the nearest one": (_unknown, None),
}


async def measure(*, quick: bool) -> list[Figure]:
    """Each question's time, in both."""
    long = History(1_000, 10_000) if quick else LONG
    times = 15 if quick else 40
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as folder:
        begun = time.perf_counter()
        big = await asyncio.to_thread(_filled, Path(folder) / "long.db", long)
        took = time.perf_counter() - begun
        small = await asyncio.to_thread(_filled, Path(folder) / "short.db", SHORT)
        figures = []
        for name in ASKED:
            figures += await _compare(name, small, big, times)
        small.close()
        big.close()
    note = f"{long.pipelines:,} pipelines, {long.runs:,} runs, {long.entries:,} journal entries"
    return [Figure("filling the long history", took, "s", note=note), *figures]


def _filled(path: Path, history: History) -> SqlStore:
    store = SqlStore.open(f"sqlite:///{path}")
    fill(store, history)
    return store


async def _compare(name: str, small: SqlStore, big: SqlStore, times: int) -> list[Figure]:
    """Ask both in turns: a slow moment of the machine is slow for both."""
    work, bar = ASKED[name]
    short, long = [], []
    for _ in range(times):
        short.append(await _seconds(small, work))
        long.append(await _seconds(big, work))
    note = f"{1000 * middle(short):.2f} ms with a hundredth of the history, {1000 * middle(long):.2f} ms with all of it"
    return [Figure(name, middle(long) / middle(short), "times", bar, "at most", note)]


async def _seconds(store: SqlStore, work: Callable[[SqlBook], object]) -> float:
    begun = time.perf_counter()
    await store.read(work)
    return time.perf_counter() - begun
