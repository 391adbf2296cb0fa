"""However runs are asked for, stopped, rolled back and finished, and the workload is locked and unlocked meanwhile.

One of the runs at most has the workload, none waits for nobody, and while it is locked nothing begins but a way back.
"""

import asyncio
import contextlib
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine import commands as c
from engine.control import Order
from engine.errors import Refused
from engine.events import RunStarted
from engine.locks import Lock
from engine.model import Run, RunId, RunState, StageKind, Verdict, Way
from engine.orders import TAKING_BACK
from engine.transitions import ENGINE, needs_worker
from tests.support.house import House, a_house, shop
from tests.support.store import ANN, BOB, LOBBY, a_release

R = RunState
WHAT = (
    *("request", "request", "clock", "redeploy", "reviewed"),
    *("work",) * 6,
    *("stop", "rollback", "rollback", "fail"),
    *("approve", "reject", "retry", "expire", "expire gray"),
    *("lock", "unlock"),
)
STEPS = st.lists(st.tuples(st.sampled_from(WHAT), st.sampled_from((0, 0, 0, 1, 2, 3))), min_size=8, max_size=30)
CONCURRENCY = st.sampled_from(("queue", "reject", "replace"))
ON_REFUSAL = st.sampled_from(("take_back", "keep"))


@dataclass
class Play:
    """A house with one pipeline, and how often each of its runs was seen to begin under which lock."""

    house: House
    releases: int = 0
    begun: set[RunId] = field(default_factory=set)

    async def step(self, what: str, which: int) -> None:
        if what in ("request", "clock"):
            order = Order(pipeline="shop", by=ANN, room=LOBBY, changes={}, by_itself=what == "clock")
            await self.house.control.request(order)
        elif what in ("redeploy", "reviewed"):
            await self.redeploy(Way.REVIEWED if what == "reviewed" else Way.ROLL_BACK, which)
        elif what == "lock":
            lock = Lock("shop", "the audit", BOB, self.house.clock.now())
            await self.house.store.transact(lambda book: book.locks.put(lock))
        elif what == "unlock":
            await self.house.store.transact(lambda book: book.locks.remove("shop"))
        elif what == "expire gray":
            await self.fire()
        else:
            await self.command(what, which)

    async def redeploy(self, way: Way, which: int) -> None:
        history = await self.house.store.read(lambda book: book.releases.history("shop", 99))
        if history:
            release = history[which % len(history)]
            order = Order(pipeline="shop", by=ANN, room=LOBBY, changes={}, redeploys=release, way=way)
            await self.house.control.request(order)

    async def fire(self) -> None:
        """Let all the time pass that gray releases may stand."""
        self.house.clock.pass_time(self.house.clock.now().replace(year=2099) - self.house.clock.now())
        now = self.house.clock.now()
        for timer in await self.house.store.read(lambda book: book.timers.due(now, 99)):
            if timer.kind.startswith("gray"):
                with contextlib.suppress(Refused):
                    await self.house.store.transact(lambda book, timer=timer: self.house.control.fire(book, timer))  # type: ignore[misc]
        self.house.clock.at = self.house.clock.at.replace(year=2026)

    async def command(self, what: str, which: int) -> None:
        active = await self.house.store.read(lambda book: book.runs.active())
        runs = active or await self.house.store.read(lambda book: book.runs.latest("shop", 99))
        if not runs:
            return
        run = runs[which % len(runs)]
        by: dict[str, Any] = {"run": run.id, "by": ANN}
        match what:
            case "stop":
                command: c.Command = c.Stop(**by)
            case "rollback":
                command = c.RollBack(**by, reason="errors")
            case "retry":
                command = c.Retry(**by)
            case "approve" | "reject":
                command = c.CastVote(**by, verdict=Verdict(what))
            case "expire":
                self.house.clock.pass_time(self.house.clock.now().replace(day=28) - self.house.clock.now())
                command = c.Expire(run=run.id, by=ENGINE, stage=run.position, attempt=run.stage.attempt)
            case _:
                command = await self.report(run, what)
        await self.house.control.submit(command)

    async def report(self, run: Run, what: str) -> c.Command:
        house, now = self.house, self.house.clock.now()
        await house.store.transact(lambda book: book.runs.abandon(None))
        claims = await house.store.transact(lambda book: book.runs.claim("w", now, now, 99))
        token = next((claim.token for claim in claims if claim.run == run.id), 0)
        about: dict[str, Any] = {"run": run.id, "by": ENGINE, "stage": run.position, "attempt": run.stage.attempt}
        about["token"] = token
        if run.unwinding is not None:
            return c.ReportUnwound(**about)
        if what == "fail":
            return c.ReportFailure(**about, reason="It broke.")
        if run.stage.kind is StageKind.REVIEW:
            deadline = now.replace(year=2098)
            return c.ReportReview(**about, fingerprint="f", plan={}, deadline=deadline)
        return c.ReportSuccess(**about, outputs=await self.placed(run))

    async def placed(self, run: Run) -> dict[str, Any]:
        """What a deploying stage says of its release; each run without an earlier one makes its own."""
        if run.redeploys:
            return {"release": run.redeploys}
        release = replace(a_release(f"shop@{run.number}"), settings=SETTINGS, image=f"shop/api:v{run.number}")
        await self.house.store.transact(lambda book: book.releases.add(release))
        return {"release": release.id}

    async def check(self) -> None:
        await self.check_the_workload()
        await self.check_what_has_begun()
        for run in await self.house.store.read(lambda book: book.runs.latest("shop", 99)):
            assert await self.house.replayed(run) == run

    async def check_the_workload(self) -> None:
        house = self.house
        active = await house.store.read(lambda book: book.runs.active())
        holder = await house.store.read(lambda book: book.runs.holder("shop"))
        started = [run.id for run in active if run.state is not R.QUEUED]
        assert started == ([holder] if holder else [])
        assert holder or not active, "a run waits for a workload that nobody has"
        due = await house.store.read(lambda book: book.runs.is_due(house.clock.now().replace(year=2099)))
        assert due == any(needs_worker(run) for run in active)
        left = await house.store.read(lambda book: book.releases.gray_of("shop"))
        runs = await house.store.read(lambda book: book.runs.latest("shop", 99))
        assert [run.id for run in runs if run.state.is_over and run.gray_until] == ([left] if left else [])

    async def check_what_has_begun(self) -> None:
        """A lock that was there before the step, and still is, lets nothing begin but what goes back."""
        lock = await self.house.store.read(lambda book: book.locks.find("shop"))
        entries = await self.house.store.read(lambda book: book.journal.since(0, 9999))
        begun = {entry.run for entry in entries if isinstance(entry.event, RunStarted)}
        for name in begun - self.begun:
            run = await self.house.load(name)
            goes_back = run.redeploys is not None or run.rules[0].name == TAKING_BACK
            assert lock is None or lock.run == name or goes_back, f"{name} began although {lock}"
            assert lock is None or lock.run == name or run.redeploys not in lock.barred
        self.begun |= begun


