"""Batches, a locked database, a full disk, and death in the middle."""

import asyncio
import contextlib
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.errors import Interrupted, Refused
from engine.events import StageNoted
from engine.model import RunId
from storage.book import SqlBook
from storage.faults import StoreUnavailable
from storage.store import SqlStore
from tests.support.store import ANN, T0, a_run, opened, sqlite_at

RUN = RunId("shop-1")
COMMITS = 200


def refuses(_book: SqlBook) -> None:
    raise Refused("Not today.")


def writes_and_refuses(book: SqlBook) -> None:
    book.runs.add(a_run("spoiled-1"))
    raise Refused("Not after all.")


def appends_and_refuses(book: SqlBook) -> None:
    book.journal.append(RUN, 1, [StageNoted(at=T0, by=ANN, stage=0, note="never")])
    raise Refused("Not after all.")


def has_a_bug(_book: SqlBook) -> None:
    raise RuntimeError("a bug")


async def in_one_batch(url: str, *jobs: Callable[[SqlBook], object]) -> list[object]:
    """What came of `jobs`, which waited together before the store began to write."""
    store = SqlStore.open(url)
    waiting: list[asyncio.Task[object]] = [asyncio.create_task(store.transact(job)) for job in jobs]
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(store.close)
        while store.writer.waiting < len(jobs):
            await asyncio.wait(waiting, timeout=0.01)
        store.start()
        return list(await asyncio.gather(*waiting, return_exceptions=True))


@pytest.mark.parametrize("culprit", [refuses, writes_and_refuses, appends_and_refuses, has_a_bug])
async def test_a_job_that_fails_disturbs_no_other_of_its_batch(url: str, culprit: Callable[[SqlBook], object]) -> None:
    def adds(name: str) -> Callable[[SqlBook], object]:
        return lambda book: book.runs.add(a_run(name))

    first, failed, last = await in_one_batch(url, adds("shop-1"), culprit, adds("shop-2"))
    assert first is None
    assert isinstance(failed, Refused | RuntimeError)
    assert last is None
    async with opened(url) as store:
        assert [run.id for run in await store.read(lambda book: book.runs.active())] == ["shop-1", "shop-2"]
        assert await store.read(lambda book: book.journal.head()) == 0


async def test_a_job_gets_its_answer_when_it_is_committed(store: SqlStore, other: SqlStore) -> None:
    assert await store.transact(lambda book: book.runs.next_number("shop")) == 1
    assert await other.transact(lambda book: book.runs.next_number("shop")) == 2


async def test_a_closed_store_says_so(url: str) -> None:
    async with opened(url) as store:
        pass
    with pytest.raises(Interrupted, match="closed"):
        await store.transact(lambda book: book.runs.next_number("shop"))
    with pytest.raises(Interrupted, match="closed"):
        await store.read(lambda book: book.journal.head())


async def test_an_unreachable_server_is_an_outage_in_words(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="cannot be used"):
        SqlStore.open(f"postgresql+psycopg://nobody@/nothing?host={tmp_path}")


async def test_a_locked_database_is_told_and_works_again_when_it_is_free(tmp_path: Path) -> None:
    async with opened(sqlite_at(tmp_path), patience=0.1) as store:
        await store.transact(lambda book: book.runs.add(a_run("shop-1")))
        holder = sqlite3.connect(tmp_path / "sluice.db", isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")
        jobs = [store.transact(lambda book: book.runs.next_number("shop")) for _ in range(20)]
        failed = await asyncio.gather(*jobs, return_exceptions=True)
        assert {type(error) for error in failed} == {StoreUnavailable}
        assert str(failed[0]) == "The database is locked by another program; nothing can be written down."
        assert await store.read(lambda book: book.runs.load(RUN)) == a_run("shop-1")
        holder.rollback()
        holder.close()
        assert await store.transact(lambda book: book.runs.next_number("shop")) == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own with two megabytes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], check=False, capture_output=True, text=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"mounting is not permitted here: {mounted.stderr.strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


async def added_until_full(store: SqlStore) -> tuple[StoreUnavailable, int]:
    """What was said when no more runs could be added, and how many there are then."""
    for number in range(2, 2000):
        try:
            await store.transact(lambda book, number=number: book.runs.add(a_run(f"shop-{number}")))  # type: ignore[misc]
        except StoreUnavailable as told:
            return told, number - 1
    pytest.fail("the disk took everything")


@pytest.mark.live
async def test_a_full_disk_is_told_loses_nothing_and_is_forgotten_when_there_is_room(small_disk: Path) -> None:
    async with opened(sqlite_at(small_disk)) as store:
        await store.transact(lambda book: book.runs.add(a_run("shop-1")))
        ballast = small_disk / "ballast"
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)
        told, kept = await added_until_full(store)
        assert str(told) == "The disk that holds the database is full; nothing can be written down."
        assert told.hint == "Make room; Sluice carries on by itself."
        assert len(await store.read(lambda book: book.runs.active())) == kept
        ballast.unlink()
        await store.transact(lambda book: book.runs.add(a_run("cart-1")))
        assert len(await store.read(lambda book: book.runs.active())) == kept + 1


@pytest.mark.live
async def test_what_was_acknowledged_survives_kill_9(url: str) -> None:
    async with opened(url):
        pass
    program = [sys.executable, "-m", "tests.support.commit_until_killed", url]
    writer = await asyncio.create_subprocess_exec(*program, stdout=asyncio.subprocess.PIPE)
    assert writer.stdout is not None
    async with asyncio.timeout(60):
        said = [await writer.stdout.readline() for _ in range(COMMITS)]
    writer.kill()
    said += (await writer.stdout.read()).splitlines()
    await writer.wait()
    acknowledged = int([line for line in said if line.strip()][-1])
    assert acknowledged >= COMMITS
    async with opened(url) as store:
        entries = await store.read(lambda book: book.journal.of(RUN))
        assert [entry.n for entry in entries] == list(range(1, len(entries) + 1))
        assert len(entries) >= acknowledged
