"""Runs, leases and workloads, as `engine.ports.Runs` promises."""

import asyncio
import threading
from datetime import timedelta

import pytest

from engine.errors import Interrupted, LeaseLost, Refused
from engine.model import Run, RunId, RunState
from engine.ports import Claim
from storage.book import SqlBook
from storage.store import SqlStore
from tests.support.store import T0, a_run, grown

SOON = T0 + timedelta(seconds=30)
LATER = T0 + timedelta(minutes=5)


async def added(store: SqlStore, *runs: Run) -> None:
    def add(book: SqlBook) -> None:
        for run in runs:
            book.runs.add(run)

    await store.transact(add)


async def made_due(store: SqlStore, *names: str) -> None:
    """Store these runs, each of them to be looked at at T0."""

    def add(book: SqlBook) -> None:
        for name in names:
            run = a_run(name)
            book.runs.add(run)
            book.runs.save(grown(run), 1, token=None, due_at=T0)

    await store.transact(add)


async def claimed(store: SqlStore, owner: str, *, at: timedelta = timedelta(0), limit: int = 10) -> list[Claim]:
    now = T0 + at
    return await store.transact(lambda book: book.runs.claim(owner, now, now + timedelta(seconds=30), limit))


async def test_a_stored_run_is_found_as_it_was(store: SqlStore) -> None:
    await added(store, a_run())
    assert await store.read(lambda book: book.runs.load(RunId("shop-1"))) == a_run()
    assert await store.read(lambda book: book.runs.find(RunId("shop-2"))) is None


async def test_an_unknown_run_is_refused_with_the_nearest_name(store: SqlStore) -> None:
    await added(store, a_run("shop-41"))
    with pytest.raises(Refused, match=r"There is no run shop-4\.") as refused:
        await store.read(lambda book: book.runs.load(RunId("shop-4")))
    assert refused.value.hint == "Did you mean shop-41?"


async def test_the_same_run_cannot_be_added_twice(store: SqlStore) -> None:
    await added(store, a_run())
    with pytest.raises(Interrupted):
        await added(store, a_run())


async def test_the_newest_runs_come_first(store: SqlStore) -> None:
    await added(store, a_run("shop-1"), a_run("cart-2"), a_run("shop-3"))
    latest = await store.read(lambda book: book.runs.latest(None, 2))
    assert [run.id for run in latest] == ["shop-3", "cart-2"]
    assert [run.id for run in await store.read(lambda book: book.runs.latest("shop", 9))] == ["shop-3", "shop-1"]


async def test_what_is_over_is_not_active(store: SqlStore) -> None:
    await added(store, a_run("shop-1"), a_run("shop-2"), a_run("cart-3"))
    done = grown(a_run("shop-1"), state=RunState.SUCCEEDED)
    await store.transact(lambda book: book.runs.save(done, 1, token=None, due_at=None))
    assert [run.id for run in await store.read(lambda book: book.runs.active())] == ["shop-2", "cart-3"]
    assert [run.id for run in await store.read(lambda book: book.runs.active("shop"))] == ["shop-2"]


async def test_a_value_that_somebody_else_has_overtaken_is_not_stored(store: SqlStore) -> None:
    await added(store, a_run())
    newer = grown(a_run())
    await store.transact(lambda book: book.runs.save(newer, 1, token=None, due_at=None))
    with pytest.raises(Interrupted) as error:
        await store.transact(lambda book: book.runs.save(newer, 1, token=None, due_at=None))
    assert not isinstance(error.value, LeaseLost)
    assert await store.read(lambda book: book.runs.load(newer.id)) == newer


async def test_an_overtaken_value_under_a_good_lease_is_no_lost_lease(store: SqlStore) -> None:
    await made_due(store, "shop-1")
    (claim,) = await claimed(store, "a")
    with pytest.raises(Interrupted) as error:
        await store.transact(lambda book: book.runs.save(grown(a_run()), 1, token=claim.token, due_at=None))
    assert not isinstance(error.value, LeaseLost)


