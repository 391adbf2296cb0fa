"""Waits for something that happens elsewhere, with a deadline."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable


async def eventually(
    condition: Callable[[], bool | Awaitable[bool]],
    what: str = "it happens",
    within: float = 20.0,
    between: float = 0.02,
) -> None:
    """Look until `condition`, awaited or not, holds; fail with `what` when it does not within so many seconds."""
    try:
        async with asyncio.timeout(within):
            while True:
                if await _holds(condition):
                    return
                await asyncio.sleep(between)
    except TimeoutError:
        raise AssertionError(f"{what}: not within {within:.0f} s") from None


async def _holds(condition: Callable[[], bool | Awaitable[bool]]) -> bool:
    answer = condition()
    return await answer if inspect.isawaitable(answer) else answer


async def passed(turns: int) -> None:
    """Return when the event loop has gone round so many times."""
    for _ in range(turns):
        once = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(once.set_result, None)
        await once
