"""Freezes at the one door: what is turned away, what waits, what goes on by itself, and nothing in between."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest

from engine import commands as c
from engine.errors import Refused
from engine.freezes import Freeze, FreezeId, Frozen, Once, Plea, Reach, Scope, Weekly
from engine.model import Override, Run, RunState, StageState, Verdict, Way
from engine.ports import Builder
from engine.stages.job import Finished, Job, Outcome
from engine.stages.rollout import Rollouts
from engine.standstill import frozen
from engine.transitions import ENGINE
from storage.book import SqlBook
from tests.support.house import PLAIN, a_house, ask, working
from tests.support.released import Releasing, shop
from tests.support.store import ANN, BOB, LOBBY, T0

R, S = RunState, StageState
HOUR = timedelta(hours=1)
EVERYTHING = Scope(Reach.EVERYTHING)


@pytest.fixture
async def go(tmp_path: Path) -> AsyncIterator[Releasing]:
    async with a_house(tmp_path, definitions={"shop": shop(), "plain": PLAIN}) as house:
        yield Releasing(house)


async def freeze(go: Releasing, span: timedelta = HOUR, scope: Scope = EVERYTHING, name: str = "f1") -> Freeze:
    now = go.house.clock.now()
    made = Freeze(FreezeId(name), scope, Once(now, now + span, "UTC"), "the fair", BOB, now)
    await go.house.store.transact(lambda book: book.freezes.put(made))
    return made


async def report_frozen(go: Releasing, run: Run, until: timedelta = HOUR) -> Run:
    about = await go._about(await go.house.load(run))
    return await go.house.control.submit(
        c.ReportFrozen(**about, until=go.house.clock.now() + until, sentence="Everything is frozen.")
    )


async def approved_and_frozen(go: Releasing, span: timedelta = HOUR) -> Run:
    run = await go.vote(await go.in_review())
    await freeze(go, span)
    return await report_frozen(go, run, span)


async def plead(go: Releasing) -> Plea:
    now = go.house.clock.now()
    plea = Plea("o1", "start", "shop", ANN, now, "The checkout is broken.", LOBBY, now + HOUR)
    await go.house.store.transact(lambda book: book.freezes.keep_plea(plea))
    return plea


async def agree(go: Releasing) -> None:
    plea = replace(await plead(go), confirmed_by=BOB)
    await go.house.store.transact(lambda book: book.freezes.keep_plea(plea))


async def test_a_start_is_refused_with_the_window_who_why_and_until_when(go: Releasing) -> None:
    await freeze(go)
    with pytest.raises(Frozen) as refused:
        await go.request()
    assert str(refused.value) == "Everything is frozen until Sun 01 March 2026, 13:00 (UTC) by bob: the fair (f1)."
    assert refused.value.hint == "`override shop REASON` asks for it all the same; somebody else has to confirm that."
    assert await go.house.store.read(lambda book: book.runs.latest("shop", 9)) == []
    await go.pass_time(HOUR)
    assert (await go.request()).state is R.RUNNING


async def test_a_run_stands_still_in_the_group_that_its_pipeline_was_moved_to_meanwhile(go: Releasing) -> None:
    run = await go.vote(await go.in_review())
    now = go.house.clock.now()
    await go.house.store.transact(lambda book: book.pipelines.save("shop", "web", shop(more="\n"), ANN, now))
    await freeze(go, scope=Scope(Reach.GROUP, "default"))
    assert await go.house.store.read(lambda book: frozen(book, run, now)) is None
    await freeze(go, scope=Scope(Reach.GROUP, "web"), name="f2")
    held = await go.house.store.read(lambda book: frozen(book, run, now))
    assert held is not None
    assert held.freeze.id == "f2"
    assert (await report_frozen(go, run)).stage.state is S.FROZEN


async def test_a_freeze_holds_what_it_names_and_nothing_else(go: Releasing) -> None:
    for scope in (Scope(Reach.PIPELINE, "shop"), Scope(Reach.GROUP, "default"), Scope(Reach.WORKLOAD, "shop")):
        await freeze(go, scope=scope)
        with pytest.raises(Frozen):
            await go.request()
    for scope in (Scope(Reach.PIPELINE, "plain"), Scope(Reach.GROUP, "web"), Scope(Reach.WORKLOAD, "cart")):
        await freeze(go, scope=scope)
        await go.request()


async def test_a_start_by_itself_is_turned_away_in_sight_once_in_each_window(go: Releasing) -> None:
    window = Weekly((6,), 12 * 60, 0, 13 * 60, "UTC")
    made = Freeze(FreezeId("f1"), EVERYTHING, window, "the fair", BOB, T0)
    await go.house.store.transact(lambda book: book.freezes.put(made))
    for week in (1, 2):
        turned_away = await go.request(by_itself=True)
        assert (turned_away.state, "Everything is frozen until" in turned_away.reason) == (R.CANCELLED, True)
        for _ in range(2):
            with pytest.raises(Frozen):
                await go.request(by_itself=True)
        assert len(await go.house.store.read(lambda book: book.runs.latest("shop", 9))) == week
        await go.pass_time(timedelta(days=7))
    found = await go.house.store.read(lambda book: book.freezes.find(FreezeId("f1")))
    assert found is not None
    assert len(found.told) == 1, "what was told in windows that are over is forgotten"


async def test_a_frozen_pipeline_that_replaces_ends_nothing_that_goes_on(tmp_path: Path) -> None:
    async with a_house(tmp_path, definitions={"shop": "concurrency: replace\n" + shop()}) as house:
        go = Releasing(house)
        run = await go.in_review()
        await freeze(go)
        with pytest.raises(Frozen):
            await go.request()
        assert (await house.load(run)).unwinding is None


async def test_what_waits_goes_on_by_itself_when_the_window_ends(go: Releasing) -> None:
    run = await approved_and_frozen(go)
    assert [(timer.kind, timer.due_at) for timer in await go.house.timers(run)] == [("expire", T0 + HOUR)]
    await go.pass_time(HOUR - timedelta(seconds=1))
    assert (await go.house.load(run)).stage.state is S.FROZEN
    await go.pass_time(timedelta(seconds=1))
    assert (await go.house.load(run)).stage.state is S.RUNNING
    assert (await go.work(run)).state is R.SUCCEEDED


async def test_a_freeze_that_goes_while_the_worker_looks_leaves_nothing_waiting(go: Releasing) -> None:
    run = await go.vote(await go.in_review())
    after = await report_frozen(go, run)
    assert after.stage.state is S.RUNNING
    assert (await go.house.events(run))[-2:] == ["StageFrozen", "StageThawed"]
    assert (await go.work(run)).state is R.SUCCEEDED


async def test_only_runs_that_nothing_else_freezes_go_on_when_a_freeze_is_taken_away(go: Releasing) -> None:
    run = await approved_and_frozen(go)
    await freeze(go, 2 * HOUR, name="f2")

    def remove(book: SqlBook, name: str) -> list[Run]:
        book.freezes.remove(FreezeId(name))
        return go.house.control.thaw(book)

    assert await go.house.store.transact(lambda book: remove(book, "f1")) == []
    assert [one.id for one in await go.house.store.transact(lambda book: remove(book, "f2"))] == [run.id]


async def test_there_is_no_moment_between_a_freeze_taken_away_and_what_it_held(go: Releasing) -> None:
    run = await approved_and_frozen(go)

    def die(book: SqlBook) -> None:
        book.freezes.remove(FreezeId("f1"))
        assert go.house.control.thaw(book)
        raise Refused("The machine lost its power.")

    with pytest.raises(Refused):
        await go.house.store.transact(die)
    assert (await go.house.load(run)).stage.state is S.FROZEN
    assert await go.house.store.read(lambda book: book.freezes.find(FreezeId("f1"))) is not None
    assert await go.house.timers(run), "and it goes on by itself when the window ends"


async def test_what_nobody_else_has_confirmed_lets_nothing_begin(go: Releasing) -> None:
    await freeze(go)
    await plead(go)
    with pytest.raises(Frozen):
        await go.request()


async def test_what_two_people_agreed_on_lets_one_run_begin_and_no_second(go: Releasing) -> None:
    await freeze(go, 2 * HOUR)
    await agree(go)
    run = await go.request()
    assert run.override == Override(ANN, BOB, "The checkout is broken.", T0)
    assert (await go.house.replayed(run)).override == run.override
    with pytest.raises(Frozen):
        await go.request()


async def test_what_two_people_agreed_on_is_kept_when_the_start_fails(go: Releasing) -> None:
    await freeze(go)
    await agree(go)
    with pytest.raises(Refused, match="colour"):
        await go.request(changes={"colour": "red"})
    assert (await go.request()).override is not None


async def test_no_machine_uses_what_two_people_agreed_on(go: Releasing) -> None:
    await freeze(go)
    await agree(go)
    assert (await go.request(by_itself=True)).state is R.CANCELLED
    await go.pass_time(HOUR - timedelta(minutes=1))
    assert (await go.request()).override is not None


async def test_what_two_people_agreed_on_is_forgotten_in_time(go: Releasing) -> None:
    await freeze(go, 9 * HOUR)
    await agree(go)
    await go.pass_time(HOUR)
    with pytest.raises(Frozen):
        await go.request()


async def test_a_way_back_begins_inside_a_window_and_a_way_forth_does_not(go: Releasing) -> None:
    await go.released()
    await go.released()
    await freeze(go)
    for way in (Way.FAST, Way.REVIEWED):
        with pytest.raises(Frozen):
            await go.redeploy(1, way)
    assert (await go.work(await go.redeploy(1))).state is R.SUCCEEDED


async def test_a_run_that_nobody_could_pass_is_refused_to_people_and_begun_by_machines(tmp_path: Path) -> None:
    text = shop().replace("reviewers: [ann]", "reviewers: [ann], no_self_approval: true")
    async with a_house(tmp_path, definitions={"shop": text}) as house:
        go = Releasing(house)
        with pytest.raises(Refused, match="Nobody could pass review: it needs 1 vote of ann"):
            await go.request()
        assert (await go.request(by=BOB)).state is R.RUNNING


def gate(go: Releasing, noted: list[bool]) -> "Gate":
    return Gate(Rollouts(go.house.store, {}, cast("Builder", None)), noted)


class Gate:
    """An official stage that asks what the real one asks, and then is done: at once, or after a first move."""

    def __init__(self, rollouts: Rollouts, noted: list[bool]) -> None:
        self.rollouts, self.noted = rollouts, noted

    async def __call__(self, job: Job) -> Outcome:
        if (still := await self.rollouts.stands_still(job)) is not None:
            return still
        self.noted.append("release" in job.state.outputs)
        return Finished({"release": "shop@1"})


async def test_a_worker_that_begins_anew_inside_a_window_does_not_begin_the_release(go: Releasing) -> None:
    """Approved on Friday, and the machine died before the first move: it comes back inside the window."""
    noted: list[bool] = []
    run = await go.vote(await go.in_review())
    assert run.stage.state is S.RUNNING
    await freeze(go)
    async with working(go.house.worker(official=gate(go, noted))):
        waiting = await go.house.until(run, lambda run: run.stage.state is S.FROZEN)
        assert waiting.stage.note.startswith("Everything is frozen until Sun 01 March 2026, 13:00 (UTC) by bob")
        assert noted == []
        await go.pass_time(HOUR)
        await go.house.until(run, lambda run: run.state is R.SUCCEEDED)
    assert noted == [False]


async def test_a_release_that_has_begun_is_brought_to_its_end_inside_a_window(go: Releasing) -> None:
    noted: list[bool] = []
    run = await go.vote(await go.in_review())
    about = await go._about(run)
    await go.house.control.submit(c.ReportNote(**about, note="launch", outputs={"release": "shop@1"}))
    await freeze(go)
    await go.house.store.transact(lambda book: book.runs.abandon(None))
    async with working(go.house.worker(official=gate(go, noted))):
        await go.house.until(run, lambda run: run.state is R.SUCCEEDED)
    assert noted == [True]


async def test_a_queued_run_begins_inside_a_window_but_not_its_gray_release(go: Releasing) -> None:
    noted: list[bool] = []
    first = await go.in_review()
    waiting = await go.request()
    await freeze(go)
    async with working(go.house.worker(gray=gate(go, noted), review=ask)):
        await go.house.control.submit(c.Stop(run=first.id, by=ANN))
        await go.house.until(waiting, lambda run: run.stage.state is S.FROZEN)
        overrule = Override(ANN, BOB, "The checkout is broken.", T0)
        await go.house.control.submit(c.OverruleFreezes(run=waiting.id, by=BOB, override=overrule))
        await go.house.until(waiting, lambda run: run.stage.state is S.AWAITING_REVIEW)
    assert noted == [False]


async def test_deputies_are_turned_to_and_reminders_come_as_the_definition_says(tmp_path: Path) -> None:
    review = "reviewers: [ann], deputies: [bob], escalate_after: 4h, remind_after: 2h, remind_every: 3h"
    async with a_house(tmp_path, definitions={"shop": shop().replace("reviewers: [ann]", review)}) as house:
        go = Releasing(house)
        run = await go.in_review()
        due = {timer.kind: timer.due_at - T0 for timer in await house.timers(run)}
        assert due == {"expire": 8 * HOUR, "remind": 2 * HOUR, "escalate": 4 * HOUR}
        await go.pass_time(2 * HOUR)
        await go.pass_time(2 * HOUR)
        assert (await house.events(run))[-2:] == ["Reminded", "ReviewEscalated"]
        due = {timer.kind: timer.due_at - T0 for timer in await house.timers(run)}
        assert due == {"expire": 8 * HOUR, "remind": 5 * HOUR}
        vote = c.CastVote(run=run.id, by=BOB, verdict=Verdict.APPROVE)
        assert (await house.control.submit(vote)).stage.name == "official"
        assert await house.timers(run) == []


async def test_after_a_refusal_a_fixed_version_asks_again_by_itself(go: Releasing) -> None:
    """P15: nothing of the refused run is in the way, whether the next one came before or after the refusal."""
    first = await go.in_review()
    queued = await go.request(by_itself=True, by=ENGINE)
    await go.house.control.submit(c.CastVote(run=first.id, by=ANN, verdict=Verdict.REJECT))
    assert (await go.work(first)).state is R.REJECTED
    await go.work(queued)
    asks = await go.work(queued)
    assert (asks.stage.state, asks.stage.votes) == (S.AWAITING_REVIEW, ())
    assert (await go.work(await go.vote(queued))).state is R.SUCCEEDED


async def test_after_a_refusal_that_keeps_gray_the_next_version_takes_its_place_and_asks(tmp_path: Path) -> None:
    async with a_house(tmp_path, definitions={"shop": shop("keep")}) as house:
        go = Releasing(house)
        refused = await go.refused()
        assert refused.state is R.REJECTED
        fixed = await go.in_review(by_itself=True, by=ENGINE)
        assert (fixed.stage.state, fixed.stage.votes) == (S.AWAITING_REVIEW, ())
        assert await house.store.read(lambda book: book.releases.gray_of("shop")) is None
