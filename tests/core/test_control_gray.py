"""No gray release lives for ever: what a run leaves standing is remembered, reminded of, and taken back."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from engine import commands as c
from engine.control import LOOK_AGAIN
from engine.errors import Refused
from engine.locks import Lock
from engine.model import Run, RunState, StageKind, Way
from engine.stages.rollout import placed_release
from engine.transitions import ENGINE
from storage.book import SqlBook
from tests.support.house import House, a_house
from tests.support.released import Releasing, shop
from tests.support.store import ANN, T0, a_release

R = RunState
DAYS = timedelta(days=1)
LONG = 14 * DAYS


@pytest.fixture
async def go(tmp_path: Path) -> AsyncIterator[Releasing]:
    async with a_house(tmp_path, definitions={"shop": shop("keep")}) as house:
        yield Releasing(house)


async def timers(house: House, run: Run) -> dict[str, timedelta]:
    return {timer.kind: timer.due_at - T0 for timer in await house.timers(run)}


async def left_by(house: House) -> str | None:
    return await house.store.read(lambda book: book.releases.gray_of("shop"))


async def newest(house: House) -> Run:
    return (await house.store.read(lambda book: book.runs.latest("shop", 1)))[0]


async def test_a_refused_gray_release_that_is_kept_has_its_timers_and_is_remembered(go: Releasing) -> None:
    run = await go.refused()
    assert (run.state, await left_by(go.house)) == (R.REJECTED, run.id)
    assert await timers(go.house, run) == {"gray_soon": LONG - DAYS, "gray": LONG}


async def test_rooms_are_reminded_a_day_before(go: Releasing) -> None:
    run = await go.refused()
    await go.pass_time(LONG - DAYS)
    assert (await go.house.events(run))[-1] == "GrayReminded"
    assert await timers(go.house, run) == {"gray": LONG}


async def test_at_its_deadline_a_run_of_its_own_takes_it_back_and_nothing_is_locked(go: Releasing) -> None:
    await go.released()
    left = await go.refused()
    await go.pass_time(LONG)
    back = await newest(go.house)
    assert (back.requested_by, back.room, placed_release(back)) == (ENGINE, left.room, "shop@2")
    assert back.unwinding is not None
    assert (await go.work(back)).state is R.ROLLED_BACK
    assert (await newest(go.house)).reason == "Nobody promoted the gray release that shop-2 left standing."
    assert (await go.house.load(left)).gray_until is None
    assert await left_by(go.house) is None
    assert await timers(go.house, left) == {}
    assert await go.house.store.read(lambda book: book.locks.all()) == []
    assert (await go.request()).state is R.RUNNING


async def test_a_crash_between_the_deadline_and_its_outcome_leaves_the_timer(go: Releasing) -> None:
    left = await go.refused()
    go.house.clock.pass_time(LONG)
    due = go.house.clock.now()
    timer = next(one for one in await go.house.store.read(lambda book: book.timers.due(due, 9)) if one.kind == "gray")

    def die(book: SqlBook) -> None:
        go.house.control.fire(book, timer)
        raise Refused("The machine lost its power.")

    with pytest.raises(Refused):
        await go.house.store.transact(die)
    assert "gray" in await timers(go.house, left)
    assert (await newest(go.house)).id == left.id
    await go.pass_time(timedelta(0))
    assert (await newest(go.house)).unwinding is not None


async def test_while_another_run_has_the_workload_it_waits(go: Releasing) -> None:
    left = await go.refused()
    other = await go.request()
    await go.pass_time(LONG)
    assert (await newest(go.house)).id == other.id
    assert (await timers(go.house, left))["gray"] == LONG + LOOK_AGAIN


async def test_another_release_takes_its_place(go: Releasing) -> None:
    left = await go.refused()
    other = await go.work(await go.request())
    assert (await go.house.load(left)).gray_until is None
    assert (await go.house.events(left))[-1] == "GrayEnded"
    assert await left_by(go.house) is None
    await go.house.control.submit(c.Stop(run=other.id, by=ANN))
    await go.work(other)
    await go.pass_time(LONG)
    assert (await newest(go.house)).id == other.id, "nothing is left that could be taken back"


async def test_a_run_that_ends_before_it_places_anything_leaves_it_standing(go: Releasing) -> None:
    left = await go.refused()
    other = await go.request()
    await go.house.control.submit(c.Stop(run=other.id, by=ANN))
    await go.work(other)
    assert await left_by(go.house) == left.id
    await go.pass_time(LONG)
    assert placed_release(await newest(go.house)) == "shop@1"


async def test_a_way_back_that_succeeds_ends_it(go: Releasing) -> None:
    await go.released()
    left = await go.refused()
    await go.work(await go.redeploy(1, Way.FAST))
    assert (await go.house.load(left)).gray_until is None
    assert await left_by(go.house) is None


async def test_a_person_takes_it_back_and_that_is_a_rollback(go: Releasing) -> None:
    left = await go.refused()
    run = await go.house.store.transact(lambda book: go.house.control.take_gray_back(book, left.id, ANN, "errors"))
    assert (await go.work(run)).state is R.ROLLED_BACK
    lock = await go.house.store.read(lambda book: book.locks.find("shop"))
    assert lock is not None
    assert (lock.reason, lock.barred) == ("rolled back by ann from shop/api:v1: errors", ("shop@1",))
    with pytest.raises(Refused, match="is rejected; it cannot be changed"):
        await go.house.store.transact(lambda book: go.house.control.take_gray_back(book, left.id, ANN, ""))


async def test_it_is_taken_back_although_the_workload_is_locked(go: Releasing) -> None:
    await go.released()
    left = await go.refused()
    await go.house.store.transact(lambda book: book.locks.put(Lock("shop", "the audit", ANN, T0)))
    await go.pass_time(LONG)
    back = await newest(go.house)
    assert (back.id != left.id, back.unwinding is not None) == (True, True)


async def test_gray_that_is_to_be_kept_is_kept_and_timed_again(tmp_path: Path) -> None:
    text = shop("keep").replace("deadline: 14d", "deadline: 14d, on_deadline: keep")
    async with a_house(tmp_path, definitions={"shop": text}) as house:
        go = Releasing(house)
        run = await go.refused()
        await go.pass_time(LONG)
        assert (await house.events(run))[-1] == "GrayKept"
        assert await timers(house, run) == {"gray_soon": 2 * LONG - DAYS, "gray": 2 * LONG}
        assert (await newest(house)).id == run.id


async def test_a_run_that_waits_for_a_trigger_takes_its_gray_release_back_itself(tmp_path: Path) -> None:
    gated = shop().replace("    official: {}", "    official: {}\n    conditions: {of: [{webhook: go}]}")
    async with a_house(tmp_path, definitions={"shop": gated}) as house:
        go = Releasing(house)
        run = await go.vote(await go.in_review())
        assert await timers(house, run) == {"gray_soon": LONG - DAYS, "gray": LONG}
        await go.pass_time(LONG)
        assert (await go.work(run)).state is R.ROLLED_BACK
        assert await timers(house, run) == {}


async def test_an_official_release_whose_error_is_ignored_leaves_gray_standing(tmp_path: Path) -> None:
    text = shop(more="    on_error: {do: ignore}\n")
    async with a_house(tmp_path, definitions={"shop": text}) as house:
        go = Releasing(house)
        run = await go.fail(await go.vote(await go.in_review()))
        assert (run.state, await left_by(house)) == (R.SUCCEEDED, run.id)
        await go.pass_time(LONG)
        assert (await newest(house)).unwinding is not None


async def test_what_is_retired_leaves_nothing_standing(go: Releasing) -> None:
    left = await go.refused()
    await go.house.store.transact(lambda book: go.house.control.forget_gray(book, "shop", ANN))
    assert (await go.house.load(left)).gray_until is None
    assert await timers(go.house, left) == {}


async def test_a_redeploy_goes_through_the_stages_of_today_with_the_settings_of_then(go: Releasing) -> None:
    await go.released()
    changed = shop().replace('shop/api:${tag}"', 'shop/api:${tag}", instances: 5, drain: 9s, gray_instances: 2')
    await go.house.define("shop", changed)
    await go.released()
    run = await go.redeploy(1, Way.REVIEWED, reason="v2 is slow")
    assert [stage.kind for stage in run.stages] == [StageKind.GRAY, StageKind.REVIEW, StageKind.OFFICIAL]
    assert (run.redeploys, run.because, run.rules[1].reviewers) == ("shop@1", "v2 is slow", (ANN,))
    kept = await go.house.store.read(lambda book: book.releases.load(a_release("shop@1").id))
    assert (kept.settings["instances"], kept.settings["gray_instances"], kept.settings["drain"]) == (5, 2, "5s")
    assert "instances: 5" in kept.manifest
    assert (await go.history())[1].settings["instances"] == 2, "what it was deployed with before is history"


async def test_a_redeploy_waits_its_turn_when_it_is_reviewed_and_takes_it_at_once_when_not(go: Releasing) -> None:
    await go.released()
    await go.released()
    busy = await go.in_review()
    assert (await go.redeploy(1, Way.REVIEWED)).state is R.QUEUED
    back = await go.redeploy(1, Way.FAST)
    assert (await go.house.load(busy)).unwinding is not None
    await go.work(busy)
    assert (await go.house.load(back)).state is R.RUNNING


async def test_a_pipeline_without_stages_for_it_says_how_to_redeploy_all_the_same(go: Releasing) -> None:
    await go.released()
    await go.house.define("shop", 'pipeline: shop\nstages:\n  - name: code\n    source: {git: "https://e.com/a.git"}\n')
    with pytest.raises(Refused, match="has no stages any more") as refused:
        await go.redeploy(1, Way.REVIEWED)
    assert refused.value.hint == "`redeploy shop 1 fast` brings it back without them."
