"""The door: one transaction for a change and all that follows, one active run per workload, deadlines as rows."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from engine import commands as c
from engine.control import REMIND_AFTER, REMIND_AGAIN, Order
from engine.errors import LeaseLost, Refused
from engine.model import Run, RunState, StageState, Verdict
from engine.rollout.fleet import ReleaseId
from engine.transitions import ENGINE
from tests.support.house import GATED, PLAIN, House, a_house, shop
from tests.support.store import ANN, BOB, LOBBY, a_release

R, S = RunState, StageState
HOURS = timedelta(hours=1)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with a_house(tmp_path) as house:
        yield house


async def about(house: House, run: Run) -> dict[str, Any]:
    """What a worker's report says: it claims the run first, if nobody has."""
    now = house.clock.now()
    claims = await house.store.transact(lambda book: book.runs.claim("w", now, now + HOURS, 99))
    tokens = {claim.run: claim.token for claim in claims}
    run = await house.load(run)
    token = tokens.get(run.id, 1)
    return {"run": run.id, "by": ENGINE, "stage": run.position, "attempt": run.stage.attempt, "token": token}


async def in_review(house: House) -> Run:
    run = await house.request("shop")
    run = await house.control.submit(c.ReportSuccess(**await about(house, run), outputs={"release": "shop@1"}))
    deadline = house.clock.now() + 8 * HOURS
    ask = c.ReportReview(**{**await about(house, run), "token": 1}, fingerprint="f", plan={}, deadline=deadline)
    return await house.control.submit(ask)


async def approved(house: House, run: Run) -> Run:
    for person in (ANN, BOB):
        run = await house.control.submit(c.CastVote(run=run.id, by=person, verdict=Verdict.APPROVE))
    return run


async def test_a_run_begins_with_its_variables_and_its_version(house: House) -> None:
    run = await house.request("shop", tag="v2")
    await house.define("shop", shop().replace("8h", "9h"))
    assert (run.id, run.workload, run.version, run.state) == ("shop-1", "shop", 1, R.RUNNING)
    assert run.variables == {"tag": "v2", "SYS_TIMESTAMP": "20260301T120000Z", "SYS_INCREMENT": "1"}
    assert (await house.request("plain")).id == "plain-1"
    assert await house.replayed(run) == await house.load(run) == run


async def test_an_unknown_variable_begins_nothing(house: House) -> None:
    with pytest.raises(Refused, match="has no variable tga"):
        await house.request("shop", tga="v2")
    assert await house.store.read(lambda book: book.runs.latest(None, 9)) == []
    assert (await house.request("shop")).number == 1


async def test_a_second_run_of_a_workload_waits_its_turn(house: House) -> None:
    first, second, third = [await house.request("shop") for _ in range(3)]
    assert [run.state for run in (first, second, third)] == [R.RUNNING, R.QUEUED, R.QUEUED]
    await house.control.submit(c.Stop(run=first.id, by=ANN))
    first = await house.control.submit(c.ReportUnwound(**await about(house, first)))
    assert first.state is R.CANCELLED
    assert [(await house.load(run)).state for run in (second, third)] == [R.RUNNING, R.QUEUED]
    assert await house.store.read(lambda book: book.runs.holder("shop")) == second.id


async def test_a_queued_run_that_is_stopped_leaves_the_queue_alone(house: House) -> None:
    first, second, third = [await house.request("shop") for _ in range(3)]
    stopped = await house.control.submit(c.Stop(run=second.id, by=ANN))
    assert stopped.state is R.CANCELLED
    assert await house.store.read(lambda book: book.runs.holder("shop")) == first.id
    assert (await house.load(third)).state is R.QUEUED


async def test_a_workload_that_is_busy_can_be_refused(house: House) -> None:
    await house.define("shop", shop("reject"))
    first = await house.request("shop")
    with pytest.raises(Refused, match="shop is being released by shop-1 already") as refused:
        await house.request("shop")
    assert refused.value.hint == "`stop shop-1` ends that run."
    assert [run.id for run in await house.store.read(lambda book: book.runs.latest(None, 9))] == [first.id]


async def test_a_newer_run_can_take_the_place_of_all_others(house: House) -> None:
    await house.define("shop", shop("replace"))
    first = await house.request("shop")
    second = await house.request("shop")
    assert (await house.load(first)).unwinding is not None
    assert second.state is R.QUEUED
    third = await house.request("shop")
    assert (await house.load(second)).reason == "Replaced by shop-3."
    assert (await house.load(second)).state is R.CANCELLED
    await house.control.submit(c.ReportUnwound(**await about(house, first)))
    assert (await house.load(first)).reason == "Replaced by shop-2."
    assert (await house.load(third)).state is R.RUNNING


async def test_a_run_that_placed_nothing_is_replaced_at_once(tmp_path: Path) -> None:
    text = shop("replace").replace(
        "stages:\n", "stages:\n  - name: image\n    source: {git: https://git.example.com/a}\n"
    )
    async with a_house(tmp_path, definitions={"shop": text}) as house:
        first, second = [await house.request("shop") for _ in range(2)]
        assert (await house.load(first)).state is R.CANCELLED
        assert second.state is R.RUNNING


async def test_a_pipeline_without_a_workload_never_queues(house: House) -> None:
    assert [(await house.request("plain")).state for _ in range(2)] == [R.RUNNING, R.RUNNING]


async def test_a_review_has_its_deadline_and_its_reminder_from_the_start(house: House) -> None:
    run = await in_review(house)
    now = house.clock.now()
    assert {(timer.kind, timer.due_at - now) for timer in await house.timers(run)} == {
        ("expire", 8 * HOURS),
        ("remind", REMIND_AFTER),
    }