SETTINGS = {"service": {"port": 18080}, "instances": 2, "strategy": "canary", "target": "process"}


def steps(words: str) -> list[tuple[str, int]]:
    """Steps that each concern the first run that goes on, or the newest deployment, unless a number says which."""
    named = (word.replace("_", " ").partition(":") for word in words.split())
    return [(what, int(which or 0)) for what, _, which in named]


RELEASED = "request work work approve work "
"""A run from its first stage to its success."""


async def play(concurrency: str, on_refusal: str, steps: list[tuple[str, int]]) -> None:
    text = shop(concurrency).replace("mode: all, deadline: 8h", f"deadline: 8h, on_refusal: {on_refusal}")
    with tempfile.TemporaryDirectory() as directory:
        async with a_house(Path(directory), definitions={"shop": text}) as house:
            play = Play(house)
            for what, which in steps:
                with contextlib.suppress(Refused):
                    await play.step(what, which)
                await play.check()


@settings(max_examples=25)
@given(CONCURRENCY, ON_REFUSAL, STEPS)
@example("queue", "keep", steps("request request clock rollback work request clock clock unlock request work"))
@example("queue", "keep", steps(RELEASED * 2 + "redeploy:1 work redeploy:1 reviewed:1 unlock redeploy:1 work"))
@example("queue", "keep", steps("request work work reject request work work reject request work rollback work"))
@example("queue", "keep", steps(RELEASED + "request work work reject expire_gray request work expire_gray"))
@example("replace", "keep", steps(RELEASED * 2 + "request work lock request reviewed redeploy work request"))
def test_a_workload_has_one_run_at_a_time_its_queue_moves_on_and_a_locked_one_begins_nothing_new(
    concurrency: str, on_refusal: str, steps: list[tuple[str, int]]
) -> None:
    asyncio.run(play(concurrency, on_refusal, steps))
