"""kill -9 between a stage's success and what it leads to: others are told once, whenever the bot died."""

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from tests.support.bot import a_repository
from tests.support.receiver import receiving
from tests.support.tree import ROOT

pytestmark = pytest.mark.live


def definitions(code: Path, url: str) -> str:
    return f"""pipeline: says
stages:
  - name: code
    source: {{git: {code}}}
    tell:
      - channel: ready
      - webhook: {url}/done
---
pipeline: starts
starts: [{{channel: ready}}]
stages:
  - name: code
    source: {{git: {code}}}
"""


async def lives(home: Path, file: Path, point: str) -> tuple[int, str]:
    """Run a bot until it is killed or quiet; returns how it ended and what it printed."""
    words = [sys.executable, "-m", "tests.support.telling_until_killed", str(home), str(file), point]
    process = await asyncio.create_subprocess_exec(
        *words, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    printed, complaints = await process.communicate()
    return process.returncode or 0, printed.decode() + complaints.decode()[-2000:]


@pytest.mark.parametrize("point", ["succeeded", "sending"])
async def test_a_bot_that_is_killed_tells_everybody_once_after_its_next_start(tmp_path: Path, point: str) -> None:
    async with receiving() as receiver:
        file = tmp_path / "definitions"
        file.write_text(definitions(a_repository(tmp_path / "code", "v1").path, receiver.url))
        status, said = await lives(tmp_path / "home", file, point)
        assert status == -signal.SIGKILL, said
        status, said = await lives(tmp_path / "home", file, "-")
        assert (status, said.splitlines()[0]) == (0, "1"), said
        assert len({one.headers["idempotency-key"] for one in receiver.requests}) == 1
        assert len(receiver.requests) == (2 if point == "sending" else 1)
