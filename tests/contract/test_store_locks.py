"""Locks, and gray releases that are left standing, as `engine.book` promises."""

from dataclasses import replace
from datetime import timedelta

from engine.locks import Lock
from engine.model import RunId, RunState
from engine.rollout.fleet import ReleaseId
from storage.store import SqlStore
from tests.support.store import ANN, BOB, T0, a_release, a_run, grown

CLUSTER, NAMESPACE, NAME = "c" * 63, "n" * 63, "w" * 63
LONGEST = f"{CLUSTER}/{NAMESPACE}/{NAME}"
BARRED = (ReleaseId("shop@1"), ReleaseId("shop@2"))
LOCK = Lock("shop", "rolled back by ann: naïve 🔒", ANN, T0, RunId("shop-3"), BARRED, ("shop", "nightly"))


async def test_a_lock_is_found_as_it_was_put(store: SqlStore) -> None:
    assert await store.read(lambda book: book.locks.find("shop")) is None
    await store.transact(lambda book: book.locks.put(LOCK))
    assert await store.read(lambda book: book.locks.find("shop")) == LOCK
    plain = Lock("cart", "the audit", BOB, T0 + timedelta(hours=1))
    await store.transact(lambda book: book.locks.put(plain))
    assert await store.read(lambda book: book.locks.all()) == [plain, LOCK]


async def test_a_newer_lock_takes_the_place_of_an_older_one(store: SqlStore) -> None:
    await store.transact(lambda book: book.locks.put(LOCK))
    newer = replace(LOCK, reason="worse", by=BOB, at=T0 + timedelta(days=1), run=RunId("shop-9"), barred=(), told=())
    await store.transact(lambda book: book.locks.put(newer))
    assert await store.read(lambda book: book.locks.all()) == [newer]


async def test_what_is_unlocked_has_no_lock(store: SqlStore) -> None:
    await store.transact(lambda book: book.locks.put(LOCK))
    await store.transact(lambda book: book.locks.remove("cart"))
    await store.transact(lambda book: book.locks.remove("shop"))
    assert await store.read(lambda book: book.locks.find("shop")) is None


async def test_the_run_that_has_left_a_gray_release_is_remembered_until_another_has(store: SqlStore) -> None:
    assert await store.read(lambda book: book.releases.gray_of("shop")) is None
    for name in ("shop-1", "shop-2"):
        await store.transact(lambda book, name=name: book.releases.leave_gray("shop", RunId(name)))  # type: ignore[misc]
        assert await store.read(lambda book: book.releases.gray_of("shop")) == name
    await store.transact(lambda book: book.releases.leave_gray("shop", None))
    assert await store.read(lambda book: book.releases.gray_of("shop")) is None


async def test_a_workload_may_be_named_by_cluster_namespace_and_name(store: SqlStore) -> None:
    """PostgreSQL refuses a text that is longer than its column."""
    release = a_release(f"{LONGEST}@found-012345678901", workload=LONGEST)
    run = a_run("shop-1", workload=LONGEST)
    await store.transact(lambda book: book.releases.add(release))
    await store.transact(lambda book: book.runs.add(run))
    await store.transact(lambda book: book.runs.save(grown(run), 1, token=None, due_at=None))
    assert await store.transact(lambda book: book.runs.hold(LONGEST, run.id))
    marked = await store.transact(lambda book: book.releases.mark_deployed(release.id, run.id, T0))
    await store.transact(lambda book: book.releases.retire(LONGEST, ANN, T0))
    await store.transact(lambda book: book.locks.put(replace(LOCK, workload=LONGEST)))
    await store.transact(lambda book: book.releases.leave_gray(LONGEST, run.id))
    assert await store.read(lambda book: book.releases.history(LONGEST, 9)) == [marked]
    assert (await store.read(lambda book: book.runs.load(run.id))).state is RunState.RUNNING
    assert await store.read(lambda book: book.releases.ending()) == [LONGEST]


async def test_a_lock_that_is_gone_or_new_does_not_come_back_with_what_was_told(store: SqlStore) -> None:
    await store.transact(lambda book: book.locks.put(LOCK))
    told = replace(LOCK, told=("shop", "web"))
    await store.transact(lambda book: book.locks.tell(told))
    assert await store.read(lambda book: book.locks.find(LOCK.workload)) == told
    newer = replace(LOCK, at=LOCK.at + timedelta(hours=1), told=())
    await store.transact(lambda book: book.locks.put(newer))
    await store.transact(lambda book: book.locks.tell(told))
    assert await store.read(lambda book: book.locks.find(LOCK.workload)) == newer
    await store.transact(lambda book: book.locks.remove(LOCK.workload))
    await store.transact(lambda book: book.locks.tell(told))
    assert await store.read(lambda book: book.locks.all()) == []
