"""Waits for something that another process does, with a deadline."""

import asyncio
import time
from collections.abc import Awaitable, Callable

_LOOK_AGAIN = 0.02


async def eventually(condition: Callable[[], bool], within: float = 20.0) -> None:
    """Return as soon as `condition` holds; fail when it does not within that many seconds."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(_LOOK_AGAIN)


async def eventually_so(condition: Callable[[], Awaitable[bool]], within: float = 20.0) -> None:
    """Return as soon as `condition`, which has to be awaited, holds; fail when it does not within that many seconds."""
    deadline = time.monotonic() + within
    while not await condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(_LOOK_AGAIN)


async def passed(turns: int) -> None:
    """Return when the event loop has gone round so many times."""
    for _ in range(turns):
        once = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(once.set_result, None)
        await once
