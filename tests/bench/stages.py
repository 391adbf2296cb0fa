"""Durable stages per second, beside plain SQLite and beside DBOS.

A stage counts when its outcome, the journal's entries and the next due step are committed, and only then does the next
one begin. The whole run counts: asking for it, reading its definition, claiming it, ending it. Repetitions of the three
take turns, so a machine that is slow for a while is slow for all of them; the ratios are medians over repetitions.
"""

import asyncio
import subprocess
import sys
import time
from dataclasses import dataclass, field

from storage.store import Durability
from tests.bench.plain import rows_per_second
from tests.bench.report import Figure, middle
from tests.bench.workshop import Workshop, definition, entries, workshop

STAGES = 50
KEEPS = {
    "NORMAL": "survives the process; a power cut may lose the commits since the last checkpoint, never part of one",
    "FULL": "survives a power cut: every commit waits for the disk",
}


@dataclass(slots=True)
class Turns:
    """Stages per second of every repetition."""

    plain: list[float] = field(default_factory=list)
    ours: list[float] = field(default_factory=list)
    dbos: list[float] = field(default_factory=list)


async def measure(*, quick: bool) -> list[Figure]:
    """Everything about stages per second."""
    figures = []
    repetitions: dict[Durability, int] = {"NORMAL": 2 if quick else 5, "FULL": 1 if quick else 3}
    for synchronous, times in repetitions.items():
        for at_once in (1, 100):
            turns = await _turns(synchronous, at_once, times if at_once == 1 else min(times, 3), quick=quick)
            figures += _figures(synchronous, at_once, turns)
    return figures


async def _turns(synchronous: Durability, at_once: int, repetitions: int, *, quick: bool) -> Turns:
    turns = Turns()
    runs = at_once if at_once > 1 else (4 if quick else 10)
    rows = 3000 if synchronous == "NORMAL" else 300
    for _ in range(repetitions):
        turns.plain.append(await asyncio.to_thread(rows_per_second, rows, synchronous))
        turns.ours.append(await ours_per_second(synchronous, runs, at_once))
        turns.dbos.append(await asyncio.to_thread(_dbos_per_second, synchronous, runs, at_once))
    return turns


async def ours_per_second(synchronous: Durability, runs: int, at_once: int, stages: int = STAGES) -> float:
    """Stages per second of Sluice."""
    async with workshop(synchronous=synchronous) as shop:
        await shop.define("bench", definition("bench", stages))
        await _go(shop, 1, 1, stages)
        begun = time.perf_counter()
        await _go(shop, runs, at_once, stages)
        return runs * stages / (time.perf_counter() - begun)


async def _go(shop: Workshop, runs: int, at_once: int, stages: int) -> None:
    for _ in range(runs // at_once):
        begun = await asyncio.gather(*(shop.request("bench") for _ in range(at_once)))
        await shop.ended({run.id: entries(stages) for run in begun})


def _dbos_per_second(synchronous: Durability, runs: int, at_once: int) -> float:
    words = [sys.executable, "-m", "tests.bench.dbos_side", str(STAGES), str(runs), str(at_once), synchronous]
    done = subprocess.run(words, check=True, capture_output=True, text=True, timeout=180)
    return float(done.stdout.split()[-1])


def _figures(synchronous: Durability, at_once: int, turns: Turns) -> list[Figure]:
    how = f"{'one run after another' if at_once == 1 else f'{at_once} runs at once'}, {synchronous}"
    bars = {1: (0.06, 1.2), 100: (0.15, 5.0)}[at_once] if synchronous == "NORMAL" else (None, None)
    to_plain = middle(ours / plain for ours, plain in zip(turns.ours, turns.plain, strict=True))
    to_dbos = middle(ours / dbos for ours, dbos in zip(turns.ours, turns.dbos, strict=True))
    kept = KEEPS[synchronous]
    return [
        Figure(f"Sluice, {how}", middle(turns.ours), "stages/s", note=kept),
        Figure(f"plain sqlite3, {synchronous}", middle(turns.plain), "rows/s", note=kept),
        Figure(f"DBOS, {how}", middle(turns.dbos), "steps/s", note=kept),
        Figure(
            f"Sluice to plain sqlite3, {how}", to_plain, "times", bars[0], "at least", f"median of {len(turns.ours)}"
        ),
        Figure(f"Sluice to DBOS, {how}", to_dbos, "times", bars[1], "at least", f"median of {len(turns.ours)}"),
    ]
