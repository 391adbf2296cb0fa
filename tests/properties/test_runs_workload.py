"""However runs are asked for, stopped and finished: one of them at most has the workload, and none waits for nobody."""

import asyncio
import contextlib
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from engine import commands as c
from engine.errors import Refused
from engine.model import Run, RunState
from engine.transitions import ENGINE, needs_worker
from tests.support.house import House, a_house, shop
from tests.support.store import ANN

R = RunState
STEPS = st.lists(
    st.tuples(st.sampled_from(("request", "stop", "fail", "work")), st.integers(0, 3)), min_size=1, max_size=25
)


async def step(house: House, what: str, which: int) -> None:
    if what == "request":
        await house.request("shop")
        return
    runs = await house.store.read(lambda book: book.runs.latest("shop", 99))
    run = runs[which % len(runs)] if runs else None
    if run is None:
        return
    await house.control.submit(c.Stop(run=run.id, by=ANN) if what == "stop" else await report(house, run, what))


async def report(house: House, run: Run, what: str) -> c.Command:
    now = house.clock.now()
    await house.store.transact(lambda book: book.runs.abandon(None))
    claims = await house.store.transact(lambda book: book.runs.claim("w", now, now, 99))
    token = next((claim.token for claim in claims if claim.run == run.id), 0)
    about = {"run": run.id, "by": ENGINE, "stage": run.position, "attempt": run.stage.attempt, "token": token}
    if run.unwinding is not None:
        return c.ReportUnwound(**about)  # type: ignore[arg-type]
    if what == "fail":
        return c.ReportFailure(**about, reason="It broke.")  # type: ignore[arg-type]
    return c.ReportSuccess(**about)  # type: ignore[arg-type]


async def check(house: House) -> None:
    active = await house.store.read(lambda book: book.runs.active())
    holder = await house.store.read(lambda book: book.runs.holder("shop"))
    started = [run.id for run in active if run.state is not R.QUEUED]
    assert started == ([holder] if holder else [])
    assert holder or not active, "a run waits for a workload that nobody has"
    due = await house.store.read(lambda book: book.runs.is_due(house.clock.now().replace(year=2099)))
    assert due == any(needs_worker(run) for run in active)
    for run in await house.store.read(lambda book: book.runs.latest("shop", 99)):
        assert await house.replayed(run) == run


async def play(concurrency: str, steps: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        async with a_house(Path(directory), definitions={"shop": shop(concurrency)}) as house:
            for what, which in steps:
                with contextlib.suppress(Refused):
                    await step(house, what, which)
                await check(house)


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(("queue", "reject", "replace")), STEPS)
def test_a_workload_has_one_run_at_a_time_and_its_queue_moves_on(
    concurrency: str, steps: list[tuple[str, int]]
) -> None:
    asyncio.run(play(concurrency, steps))
