"""Ctrl-C in the demo: it says so, tells what it has found, and leaves nothing behind."""

import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.eventually import eventually

pytestmark = pytest.mark.live


@pytest.fixture
def place() -> Iterator[Path]:
    """Where the demo makes its folder: the path is short enough for sockets."""
    made = Path(tempfile.mkdtemp(prefix="d-"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.mark.parametrize("sign", ["hello/.git", "sluice/sluice.sock", "sluice/workloads/run/*"])
async def test_a_demo_that_is_interrupted_says_so_in_words_and_in_json(place: Path, sign: str) -> None:
    demo = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from bot.cli.command import main; main()",
        "demo",
        "--script",
        "--json",
        env={**os.environ, "TMPDIR": str(place)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )

    async def is_there() -> bool:
        return bool(_found(place, f"sluice-demo-*/{sign}"))

    await eventually(is_there, f"{sign} is there")
    demo.send_signal(signal.SIGINT)
    out, said = (text.decode() for text in await demo.communicate())
    assert demo.returncode == 130, said
    assert json.loads(out)["run"] == "interrupted"
    assert "The demo was interrupted; everything that it started is ended." in said
    assert "Traceback" not in said
    assert _found(place, "sluice-demo-*") == []


def _found(place: Path, pattern: str) -> list[Path]:
    return list(place.glob(pattern))
