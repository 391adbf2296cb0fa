"""The demo without a person: the same lines that a person would say, and a figure for every promise."""

import asyncio
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from bot.app import App, running
from bot.chat import Incoming
from bot.demo.scenery import Scenery, set_up
from bot.demo.visitors import Visitors
from bot.settings import Settings
from bot.terminal.render import show
from bot.web.room import LOBBY
from engine.deployed import Observed
from engine.errors import Broken
from engine.model import Person, PersonId, Run, RunId, RunState, StageState

ANN = PersonId("ann")
WANTED = 0.2
TOLERANCE = 0.05
ENOUGH = 1500
"""Gray requests to look at: then a share of 20 % is seen within 5 points but for one time in a million."""
PATIENCE = 120.0
INTERRUPTED = "interrupted"


@dataclass(slots=True)
class Demo:
    """A running demo."""

    app: App
    scenery: Scenery
    visitors: Visitors
    out: Console | None = None

    async def say(self, line: str) -> None:
        """Say a line as ann, and show it with its answers."""
        if self.out:
            self.out.print(f"\nann > {line.splitlines()[0]}", style="bold", highlight=False, markup=False)
        for answer in await self.app.dispatch.answer(Incoming(LOBBY, ANN, line)):
            if self.out:
                show(self.out, answer.card)

    async def release(self, tag: str) -> Run:
        """Start a run of hello and return it."""
        await self.say(f"run hello tag={tag}")
        await self.say("yes")
        return (await self.app.store.read(lambda book: book.runs.latest("hello", 1)))[0]

    async def until(self, run: RunId, holds: Callable[[Run], bool]) -> Run:
        """Wait until the run is as wanted; raise when it cannot become so any more."""
        deadline = time.monotonic() + PATIENCE
        while True:
            now = await self.app.store.read(lambda book: book.runs.load(run))
            if holds(now):
                return now
            if now.state.is_over or now.stage.state is StageState.HELD or time.monotonic() > deadline:
                raise Broken(f"The demo's run {run} is {now.state}: {now.reason or now.stage.reason or now.stage.note}")
            await asyncio.sleep(0.05)

    async def to_review(self, run: RunId) -> Run:
        """Wait for the run's review."""
        return await self.until(run, lambda now: now.stage.state is StageState.AWAITING_REVIEW)

    async def to_end(self, run: RunId) -> Run:
        """Wait for the run's success."""
        return await self.until(run, lambda now: now.state is RunState.SUCCEEDED)

    async def first_release(self) -> None:
        """Release v1, before there are any visitors."""
        first = await self.release("v1")
        await self.to_review(first.id)
        await self.say(f"approve {first.id}")
        await self.to_end(first.id)


@asynccontextmanager
async def staged(home: Path, out: Console | None = None, port: int = 0) -> AsyncIterator[Demo]:
    """Set everything up under `home`, with a Sluice of its own; end all of it afterwards."""
    scenery, visitors = set_up(home), Visitors()
    settings = Settings(home=home / "sluice", database="", local_git=True, port=port, hooks_port=0)
    app: App | None = None
    try:
        async with running(settings, visitors) as app:
            await app.store.transact(lambda book: book.people.add(Person(ANN)))
            demo = Demo(app, scenery, visitors, out)
            await demo.say(f"define\n{scenery.pipeline}")
            yield demo
    finally:
        if app is not None:
            await app.process.shutdown()


async def play(*, quiet: bool) -> dict[str, Any]:
    """Play the story: v1, then v2 by way of gray, approval and official release, then back to v1.

    After a signal everything is taken down, and what was found so far is told: its ``run`` is "interrupted".
    """
    began = time.monotonic()
    told: dict[str, Any] = {"run": INTERRUPTED}
    home = Path(tempfile.mkdtemp(prefix="sluice-demo-"))
    _end_with(asyncio.current_task())
    try:
        with suppress(asyncio.CancelledError):
            async with staged(home, None if quiet else Console()) as demo:
                await _story(demo, told)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    told["seconds"] = round(time.monotonic() - began, 1)
    told["ok"] = _is_right(told)
    if not quiet:
        Console().print(told)
    return told


def _end_with(task: "asyncio.Task[Any] | None") -> None:
    """Take everything down on a signal too, a closed terminal included."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if task is not None:
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)


async def _story(demo: Demo, told: dict[str, Any]) -> None:
    await demo.first_release()
    async with demo.visitors.coming(demo.scenery.port):
        run = await demo.release("v2")
        await demo.to_review(run.id)
        told["gray"] = gray = await _gray(demo, run.id)
        await demo.say(f"approve {run.id}")
        run = await demo.to_end(run.id)
        told["official"] = await _phase(demo, gray["requests"], gray["failed"])
        before = demo.visitors.total, demo.visitors.failed
        await demo.say("rollback hello")
        await demo.say("yes")
        back = (await demo.app.store.read(lambda book: book.runs.latest("hello", 1)))[0]
        await demo.to_end(back.id)
        told["rollback"] = await _phase(demo, *before)
    told["run"] = run.state.value


async def _gray(demo: Demo, run: RunId) -> dict[str, Any]:
    """Let visitors come until the split can be judged; the figures are Envoy's own, failures also the visitors'."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        now = await demo.app.store.read(lambda book: book.runs.load(run))
        seen = await demo.app.dispatch.desk.observed(now)
        if seen is not None and seen.total >= ENOUGH:
            return _gray_figures(demo, seen)
        await asyncio.sleep(0.2)
    raise Broken("The demo's visitors did not come.")


def _gray_figures(demo: Demo, seen: Observed) -> dict[str, Any]:
    failed = max(demo.visitors.failed, sum(seen.failed.values()))
    return {"wanted": WANTED, "observed": round(seen.share or 0.0, 4), "requests": seen.total, "failed": failed}


async def _phase(demo: Demo, total: int, failed: int) -> dict[str, Any]:
    """Let visitors come for a moment more; say what they got since, and which version is everywhere now."""
    seen = demo.visitors.versions.copy()
    await asyncio.sleep(1.0)
    latest = demo.visitors.versions - seen
    return {
        "requests": demo.visitors.total - total,
        "failed": demo.visitors.failed - failed,
        "version": "+".join(sorted(latest)),
    }


def _is_right(told: dict[str, Any]) -> bool:
    if told["run"] != RunState.SUCCEEDED:
        return False
    gray, official, rollback = told["gray"], told["official"], told["rollback"]
    return bool(
        abs(gray["observed"] - WANTED) <= TOLERANCE
        and gray["failed"] == official["failed"] == rollback["failed"] == 0
        and official["version"] == "v2"
        and rollback["version"] == "v1"
        and official["requests"] > 0
        and rollback["requests"] > 0
    )
