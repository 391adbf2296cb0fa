"""What people ask for while a worker acts: heard at the next safe point, and never lost."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import pytest

from engine import commands as c
from engine.definition import Pipeline
from engine.errors import Interrupted, StageFailure
from engine.model import RunId, RunState, StageState, Verdict
from engine.stages.job import Finished, Job, Later, Outcome, Unwound
from engine.transitions import ENGINE
from storage.book import SqlBook
from storage.store import SqlStore
from tests.support.eventually import eventually, passed
from tests.support.house import House, ScriptedAct, a_house, ask, for_ever, is_over, working
from tests.support.store import ANN, BOB

R, S = RunState, StageState
T = TypeVar("T")
SOON = timedelta(milliseconds=10)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with a_house(tmp_path) as house:
        yield house


async def test_an_act_that_waits_is_woken_by_a_change(house: House) -> None:
    """`Later` may be far off; what people ask for is not left waiting that long."""

    async def patient(job: Job) -> Outcome:
        return Finished({"share": job.run.share}) if job.run.share else Later(timedelta(hours=1))

    gray = ScriptedAct(patient)
    async with working(house.worker(gray=gray, review=ask)):
        run = await house.request("shop")
        await eventually(lambda: len(gray.asked) == 1)
        await house.control.submit(c.ChangeShare(run=run.id, by=ANN, percent=30))
        run = await house.until(run, lambda run: run.stage.state is S.AWAITING_REVIEW)
    assert run.stages[0].outputs == {"share": 30}
    assert len(gray.asked) == 2, "it neither slept through the change nor ran in circles"


async def test_a_worker_that_waits_does_nothing_at_all(house: House) -> None:
    gray = ScriptedAct(lambda _job: later(timedelta(hours=1)))
    async with working(house.worker(gray=gray)):
        run = await house.request("shop")
        other = await house.request("plain")
        await house.until(other, is_over)
        await eventually(lambda: bool(gray.asked))
        assert len(gray.asked) == 1
        assert (await house.load(run)).stage.state is S.RUNNING


async def later(after: timedelta) -> Outcome:
    return Later(after)


async def test_a_stop_breaks_off_what_can_be_broken_off(house: House) -> None:
    ended: list[str] = []

    async def build(_job: Job) -> Outcome:
        try:
            return await for_ever(_job)
        finally:
            ended.append("cancelled")

    source = ScriptedAct(build)
    async with working(house.worker(source=source)):
        run = await house.request("plain")
        await eventually(lambda: bool(source.asked))
        await house.control.submit(c.Stop(run=run.id, by=ANN))
        await eventually(lambda: bool(ended))
    assert (await house.load(run)).state is R.CANCELLED


async def test_nobody_is_told_of_what_goes_wrong_while_an_act_is_broken_off(house: House) -> None:
    async def build(job: Job) -> Outcome:
        try:
            return await for_ever(job)
        except asyncio.CancelledError:
            raise Interrupted("The builder hung up.") from None

    source = ScriptedAct(build)
    async with working(house.worker(source=source, review=ask, limit=1)):
        run = await house.request("plain")
        await eventually(lambda: bool(source.asked))
        await house.control.submit(c.Stop(run=run.id, by=ANN))
        other = await house.request("shop")
        await house.until(other, lambda run: run.position > 0)
    assert house.troubles == []


@dataclass
class Meddling:
    """A store in which the run is stopped at the very moment at which the worker has read its definition."""

    house: House
    store: SqlStore
    is_done: bool = False

    async def transact(self, work: Callable[[SqlBook], T]) -> T:
        return await self.store.transact(work)

    async def read(self, work: Callable[[SqlBook], T]) -> T:
        found = await self.store.read(work)
        if isinstance(found, Pipeline) and not self.is_done:
            self.is_done = True
            await self.house.control.submit(c.Stop(run=RunId("plain-1"), by=ANN))
        return found

    def on_commit(self, heard: Callable[[Mapping[RunId, int]], None]) -> None:
        self.store.on_commit(heard)


async def test_a_stop_that_comes_just_before_an_act_breaks_it_off(house: House) -> None:
    source = ScriptedAct(for_ever)
    worker = house.worker(source=source, review=ask, limit=1)
    async with working(replace(worker, store=Meddling(house, house.store))):
        await house.request("plain")
        await eventually(lambda: bool(source.asked))
        other = await house.request("shop")
        await house.until(other, lambda run: run.position > 0)
    assert len(source.asked) == 1, "it let go of the one run that it had room for"


async def test_a_change_that_moves_nothing_leaves_a_build_alone(house: House) -> None:
    going, done = asyncio.Event(), asyncio.Event()

    async def fetch(job: Job) -> Outcome:
        going.set()
        await done.wait()
        return Finished({"tag": job.run.variables["tag"]})

    source = ScriptedAct(fetch)
    async with working(house.worker(source=source)):
        run = await house.request("gated")
        await house.control.submit(c.MeetCondition(run=run.id, by=ENGINE, key="webhook:go"))
        await going.wait()
        run = await house.load(run)
        note = c.ReportNote(run=run.id, by=ENGINE, stage=0, attempt=1, token=1, note="half of it")
        await house.control.submit(note)
        done.set()
        run = await house.until(run, is_over)
    assert (run.state, len(source.asked)) == (R.SUCCEEDED, 1)


async def test_a_stop_waits_for_the_end_of_a_move(house: House) -> None:
    moving, moved = asyncio.Event(), asyncio.Event()
    order: list[str] = []

    async def move(job: Job) -> Outcome:
        await job.note("launch", {"release": "shop@1"})
        moving.set()
        await moved.wait()
        order.append("moved")
        return Later(timedelta(hours=1))

    async def back(_job: Job) -> Outcome:
        order.append("back")
        return await finish_back()

    async with working(house.worker(gray=move, back=back)):
        run = await house.request("shop")
        await moving.wait()
        await house.control.submit(c.Stop(run=run.id, by=ANN))
        assert order == []
        moved.set()
        run = await house.until(run, is_over)
    assert (run.state, order) == (R.CANCELLED, ["moved", "back"])


async def finish_back() -> Outcome:
    return Unwound()


async def test_a_way_back_that_fails_is_told_and_tried_until_it_succeeds(house: House) -> None:
    tries: list[int] = []

    async def back(_job: Job) -> Outcome:
        tries.append(1)
        if len(tries) == 1:
            raise StageFailure("Nothing has changed for 60 s.")
        if len(tries) == 2:
            raise KeyError("a bug")
        return await finish_back()

    gray = ScriptedAct(lambda _job: later(timedelta(hours=1)))
    async with working(house.worker(gray=gray, back=back)):
        run = await house.request("shop")
        await eventually(lambda: bool(gray.asked))
        await house.control.submit(c.RollBack(run=run.id, by=ANN))
        run = await house.until(run, is_over)
    assert (run.state, len(tries)) == (R.ROLLED_BACK, 3)
    assert [sentence.partition(":")[0] for _, sentence in house.troubles] == [
        "Nothing has changed for 60 s. `giveup shop-1` ends that and leaves what is there.",
        "A fault in Sluice itself ended the stage",
    ]


async def test_what_was_done_under_another_split_is_done_again(house: House) -> None:
    looking, go_on = asyncio.Event(), asyncio.Event()

    async def look(job: Job) -> Outcome:
        share = job.run.share
        looking.set()
        await go_on.wait()
        return Finished({"share": share})

    async with working(house.worker(gray=look, review=ask)):
        run = await house.request("shop")
        await looking.wait()
        await house.control.submit(c.ChangeShare(run=run.id, by=ANN, percent=30))
        go_on.set()
        run = await house.until(run, lambda run: run.stage.state is S.AWAITING_REVIEW)
    assert run.stages[0].outputs == {"share": 30}


async def test_a_run_that_is_released_by_two_votes_goes_on_by_itself(house: House) -> None:
    async with working(house.worker(review=ask)):
        run = await house.until(await house.request("shop"), lambda run: run.stage.state is S.AWAITING_REVIEW)
        for person in (ANN, BOB):
            await house.control.submit(c.CastVote(run=run.id, by=person, verdict=Verdict.APPROVE))
        assert (await house.until(run, is_over)).state is R.SUCCEEDED


@dataclass
class Quiet:
    """A store in which nothing is due. It is told to whom it should tell of commits."""

    listening: list[Callable[[Mapping[RunId, int]], None]] = field(default_factory=list)

    async def read(self, _work: Callable[[SqlBook], T]) -> bool:
        return False

    async def transact(self, _work: Callable[[SqlBook], T]) -> None:
        return None

    def on_commit(self, heard: Callable[[Mapping[RunId, int]], None]) -> None:
        self.listening.append(heard)


@pytest.mark.parametrize("turns", range(5))
async def test_a_worker_that_is_told_to_end_as_news_comes_ends(house: House, turns: int) -> None:
    store = Quiet()
    worker = replace(house.worker(), store=store)  # type: ignore[arg-type]
    living = asyncio.create_task(worker.live())
    await eventually(lambda: bool(store.listening))
    await passed(10)
    store.listening[0]({RunId("shop-1"): 1})
    await passed(turns)
    living.cancel()
    ended, _ = await asyncio.wait([living], timeout=5)
    living.cancel()
    assert ended == {living}