async def test_an_old_lease_writes_nothing(store: SqlStore) -> None:
    await made_due(store, "shop-1")
    (old,) = await claimed(store, "a")
    (new,) = await claimed(store, "b", at=timedelta(minutes=1))
    run = await store.read(lambda book: book.runs.load(old.run))
    with pytest.raises(LeaseLost):
        await store.transact(lambda book: book.runs.save(grown(run), run.seq, token=old.token, due_at=None))
    assert await store.read(lambda book: book.runs.load(old.run)) == run
    await store.transact(lambda book: book.runs.save(grown(run), run.seq, token=new.token, due_at=None))


async def test_a_run_is_claimed_by_one_worker(store: SqlStore) -> None:
    await made_due(store, "shop-1", "shop-2")
    assert {claim.run for claim in await claimed(store, "a")} == {"shop-1", "shop-2"}
    assert await claimed(store, "b") == []


async def test_only_what_is_due_is_claimed(store: SqlStore) -> None:
    await added(store, a_run("shop-1"))
    await made_due(store, "shop-2")
    assert await claimed(store, "a", at=-timedelta(seconds=1)) == []
    assert await store.read(lambda book: book.runs.is_due(T0))
    assert [claim.run for claim in await claimed(store, "a")] == ["shop-2"]
    assert not await store.read(lambda book: book.runs.is_due(T0))


async def test_a_worker_claims_no_more_than_it_has_room_for(store: SqlStore) -> None:
    await made_due(store, "shop-1", "shop-2", "shop-3")
    assert len(await claimed(store, "a", limit=2)) == 2
    assert len(await claimed(store, "b", limit=2)) == 1


async def test_an_expired_lease_is_claimed_again_with_a_larger_number(store: SqlStore) -> None:
    await made_due(store, "shop-1")
    (first,) = await claimed(store, "a")
    assert await claimed(store, "b", at=timedelta(seconds=30)) == []
    (second,) = await claimed(store, "b", at=timedelta(seconds=31))
    assert second.token > first.token


async def test_an_extended_lease_does_not_expire(store: SqlStore) -> None:
    await made_due(store, "shop-1")
    await claimed(store, "a")
    await store.transact(lambda book: book.runs.extend("a", LATER))
    assert await claimed(store, "b", at=timedelta(minutes=1)) == []


async def test_a_lease_given_back_can_be_claimed_at_once(store: SqlStore) -> None:
    await made_due(store, "shop-1")
    (old,) = await claimed(store, "a")
    await store.transact(lambda book: book.runs.release(old))
    (new,) = await claimed(store, "b")
    await store.transact(lambda book: book.runs.release(old))
    assert await claimed(store, "c") == []
    assert new.token > old.token


async def test_the_last_report_gives_the_lease_back(store: SqlStore) -> None:
    await made_due(store, "shop-1")
    (claim,) = await claimed(store, "a")
    run = await store.read(lambda book: book.runs.load(claim.run))
    await store.transact(lambda book: book.runs.save(grown(run), 2, token=claim.token, due_at=None))
    await store.transact(lambda book: book.runs.save(grown(grown(run)), 3, token=None, due_at=T0))
    assert len(await claimed(store, "b")) == 1


async def test_after_a_restart_all_leases_are_free(store: SqlStore) -> None:
    await made_due(store, "shop-1", "shop-2")
    await claimed(store, "a", limit=1)
    await claimed(store, "b", limit=1)
    await store.transact(lambda book: book.runs.abandon("a"))
    assert len(await claimed(store, "c")) == 1
    await store.transact(lambda book: book.runs.abandon(None))
    assert len(await claimed(store, "d")) == 2


async def test_two_stores_at_once_never_claim_the_same_run(store: SqlStore, other: SqlStore) -> None:
    names = [f"shop-{number}" for number in range(1, 41)]
    await made_due(store, *names)
    rounds = [claimed(each, f"w{number}", limit=3) for number in range(10) for each in (store, other)]
    claims = [claim for batch in await asyncio.gather(*rounds) for claim in batch]
    while more := await claimed(other, "last", limit=10):
        claims += more
    assert sorted(claim.run for claim in claims) == sorted(names)


async def test_numbers_are_counted_up_for_ever(store: SqlStore, other: SqlStore) -> None:
    many = [each.transact(lambda book: book.runs.next_number("shop")) for _ in range(10) for each in (store, other)]
    assert sorted(await asyncio.gather(*many)) == list(range(1, 21))
    assert await store.transact(lambda book: book.runs.next_number("cart")) == 1


