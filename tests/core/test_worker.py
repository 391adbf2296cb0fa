"""The worker: acts for runs under a lease, and for each run until it waits for somebody else."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from engine import commands as c
from engine.errors import Broken, Interrupted, StageFailure
from engine.model import Run, RunState, StageState
from engine.stages.job import Finished, Job, Later, Outcome
from engine.worker import LEASE
from storage.book import SqlBook
from storage.tables import pipeline_versions as versions
from tests.support.eventually import eventually
from tests.support.house import House, ScriptedAct, a_house, ask, finish, for_ever, is_held, is_over, working
from tests.support.store import ANN, T0

R, S = RunState, StageState
SOON = timedelta(milliseconds=10)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with a_house(tmp_path) as house:
        yield house


async def test_a_run_is_taken_to_its_end(house: House) -> None:
    async with working(house.worker()):
        run = await house.until(await house.request("plain"), is_over)
    assert run.state is R.SUCCEEDED
    assert await house.events(run) == [
        "RunRequested",
        "RunStarted",
        "StageStarted",
        "StageSucceeded",
        "StageStarted",
        "StageSucceeded",
        "RunEnded",
    ]
    assert await house.replayed(run) == run


async def test_what_was_due_before_the_worker_came_is_done_too(house: House) -> None:
    runs = [await house.request("plain") for _ in range(5)]
    async with working(house.worker(limit=2)):
        for run in runs:
            assert (await house.until(run, is_over)).state is R.SUCCEEDED


async def test_a_worker_with_full_hands_takes_the_next_run_as_soon_as_one_is_free(house: House) -> None:
    """Not at its next look around: eight runs through one hand would take many looks."""
    runs = [await house.request("plain") for _ in range(8)]
    async with asyncio.timeout(8), working(house.worker(limit=1)):
        for run in runs:
            await house.until(run, is_over)


async def test_a_passing_failure_is_tried_again(house: House) -> None:
    tries: list[int] = []

    async def flaky(_job: Job) -> Outcome:
        tries.append(1)
        if len(tries) < 3:
            raise Interrupted("The line was cut.")
        return Finished({"sha": "abc"})

    async with working(house.worker(source=flaky)):
        run = await house.until(await house.request("plain"), is_over)
    assert run.stages[0].outputs == {"sha": "abc"}
    assert (len(tries), run.stages[0].attempt) == (3, 1)
    assert house.troubles == [(run.id, "The line was cut.")]


async def test_whoever_asks_to_be_left_alone_is_asked_again_no_sooner(house: House) -> None:
    tries: list[float] = []

    async def busy(_job: Job) -> Outcome:
        tries.append(time.monotonic())
        if len(tries) == 1:
            raise Interrupted("The cluster has too much to do.", after=timedelta(seconds=0.7))
        return Finished()

    async with working(house.worker(source=busy)):
        await house.until(await house.request("plain"), is_over)
    assert tries[1] - tries[0] >= 0.7


async def test_a_failed_stage_is_held_and_goes_on_after_a_retry(house: House) -> None:
    verdicts = [StageFailure("There is no tag v9.", "Push it first."), None]

    async def picky(_job: Job) -> Outcome:
        if (failure := verdicts.pop(0)) is not None:
            raise failure
        return Finished({})

    async with working(house.worker(source=picky)):
        run = await house.until(await house.request("plain"), is_held)
        assert run.stage.reason == "There is no tag v9. Push it first."
        await house.control.submit(c.Retry(run=run.id, by=ANN))
        assert (await house.until(run, is_over)).state is R.SUCCEEDED


async def test_what_is_broken_is_told_once_and_goes_on_when_it_is_mended(house: House) -> None:
    tries: list[int] = []
    mended = asyncio.Event()

    async def broken(_job: Job) -> Outcome:
        tries.append(1)
        if not mended.is_set():
            raise Broken("Envoy does not answer.", "Start it.")
        return Finished({})

    async with working(house.worker(source=broken)):
        run = await house.request("plain")
        await eventually(lambda: len(tries) >= 3)
        assert house.troubles == [(run.id, "Envoy does not answer. Start it.")]
        assert (await house.load(run)).stage.note == "Envoy does not answer. Start it."
        mended.set()
        assert (await house.until(run, is_over)).state is R.SUCCEEDED
    assert (await house.events(run)).count("StageNoted") == 1


async def test_a_bug_in_one_stage_fails_that_stage_alone(house: House) -> None:
    async def buggy(job: Job) -> Outcome:
        if job.run.number == 1:
            raise ZeroDivisionError("division by zero")
        return Finished({})

    async with working(house.worker(source=buggy)):
        first, second = [await house.request("plain") for _ in range(2)]
        held = await house.until(first, is_held)
        assert held.stage.reason == "A fault in Sluice itself ended the stage: ZeroDivisionError: division by zero"
        await house.until(second, is_over)
    (line,) = await house.store.read(lambda book: book.logs.tail(first.id, 0, 9))
    assert "ZeroDivisionError" in line.text


async def test_a_stage_that_takes_too_long_fails(house: House) -> None:
    async def slow(_job: Job) -> Outcome:
        house.clock.pass_time(timedelta(hours=2))
        return Later(SOON)

    async with working(house.worker(gray=slow)):
        run = await house.until(await house.request("shop"), is_held)
    assert run.stage.reason == "gray took longer than it may (timeout: 1h)."


async def test_a_review_asked_again_after_hours_is_not_too_late(house: House) -> None:
    async with working(house.worker(review=ask)):
        run = await house.until(await house.request("shop"), lambda run: run.stage.state is S.AWAITING_REVIEW)
        house.clock.pass_time(timedelta(hours=3))
        await house.control.submit(c.ChangeShare(run=run.id, by=ANN, percent=40))
        again = await house.until(run, lambda run: run.stage.state is S.AWAITING_REVIEW)
    assert again.stage.fingerprint == "f40"


async def test_a_lost_lease_writes_nothing_more(house: House) -> None:
    gates = {"w1": asyncio.Event(), "w2": asyncio.Event()}
    at_work: list[str] = []

    def act_of(name: str) -> ScriptedAct:
        async def act(_job: Job) -> Outcome:
            at_work.append(name)
            await gates[name].wait()
            return Finished({"by": name})

        return ScriptedAct(act)

    async with working(house.worker("w1", source=act_of("w1"), build=finish)):
        run = await house.request("plain")
        await eventually(lambda: at_work == ["w1"])
        house.clock.pass_time(LEASE + SOON)
        async with working(house.worker("w2", source=act_of("w2"), build=finish)):
            await eventually(lambda: at_work == ["w1", "w2"])
            gates["w1"].set()
            gates["w2"].set()
            run = await house.until(run, is_over)
    assert run.stages[0].outputs == {"by": "w2"}
    assert (await house.events(run)).count("StageSucceeded") == 2


async def test_a_lease_that_ran_out_unseen_stays_in_the_same_hand(house: House) -> None:
    """A machine that slept: the worker claims its own run again and must not act for it twice at once."""
    going, done = asyncio.Event(), asyncio.Event()

    async def once(_job: Job) -> Outcome:
        going.set()
        await done.wait()
        return Finished({})

    source = ScriptedAct(once)
    async with working(house.worker(source=source)):
        run = await house.request("plain")
        await going.wait()
        house.clock.pass_time(LEASE + SOON)
        await house.until(await house.request("gated"), lambda run: run.stage.state is S.AWAITING_TRIGGER)
        await eventually(lambda: len(source.asked) == 1)
        await claimed_again(house, run)
        done.set()
        assert (await house.until(run, is_over)).state is R.SUCCEEDED
    assert len(source.asked) == 1


async def claimed_again(house: House, run: Run) -> None:
    now = house.clock.now()
    async with asyncio.timeout(20):
        while await house.store.read(lambda book: book.runs.is_due(now)):
            await house.define("other", f"{run.id}")


async def test_a_worker_that_ends_leaves_its_runs_to_the_next(house: House) -> None:
    source = ScriptedAct(for_ever)
    async with working(house.worker("w1", source=source)):
        run = await house.request("plain")
        await eventually(lambda: bool(source.asked))
    assert await house.store.read(lambda book: book.runs.is_due(T0))
    async with working(house.worker("w2")):
        assert (await house.until(run, is_over)).state is R.SUCCEEDED


async def test_a_fault_of_the_machine_is_told_once_and_stops_no_other_run(house: House) -> None:
    """A definition that cannot be read back fails its stage instead of leaving the run in nobody's hands."""
    run = await house.request("plain")
    await house.store.transact(lambda book: spoil(book, run))
    async with working(house.worker()):
        held = await house.until(run, is_held)
        assert "The definition has" in held.stage.reason
        assert (await house.until(await house.request("shop"), lambda run: run.position == 1)).state is R.RUNNING


def spoil(book: SqlBook, run: Run) -> None:
    spoiled = update(versions).where(versions.c.name == run.pipeline).values(text="pipeline: [")
    book.write(spoiled)
