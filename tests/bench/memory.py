"""Memory after many runs, and what the bot costs when there is nothing to do. Runs as a process of its own.

`python -m tests.bench.memory RUNS SECONDS` prints JSON. SQLite keeps up to 20 MB of pages for each connection (a
setting of the store), so memory grows until these are full; so growth is told for the second half of the runs, too.
"""

import asyncio
import gc
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.bench.report import Figure
from tests.bench.workshop import Workshop, definition, entries, workshop

STAGES = 3
AT_ONCE = 50
FLAT = 4.0
IDLE = 1.0


async def measure(*, quick: bool) -> list[Figure]:
    """Start the process and put its figures into words."""
    runs, seconds = (1000, 3) if quick else (10_000, 10)
    words = [sys.executable, "-m", "tests.bench.memory", str(runs), str(seconds)]
    done = await asyncio.to_thread(subprocess.run, words, check=True, capture_output=True, text=True, timeout=300)
    return _figures(json.loads(done.stdout.splitlines()[-1]))


def _figures(found: dict[str, Any]) -> list[Figure]:
    sizes = {int(runs): size for runs, size in found["sizes"].items()}
    fifth, half, full = (sizes[runs] for runs in sorted(sizes))
    runs = max(sizes)
    told = ", ".join(f"{size:.1f} MiB after {count:,}" for count, size in sorted(sizes.items()))
    return [
        Figure(f"memory after {runs:,} runs", full, "MiB", note=told),
        Figure(f"memory grown from run {runs // 5:,} to run {runs:,}", full - fifth, "MiB", FLAT),
        Figure(
            f"memory grown from run {runs // 2:,} to run {runs:,}",
            full - half,
            "MiB",
            note=f"{1024 * (full - half) / (runs - runs // 2):.2f} KiB for each run",
        ),
        Figure("CPU when there is nothing to do", found["idle"], "% of a core", IDLE, note="worker and store"),
        Figure("objects left over by a run", found["objects"], "objects", note="tracked by the garbage collector"),
    ]


async def main(runs: int, seconds: float) -> dict[str, Any]:
    """Sizes in MiB by runs, and the share of a core in percent when idle."""
    sizes: dict[int, float] = {}
    counts: list[int] = []
    async with workshop() as shop:
        await shop.define("bench", definition("bench", STAGES))
        for done in range(0, runs, AT_ONCE):
            if done in (runs // 5, runs // 2):
                _weigh(sizes, counts, done)
            await _go(shop)
        _weigh(sizes, counts, runs)
        idle = await _idle(seconds)
    return {"sizes": sizes, "idle": idle, "objects": (counts[-1] - counts[0]) / (runs - runs // 5)}


async def _go(shop: Workshop) -> None:
    begun = await asyncio.gather(*(shop.request("bench") for _ in range(AT_ONCE)))
    await shop.ended({run.id: entries(STAGES) for run in begun})
    shop.forget()


def _weigh(sizes: dict[int, float], counts: list[int], runs: int) -> None:
    gc.collect()
    counts.append(len(gc.get_objects()))
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    sizes[runs] = pages * os.sysconf("SC_PAGE_SIZE") / 2**20


async def _idle(seconds: float) -> float:
    never = asyncio.Event()
    begun = time.process_time()
    try:
        async with asyncio.timeout(seconds):
            await never.wait()
    except TimeoutError:
        return 100 * (time.process_time() - begun) / seconds
    raise AssertionError("nobody sets it")


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))))
