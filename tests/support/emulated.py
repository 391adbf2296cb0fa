"""npm `emulate` as a process that says its address and ends with its input."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from tests.support.node import installed, node

FOLDER = Path(__file__).parent / "emulate"
_PATIENCE = 30.0


@asynccontextmanager
async def emulated(script: str, seed: object) -> AsyncIterator[tuple[str, httpx.AsyncClient]]:
    """Run one of the scripts; gives its address and a client."""
    process = await asyncio.create_subprocess_exec(
        node(),
        "--input-type=module",
        "--eval",
        (FOLDER / script).read_text(),
        json.dumps(seed),
        cwd=await asyncio.to_thread(installed, FOLDER),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        said = await asyncio.wait_for(process.stdout.readline(), _PATIENCE)
        url = said.decode().strip().replace("localhost", "127.0.0.1")
        assert url, f"the stand-in ended with {await process.wait()}"
        async with httpx.AsyncClient(trust_env=False) as client:
            yield url, client
    finally:
        process.stdin.close()
        await asyncio.wait_for(process.wait(), _PATIENCE)
