"""Children of the bot: whenever whoever waits for one is cancelled, no process of it is left and no descriptor."""

import asyncio
import os
from datetime import timedelta
from pathlib import Path

import pytest

from engine.subprocesses import Command, Ended, kill_marked, run
from tests.support.eventually import passed

pytestmark = pytest.mark.live

STEPS = 40
"""The event loop has gone round so often, at most, when a child has been started."""


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def child(place: Path, script: str, mark: str, timeout: float = 20) -> Command:
    return Command(("sh", "-c", script), {"PATH": os.environ["PATH"]}, place, timedelta(seconds=timeout), mark)


async def test_a_child_is_heard_on_both_its_streams(tmp_path: Path) -> None:
    out, errors = bytearray(), bytearray()
    ended = await run(child(tmp_path, "echo said; echo cried >&2; exit 3", "both"), out.extend, errors.extend)
    assert (ended, bytes(out), bytes(errors)) == (Ended(3), b"said\n", b"cried\n")


async def test_one_that_takes_too_long_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    ended = await run(child(tmp_path, "setsid sleep 60 & sleep 60", "late", 0.3), lambda _: None)
    assert ended.timed_out
    assert kill_marked("late") == 0


async def cancelled_after(steps: int, place: Path) -> int:
    """Cancel a run when the event loop has gone round so often; how many files are open afterwards."""
    mark = f"step {steps}"
    working = asyncio.create_task(run(child(place, "sleep 60", mark), lambda _: None, lambda _: None))
    await passed(steps)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert kill_marked(mark) == 0, mark
    await passed(2)
    return open_files()


async def test_wherever_a_start_is_cancelled_nothing_stays_open_and_nobody_alive(tmp_path: Path) -> None:
    before = await cancelled_after(STEPS, tmp_path)
    assert [await cancelled_after(steps, tmp_path) for steps in range(STEPS)] == [before] * STEPS
