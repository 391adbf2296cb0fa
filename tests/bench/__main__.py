"""`python -m tests.bench [--json FILE] [--quick] [NAMES...]`: measure, print a table, and write JSON."""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Mapping
from pathlib import Path
from typing import Protocol

from tests.bench import acks, answers, breakdown, calls, listings, memory, report, stages, starts, traffic


class Measure(Protocol):
    """One part of the bench."""

    def __call__(self, *, quick: bool) -> Awaitable[list[report.Figure]]:
        """Measure it."""
        ...


PARTS: Mapping[str, Measure] = {
    "stages": stages.measure,
    "breakdown": breakdown.measure,
    "starts": starts.measure,
    "answers": answers.measure,
    "acks": acks.measure,
    "traffic": traffic.measure,
    "calls": calls.measure,
    "listings": listings.measure,
    "memory": memory.measure,
}


async def _measure(names: list[str], into: Path | None, *, quick: bool) -> dict[str, list[report.Figure]]:
    """Measure each part. What is measured is written at once: the parts after it may take long."""
    found: dict[str, list[report.Figure]] = {}
    for name in names:
        sys.stderr.write(f"measuring {name} ...\n")
        found[name] = await PARTS[name](quick=quick)
        if into is not None:
            report.write(found, into)
    return found


def main() -> int:
    """Return 1 when a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure what Sluice reaches.")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    parser.add_argument("--quick", action="store_true", help="fewer repetitions, a shorter history")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(PARTS)}; all without")
    chosen = parser.parse_args()
    if unknown := [name for name in chosen.names if name not in PARTS]:
        parser.error(f"There is no {unknown[0]}; there are {', '.join(PARTS)}.")
    found = asyncio.run(_measure(chosen.names or list(PARTS), chosen.json, quick=chosen.quick))
    report.show(found)
    return int(any(figure.passes is False for figures in found.values() for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