async def test_a_vote_moves_no_deadline_and_a_reminder_sets_the_next(house: House) -> None:
    run = await in_review(house)
    before = await house.timers(run)
    house.clock.pass_time(HOURS)
    await house.control.submit(c.CastVote(run=run.id, by=ANN, verdict=Verdict.APPROVE))
    assert await house.timers(run) == before
    await house.control.submit(c.Remind(run=run.id, by=ENGINE, stage=1, attempt=1))
    due = {timer.kind: timer.due_at - house.clock.now() for timer in await house.timers(run)}
    assert due == {"expire": 7 * HOURS, "remind": REMIND_AGAIN}


async def test_what_is_decided_has_no_deadline_left(house: House) -> None:
    run = await approved(house, await in_review(house))
    assert run.stage.name == "official"
    assert await house.timers(run) == []


@pytest.mark.parametrize("command", [c.Stop, c.RollBack])
async def test_what_is_taken_back_has_no_deadline_left(house: House, command: type[c.Stop]) -> None:
    run = await in_review(house)
    await house.control.submit(command(run=run.id, by=ANN))
    assert await house.timers(run) == []


async def test_another_split_drops_the_deadline_of_the_void_review(house: House) -> None:
    run = await in_review(house)
    run = await house.control.submit(c.ChangeShare(run=run.id, by=ANN, percent=40))
    assert await house.timers(run) == []
    assert await house.store.read(lambda book: book.runs.is_due(house.clock.now()))


async def test_a_held_stage_has_a_deadline_until_it_is_retried(house: House) -> None:
    run = await house.request("plain")
    run = await house.control.submit(c.ReportFailure(**await about(house, run), reason="No such tag."))
    (timer,) = await house.timers(run)
    assert (timer.kind, timer.attempt, timer.due_at) == ("expire", 1, house.clock.now() + HOURS)
    run = await house.control.submit(c.Retry(run=run.id, by=ANN))
    assert await house.timers(run) == []
    run = await house.control.submit(c.ReportFailure(**await about(house, run), reason="Again."))
    house.clock.pass_time(HOURS)
    run = await house.control.submit(c.Expire(run=run.id, by=ENGINE, stage=0, attempt=2))
    assert run.state is R.FAILED
    assert await house.timers(run) == []


async def test_a_success_numbers_the_release_and_frees_the_workload_at_once(house: House) -> None:
    await house.store.transact(lambda book: book.releases.add(a_release()))
    run = await approved(house, await in_review(house))
    waiting = await house.request("shop")
    run = await house.control.submit(c.ReportSuccess(**await about(house, run), outputs={"release": "shop@1"}))
    deployed = await house.store.read(lambda book: book.releases.deployed("shop"))
    assert deployed is not None
    assert (run.state, deployed.id, deployed.number, deployed.run) == (R.SUCCEEDED, "shop@1", 1, run.id)
    assert (await house.load(waiting)).state is R.RUNNING


async def test_what_did_not_succeed_is_no_deployment(house: House) -> None:
    await house.store.transact(lambda book: book.releases.add(a_release()))
    run = await approved(house, await in_review(house))
    await house.control.submit(c.RollBack(run=run.id, by=ANN))
    run = await house.control.submit(c.ReportUnwound(**await about(house, run)))
    assert run.state is R.ROLLED_BACK
    assert await house.store.read(lambda book: book.releases.history("shop", 9)) == []


async def test_a_report_under_an_old_lease_is_refused(house: House) -> None:
    run = await house.request("plain")
    old = await about(house, run)
    house.clock.pass_time(2 * HOURS)
    assert (await about(house, run))["token"] == old["token"] + 1
    with pytest.raises(LeaseLost):
        await house.control.submit(c.ReportSuccess(**old))
    assert await house.load(run) == run


async def test_an_earlier_release_is_brought_back_by_a_run_of_its_own(house: House) -> None:
    release = a_release()
    await house.store.transact(lambda book: book.releases.add(release))
    order = Order(pipeline="shop", by=ANN, room=LOBBY, changes={}, redeploys=release)
    run = await house.control.request(order)
    assert [stage.kind for stage in run.stages] == ["official"]
    assert (run.redeploys, run.workload, run.variables["tag"]) == (ReleaseId("shop@1"), "shop", "v1")


async def test_values_that_spoil_the_definition_are_refused_where_they_come_in(tmp_path: Path) -> None:
    text = GATED.replace('tag: "${tag}"', 'tag: "${tag}", branch: "${branch}"').replace(
        "tag: v1", "tag: v1\n  branch: ''"
    )
    async with a_house(tmp_path, definitions={"gated": text}) as house:
        run = await house.request("gated")
        meet = c.MeetCondition(run=run.id, by=ENGINE, key="webhook:go", variables={"branch": "main"})
        with pytest.raises(Refused):
            await house.control.submit(meet)
        assert await house.load(run) == run


async def test_a_definition_that_is_gone_begins_nothing_but_ends_what_goes_on(tmp_path: Path) -> None:
    async with a_house(tmp_path, definitions={"plain": PLAIN}) as house:
        run = await house.request("plain")
        await house.store.transact(lambda book: book.pipelines.delete("plain", house.clock.now()))
        with pytest.raises(Refused, match="There is no pipeline plain"):
            await house.request("plain")
        run = await house.control.submit(c.ReportSuccess(**await about(house, run)))
        assert run.stage.name == "image"
