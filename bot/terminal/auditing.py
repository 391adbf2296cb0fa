"""`sluice audit` and `sluice timeline`: read from the database, beside a running bot or without one."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, TypeVar

import typer
from rich.console import Console

from bot.audit.export import Export, Format, exported, parse_moment
from bot.audit.feature import present_verdict, timeline_of
from bot.audit.marks import Marks
from bot.audit.timeline import markdown, plain
from bot.secrecy.sealing import vault_of
from bot.settings import Settings
from bot.terminal.render import show
from engine.clock import WallClock
from engine.model import RunId
from storage.audit import Sought
from storage.store import SqlStore
from storage.verification import Verdict

audit = typer.Typer(no_args_is_help=True, help="Who did what: looked at as a whole, or handed to others.")
T = TypeVar("T")


@audit.command()
def verify() -> None:
    """Look whether every row of the audit and of the journal is as it was written. Exit code 1 when one is not."""
    settings = Settings.read()

    async def look(store: SqlStore) -> Verdict:
        return await Marks(store, WallClock(), vault_of(settings), settings.home).verify()

    verdict = asyncio.run(_reading(settings, look))
    show(Console(), present_verdict(verdict))
    for fault in verdict.faults[10:]:
        print(fault)  # noqa: T201
    raise typer.Exit(0 if verdict.holds else 1)


@audit.command()
def export(
    since: Annotated[str, typer.Option(help="From this day or moment on: 2026-01-31 or 2026-01-31T18:00:00Z.")] = "",
    until: Annotated[str, typer.Option(help="Up to this moment, or to the end of this day.")] = "",
    form: Annotated[Format, typer.Option("--format", help="jsonl or csv.")] = "jsonl",
    *,
    journal: Annotated[bool, typer.Option("--journal", help="With what runs did: moves, deployments, votes.")] = False,
) -> None:
    """Print the audit, a line a row, oldest first. Times are UTC, ISO 8601; the README explains the columns."""
    begins = parse_moment(since) if since else None
    ends = parse_moment(until, ends=True) if until else None
    wanted = Export(Sought(begins, ends), form, journal)

    async def write(store: SqlStore) -> None:
        async for line in exported(store, wanted):
            sys.stdout.write(f"{line}\n")

    try:
        asyncio.run(_reading(Settings.read(), write))
        sys.stdout.flush()
    except BrokenPipeError:
        sys.stderr.close()


def timeline(
    run: str, *, as_markdown: Annotated[bool, typer.Option("--markdown", help="For a post-mortem.")] = False
) -> None:
    """Print a run as an incident report: in order, who did what where, and how long nothing happened."""
    now = datetime.now(UTC)

    async def read(store: SqlStore) -> str:
        story = await store.read(lambda book: timeline_of(book, RunId(run), now))
        return markdown(story) if as_markdown else plain(story)

    sys.stdout.write(asyncio.run(_reading(Settings.read(), read)))


async def _reading(settings: Settings, work: Callable[[SqlStore], Awaitable[T]]) -> T:
    store = SqlStore.open(settings.database_url, migrate=False)
    try:
        return await work(store)
    finally:
        await asyncio.to_thread(store.close)