async def test_a_workload_has_one_holder(store: SqlStore, other: SqlStore) -> None:
    runs = [RunId(f"shop-{number}") for number in range(1, 9)]
    takes = [
        (store if number % 2 else other).transact(lambda book, run=run: book.runs.hold("shop", run))  # type: ignore[misc]
        for number, run in enumerate(runs)
    ]
    took = await asyncio.gather(*takes)
    assert took.count(True) == 1
    assert await store.read(lambda book: book.runs.holder("shop")) == runs[took.index(True)]


async def test_a_workload_is_let_go_only_by_its_holder(store: SqlStore) -> None:
    await store.transact(lambda book: book.runs.hold("shop", RunId("shop-1")))
    await store.transact(lambda book: book.runs.let_go("shop", RunId("shop-2")))
    assert await store.read(lambda book: book.runs.holder("shop")) == "shop-1"
    await store.transact(lambda book: book.runs.let_go("shop", RunId("shop-1")))
    assert await store.read(lambda book: book.runs.holder("shop")) is None


async def test_the_queue_of_a_workload_is_in_the_order_of_asking(store: SqlStore) -> None:
    await added(store, a_run("shop-3"), a_run("shop-2"), a_run("cart-1", workload="cart"))
    started = grown(a_run("shop-4"))
    await added(store, started)
    assert [run.id for run in await store.read(lambda book: book.runs.queued("shop"))] == ["shop-2", "shop-3"]


async def test_a_reader_sees_every_earlier_commit(store: SqlStore, other: SqlStore) -> None:
    for number in range(1, 20):
        await added(store, a_run(f"shop-{number}"))
        newest = await other.read(lambda book: book.runs.latest(None, 1))
        assert newest[0].number == number


async def test_who_queues_while_the_holder_ends_is_not_forgotten(store: SqlStore, other: SqlStore) -> None:
    """Either the newcomer gets the workload, or whoever gives it back sees that somebody waits."""
    asked, ended = threading.Event(), threading.Event()
    await store.transact(lambda book: book.runs.hold("shop", RunId("shop-1")))

    def queue_up(book: SqlBook) -> bool:
        took = book.runs.hold("shop", RunId("shop-2"))
        asked.set()
        ended.wait(timeout=0.5)
        book.runs.add(a_run("shop-2"))
        return took

    def end(book: SqlBook) -> list[RunId]:
        asked.wait(timeout=5)
        book.runs.let_go("shop", RunId("shop-1"))
        waiting = [run.id for run in book.runs.queued("shop")]
        ended.set()
        return waiting

    took, waiting = await asyncio.gather(other.transact(queue_up), store.transact(end))
    assert took or waiting == ["shop-2"]


async def test_a_run_that_goes_on_is_stored_and_stays_due_and_active(store: SqlStore) -> None:
    await made_due(store, "shop-1")
    (claim,) = await claimed(store, "a")
    run = await store.read(lambda book: book.runs.load(claim.run))
    await store.transact(lambda book: book.runs.advance(grown(run), run.seq, token=claim.token))
    await store.transact(lambda book: book.runs.advance(grown(grown(run)), run.seq + 1, token=None))
    assert await store.read(lambda book: book.runs.active()) == [grown(grown(run))]
    await store.transact(lambda book: book.runs.release(claim))
    assert len(await claimed(store, "b")) == 1


async def test_an_old_lease_does_not_take_a_run_on(store: SqlStore) -> None:
    await made_due(store, "shop-1")
    (old,) = await claimed(store, "a")
    await claimed(store, "b", at=timedelta(minutes=1))
    run = await store.read(lambda book: book.runs.load(old.run))
    with pytest.raises(LeaseLost):
        await store.transact(lambda book: book.runs.advance(grown(run), run.seq, token=old.token))
    assert await store.read(lambda book: book.runs.load(old.run)) == run


async def test_a_run_that_somebody_else_has_overtaken_does_not_go_on(store: SqlStore) -> None:
    await made_due(store, "shop-1")
    with pytest.raises(Interrupted) as error:
        await store.transact(lambda book: book.runs.advance(grown(a_run()), 1, token=None))
    assert not isinstance(error.value, LeaseLost)
