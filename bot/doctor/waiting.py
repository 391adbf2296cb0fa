"""Waiting for what blocks, and may block for ever: a driver without an answer, a program that gives credentials.

A thread cannot be ended. So the work is done in one that nobody has to wait for, not even the end of the program.
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


async def in_time(work: Callable[[], T], patience: float, what: str) -> T:
    """Return what `work` returns, which may not raise; `what` names its thread.

    Raises `TimeoutError` when it takes more than `patience` seconds.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def tell() -> None:
        found = work()
        with suppress(RuntimeError):  # the loop has ended: nobody waits any more
            loop.call_soon_threadsafe(_answer, answer, found)

    threading.Thread(target=tell, name=f"sluice-doctor-{what}", daemon=True).start()
    return await asyncio.wait_for(answer, patience)


def _answer(waiting: "asyncio.Future[T]", found: T) -> None:
    if not waiting.done():
        waiting.set_result(found)
