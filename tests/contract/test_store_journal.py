"""The journal and the timers, as `engine.ports` promises."""

import asyncio
import threading
from datetime import UTC, timedelta, timezone

import pytest
from sqlalchemy import select

from engine.errors import Interrupted
from engine.events import Event, RunRequested, RunStarted, StageNoted
from engine.model import RunId
from engine.ports import Timer
from storage.book import SqlBook
from storage.store import SqlStore
from storage.tables import journal
from tests.support.eventually import eventually
from tests.support.store import ANN, T0, a_run

SHOP, CART = RunId("shop-1"), RunId("cart-1")


def noted(note: str) -> Event:
    return StageNoted(at=T0, by=ANN, stage=0, note=note, outputs={"deep": {"list": [1, None, "x"]}})


async def appended(store: SqlStore, run: RunId, first: int, *notes: str) -> None:
    await store.transact(lambda book: book.journal.append(run, first, [noted(note) for note in notes]))


async def test_entries_come_back_as_they_went_in(store: SqlStore) -> None:
    events = [RunRequested(at=T0, by=ANN, run=a_run()), RunStarted(at=T0, by=ANN), noted("pulling")]
    await store.transact(lambda book: book.journal.append(SHOP, 1, events))
    entries = await store.read(lambda book: book.journal.of(SHOP))
    assert [entry.event for entry in entries] == events
    assert [entry.n for entry in entries] == [1, 2, 3]
    assert [entry.n for entry in await store.read(lambda book: book.journal.of(SHOP, after=2))] == [3]


async def test_the_moment_of_an_entry_is_kept_as_every_other_moment(store: SqlStore) -> None:
    away = timezone(timedelta(hours=8))
    moments = [T0, T0.astimezone(away) + timedelta(microseconds=1)]
    events = [StageNoted(at=at, by=ANN, stage=0, note="pulling") for at in moments]
    await store.transact(lambda book: book.journal.append(SHOP, 1, events))
    kept = await store.read(lambda book: book.read(select(journal.c.at).order_by(journal.c.n)).scalars().all())
    assert kept == moments
    assert {at.tzinfo for at in kept} == {UTC}


async def test_an_entry_that_is_there_already_is_another_writers(store: SqlStore) -> None:
    await appended(store, SHOP, 1, "a")
    with pytest.raises(Interrupted, match="Two writers met"):
        await appended(store, SHOP, 1, "b")
    assert [entry.event for entry in await store.read(lambda book: book.journal.of(SHOP))] == [noted("a")]


async def test_all_runs_share_one_order(store: SqlStore) -> None:
    assert await store.read(lambda book: book.journal.head()) == 0
    await appended(store, SHOP, 1, "a")
    await appended(store, CART, 1, "b")
    await appended(store, SHOP, 2, "c", "d")
    entries = await store.read(lambda book: book.journal.since(0, 10))
    assert [(entry.run, entry.n) for entry in entries] == [(SHOP, 1), (CART, 1), (SHOP, 2), (SHOP, 3)]
    assert await store.read(lambda book: book.journal.head()) == entries[-1].seq
    assert await store.read(lambda book: book.journal.since(entries[0].seq, 2)) == entries[1:3]


async def test_a_job_sees_what_it_has_appended_itself(store: SqlStore) -> None:
    def append_and_look(book: SqlBook) -> int:
        book.journal.append(SHOP, 1, [noted("a")])
        return len(book.journal.of(SHOP)) + len(book.journal.since(0, 9)) + (book.journal.head() > 0)

    assert await store.transact(append_and_look) == 3


async def test_a_follower_never_misses_an_entry_of_another_writer(store: SqlStore, other: SqlStore) -> None:
    """The order of numbers is the order of commits, also between two processes."""
    writers = [
        asyncio.create_task(appended(each, RunId(f"{name}-{number}"), 1, "a", "b"))
        for number in range(60)
        for name, each in (("left", store), ("right", other))
    ]
    seen: list[int] = []
    while len(seen) < 240:
        ended = all(task.done() for task in writers)
        newest = max(seen, default=0)
        fresh = await store.read(lambda book, newest=newest: book.journal.since(newest, 500))  # type: ignore[misc]
        seen += [entry.seq for entry in fresh]
        if ended and not fresh:
            break
    await asyncio.gather(*writers)
    everything = await store.read(lambda book: book.journal.since(0, 500))
    assert seen == [entry.seq for entry in everything]
    assert len(seen) == 240


async def test_each_commit_is_told_with_how_far_the_journal_goes(store: SqlStore) -> None:
    heard: dict[RunId, int] = {}
    store.on_commit(heard.update)
    await store.transact(lambda book: book.runs.next_number("shop"))
    await appended(store, SHOP, 1, "a", "b")
    await eventually(lambda: bool(heard))
    assert heard == {SHOP: 2}


async def test_a_timer_is_due_at_its_time_and_can_be_moved(store: SqlStore) -> None:
    timer = Timer(SHOP, "expire", 1, 1, T0 + timedelta(hours=1))
    await store.transact(lambda book: book.timers.set(timer))
    assert await store.read(lambda book: book.timers.due(T0, 9)) == []
    assert await store.read(lambda book: book.timers.next_due()) == timer.due_at
    moved = Timer(SHOP, "expire", 1, 1, T0)
    await store.transact(lambda book: book.timers.set(moved))
    assert await store.read(lambda book: book.timers.due(T0, 9)) == [moved]


async def test_due_timers_come_in_order_up_to_a_limit(store: SqlStore) -> None:
    timers = [Timer(SHOP, "remind", 0, number, T0 - timedelta(minutes=number)) for number in range(5)]

    def set_all(book: SqlBook) -> None:
        for timer in timers:
            book.timers.set(timer)

    await store.transact(set_all)
    assert await store.read(lambda book: book.timers.due(T0, 2)) == [timers[4], timers[3]]


async def test_timers_are_forgotten_one_by_one_or_by_run(store: SqlStore) -> None:
    timers = [Timer(SHOP, "expire", 0, 1, T0), Timer(SHOP, "remind", 0, 1, T0), Timer(CART, "expire", 0, 1, T0)]

    def set_all(book: SqlBook) -> None:
        for timer in timers:
            book.timers.set(timer)
        book.timers.remove(timers[0])

    await store.transact(set_all)
    assert set(await store.read(lambda book: book.timers.due(T0, 9))) == set(timers[1:])
    await store.transact(lambda book: book.timers.drop(SHOP, ("expire", "remind")))
    assert await store.read(lambda book: book.timers.due(T0, 9)) == timers[2:]
    await store.transact(lambda book: book.timers.drop(CART, ("expire",)))
    assert await store.read(lambda book: book.timers.next_due()) is None


async def test_an_entry_never_appears_behind_a_later_one(store: SqlStore, other: SqlStore) -> None:
    """Who has been given an earlier number and has not committed yet holds up everybody with a later one."""
    numbered, seen = threading.Event(), threading.Event()

    def slow(book: SqlBook) -> None:
        book.journal.append(SHOP, 1, [noted("first")])
        book.journal.head()
        numbered.set()
        seen.wait(timeout=0.5)

    def quick(book: SqlBook) -> None:
        numbered.wait(timeout=5)
        book.journal.append(CART, 1, [noted("second")])

    first = asyncio.create_task(store.transact(slow))
    await other.transact(quick)
    entries = await other.read(lambda book: book.journal.since(0, 9))
    seen.set()
    await first
    assert [entry.run for entry in entries] == [SHOP, CART]
