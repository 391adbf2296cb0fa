"""What was measured: a table for people, JSON for machines."""

import json
import platform
import sqlite3
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table

Sense = Literal["at least", "at most"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing measured. `bar` is what it must reach, if anything was promised; `note` is what to know of it."""

    name: str
    value: float
    unit: str = ""
    bar: float | None = None
    sense: Sense = "at most"
    note: str = ""

    @property
    def passes(self) -> bool | None:
        """Whether the bar is reached; None where there is none."""
        if self.bar is None:
            return None
        return self.value >= self.bar if self.sense == "at least" else self.value <= self.bar


def share(values: Sequence[float], percent: int) -> float:
    """The value that `percent` of all values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def middle(values: Iterable[float]) -> float:
    """The median."""
    return statistics.median(values)


def spread(
    name: str, seconds: Sequence[float], *, bar: float | None = None, note: str = "", unit: str = "ms"
) -> list[Figure]:
    """The p50 and p95 of some durations, in milliseconds. `bar` is for the p95."""
    halves = f"{len(seconds)} times. {note}".strip()
    return [
        Figure(f"{name}, p50", 1000 * share(seconds, 50), unit, note=halves),
        Figure(f"{name}, p95", 1000 * share(seconds, 95), unit, bar, note=halves),
    ]


def show(parts: dict[str, list[Figure]]) -> None:
    """Print everything as one table."""
    table = Table(title=f"Sluice, measured on {_machine()}", title_justify="left")
    for heading, justify in (("figure", "left"), ("value", "right"), ("bar", "right"), ("", "left"), ("note", "left")):
        table.add_column(heading, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for part, figures in parts.items():
        table.add_section()
        table.add_row(f"[bold]{part}[/bold]")
        for figure in figures:
            table.add_row(figure.name, _value(figure), _bar(figure), _verdict(figure), figure.note)
    Console(width=170).print(table)


def write(parts: dict[str, list[Figure]], path: Path) -> None:
    """Write everything as JSON."""
    found = {
        part: [{**asdict(figure), "passes": figure.passes} for figure in figures] for part, figures in parts.items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"machine": _machine(), "figures": found}, indent=2) + "\n")


def _value(figure: Figure) -> str:
    return f"{_short(figure.value)} {figure.unit}".strip()


def _bar(figure: Figure) -> str:
    return "" if figure.bar is None else f"{'≥' if figure.sense == 'at least' else '≤'} {_short(figure.bar)}"


def _verdict(figure: Figure) -> str:
    return {None: "", True: "[green]reached[/green]", False: "[red]missed[/red]"}[figure.passes]


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _machine() -> str:
    return (
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {platform.system()} {platform.machine()}"
    )
