"""The terminal's socket: in Sluice's home, mode 0600, gone when the bot ends."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette

from bot.serving import Serving
from engine.errors import Broken

GRACE = 1
LONGEST = 100
"""Characters that a Unix socket's path may have on every system."""


@asynccontextmanager
async def listening(app: Starlette, path: Path) -> AsyncIterator[None]:
    """Serve `app` on the socket `path` inside the `async with`."""
    if len(str(path)) > LONGEST:
        raise Broken(f"{path} is too long for a socket's name.", "Choose a shorter SLUICE_HOME.")
    _remove(path)
    door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        door.bind(str(path))
    finally:
        os.umask(before)
    server = Serving(app, GRACE)
    task = asyncio.create_task(server.serve([door]))
    try:
        yield
    finally:
        server.end()
        await asyncio.gather(task, return_exceptions=True)
        door.close()
        _remove(path)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
