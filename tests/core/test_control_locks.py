"""After a rollback the workload is locked in the same transaction, and begins nothing but what goes further back."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine import commands as c
from engine.errors import Offer, Refused
from engine.locks import Lock, Locked
from engine.model import RunState, StageState, Way
from engine.transitions import ENGINE
from storage.book import SqlBook
from tests.support.house import PLAIN, House, a_house
from tests.support.released import Releasing, shop
from tests.support.store import ANN, BOB, T0

R, S = RunState, StageState
SENTENCE = "shop is locked by ann since 01 March, 12:00 UTC: rolled back by ann from shop/api:v1: too many errors."


@pytest.fixture
async def go(tmp_path: Path) -> AsyncIterator[Releasing]:
    async with a_house(tmp_path, definitions={"shop": shop(), "plain": PLAIN}) as house:
        yield Releasing(house)


async def lock_of(go: Releasing, workload: str = "shop") -> Lock | None:
    return await go.house.store.read(lambda book: book.locks.find(workload))


async def unlock(go: Releasing) -> None:
    await go.house.store.transact(lambda book: book.locks.remove("shop"))


async def lock(go: Releasing) -> None:
    await go.house.store.transact(lambda book: book.locks.put(Lock("shop", "the audit", BOB, T0)))


async def events_of(house: House, run: str) -> list[str]:
    entries = await house.store.read(lambda book: book.journal.of(run))  # type: ignore[arg-type]
    return [type(entry.event).__name__ for entry in entries]


async def test_a_rollback_of_a_run_locks_its_workload_and_says_who_when_and_why(go: Releasing) -> None:
    run = await go.rolled_back(await go.in_review())
    found = await lock_of(go)
    assert found is not None
    assert (f"{found}", found.run, found.barred) == (SENTENCE, run.id, ("shop@1",))
    with pytest.raises(Locked) as refused:
        await go.request()
    assert str(refused.value) == SENTENCE
    assert refused.value.hint == "`unlock shop` lets it be released again."
    assert refused.value.offers == (Offer("Unlock", "unlock shop", danger=True),)
    assert len(await go.house.store.read(lambda book: book.runs.latest("shop", 9))) == 1


async def test_a_way_back_after_success_locks_when_it_has_succeeded_and_not_before(go: Releasing) -> None:
    await go.released()
    await go.released()
    back = await go.redeploy(1, reason="customers complain", by=BOB)
    assert await lock_of(go) is None
    await go.work(back)
    found = await lock_of(go)
    assert found is not None
    assert (found.reason, found.by) == ("rolled back by bob from shop/api:v2: customers complain", BOB)
    assert (found.run, found.barred) == (back.id, ("shop@2",))


async def test_a_redeploy_that_is_no_rollback_locks_nothing(go: Releasing) -> None:
    await go.released()
    await go.released()
    await go.work(await go.redeploy(1, Way.FAST))
    assert await lock_of(go) is None


async def test_stopping_refusing_and_failing_lock_nothing(go: Releasing) -> None:
    run = await go.in_review()
    await go.house.control.submit(c.Stop(run=run.id, by=ANN))
    assert (await go.work(run)).state is R.CANCELLED
    assert (await go.work(await go.refused())).state is R.REJECTED
    held = await go.fail(await go.request())
    await go.pass_time(held.rules[0].hold)
    assert (await go.work(held)).state is R.FAILED
    assert await lock_of(go) is None
    assert (await go.request()).state is R.RUNNING


async def test_runs_that_waited_are_ended_with_the_reason_and_not_begun(go: Releasing) -> None:
    first = await go.in_review()
    waiting = [await go.request() for _ in range(2)]
    await go.rolled_back(first)
    for run in waiting:
        ended = await go.house.load(run)
        assert (ended.state, ended.reason) == (R.CANCELLED, f"{SENTENCE} `unlock shop` lets it be released again.")
        assert "RunStarted" not in await events_of(go.house, run.id)
    assert await go.house.store.read(lambda book: book.runs.holder("shop")) is None


async def test_a_way_back_that_waited_is_let_in(go: Releasing) -> None:
    await go.released()
    await go.released()
    third = await go.in_review()
    back = await go.redeploy(1)
    await lock(go)
    assert (await go.work(third)).reason == f"Replaced by {back.id}."
    assert (await go.house.load(back)).state is R.RUNNING


async def test_a_redeploy_is_let_in_but_not_of_what_was_rolled_back_from(go: Releasing) -> None:
    for _ in range(3):
        await go.released()
    await go.work(await go.redeploy(2))
    for way in (Way.ROLL_BACK, Way.FAST, Way.REVIEWED):
        with pytest.raises(Locked):
            await go.redeploy(3, way)
    assert (await go.work(await go.redeploy(1))).state is R.SUCCEEDED
    found = await lock_of(go)
    assert found is not None
    assert found.barred == ("shop@3", "shop@2")
    with pytest.raises(Locked):
        await go.redeploy(2)
    await unlock(go)
    assert (await go.redeploy(3, Way.REVIEWED)).state is R.RUNNING


async def test_what_a_person_locked_says_so_still_after_a_rollback(go: Releasing) -> None:
    run = await go.in_review()
    await lock(go)
    await go.rolled_back(run)
    found = await lock_of(go)
    assert found is not None
    assert found.reason.endswith("too many errors. Before that, bob: the audit")


async def test_a_run_that_has_begun_goes_on_under_a_lock_but_does_not_begin_anew(tmp_path: Path) -> None:
    text = shop().replace("  - name: review\n", "    on_error: {do: return_to_start}\n  - name: review\n")
    async with a_house(tmp_path, definitions={"shop": text}) as house:
        go = Releasing(house)
        run = await go.in_review()
        await lock(go)
        assert (await go.work(await go.vote(run))).state is R.SUCCEEDED
        await unlock(go)
        paused = await go.fail(await go.request())
        assert paused.paused
        await lock(go)
        with pytest.raises(Locked):
            await house.control.submit(c.Retry(run=paused.id, by=ANN))
        await unlock(go)
        assert not (await house.control.submit(c.Retry(run=paused.id, by=ANN))).paused


async def test_a_start_by_the_clock_is_turned_away_in_sight_once_for_each_lock(go: Releasing) -> None:
    await go.rolled_back(await go.in_review())
    turned_away = await go.request(by_itself=True)
    assert (turned_away.state, turned_away.reason.startswith(SENTENCE)) == (R.CANCELLED, True)
    assert await events_of(go.house, turned_away.id) == ["RunRequested", "RunEnded"]
    for _ in range(2):
        with pytest.raises(Locked):
            await go.request(by_itself=True)
    assert len(await go.house.store.read(lambda book: book.runs.latest("shop", 9))) == 2
    await unlock(go)
    await lock(go)
    assert (await go.request(by_itself=True)).state is R.CANCELLED


async def test_a_locked_pipeline_that_replaces_ends_nothing_that_goes_on(tmp_path: Path) -> None:
    async with a_house(tmp_path, definitions={"shop": "concurrency: replace\n" + shop()}) as house:
        go = Releasing(house)
        run = await go.in_review()
        await lock(go)
        with pytest.raises(Locked):
            await go.request()
        assert (await house.load(run)).unwinding is None


async def test_what_has_no_workload_is_locked_by_nothing(go: Releasing) -> None:
    await go.rolled_back(await go.in_review())
    assert (await go.request(pipeline="plain")).state is R.RUNNING


async def test_a_rollback_by_nobody_locks_nothing(go: Releasing) -> None:
    run = await go.in_review()
    await go.house.control.submit(c.Stop(run=run.id, by=ENGINE, final=R.ROLLED_BACK))
    assert (await go.work(run)).state is R.ROLLED_BACK
    assert await lock_of(go) is None


async def test_there_is_no_moment_between_a_rollback_and_its_lock(go: Releasing) -> None:
    run = await go.in_review()
    await go.house.control.submit(c.RollBack(run=run.id, by=ANN))
    unwound = await go.unwound(run)

    def die(book: SqlBook) -> None:
        go.house.control.apply(book, unwound)
        assert book.locks.find("shop") is not None
        raise Refused("The machine lost its power.")

    with pytest.raises(Refused):
        await go.house.store.transact(die)
    assert ((await go.house.load(run)).state.is_over, await lock_of(go)) == (False, None)
