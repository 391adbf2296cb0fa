"""Threads in which a cluster is waited for, and for which nobody waits: they end with the process, whatever they do.

The standard library's pool joins its threads when the interpreter ends, so one request to a cluster that says nothing,
or one program that hangs, would keep a bot that was told to stop.
"""

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")
Work = tuple["Future[Any]", Callable[[], Any]]


class Threads:
    """At most `count` threads, started as they are needed. What is submitted waits for its turn."""

    def __init__(self, count: int, name: str) -> None:
        self._count = count
        self._name = name
        self._idle = threading.Semaphore(0)
        self._work: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._started = 0

    async def run(self, work: Callable[[], T]) -> T:
        """Do `work` in one of the threads. Cancelled while it waits, it is not begun; afterwards its result is lost."""
        future: Future[T] = Future()
        if not self._idle.acquire(blocking=False) and self._started < self._count:
            self._started += 1
            threading.Thread(target=self._live, name=f"{self._name}-{self._started}", daemon=True).start()
        self._work.put((future, work))
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Let every thread end after what it does now; what waits for its turn is cancelled."""
        waiting: list[Work | None] = []
        while not self._work.empty():
            waiting.append(self._work.get())
        for one in waiting:
            if one is not None:
                one[0].cancel()
        for _ in range(self._started):
            self._work.put(None)

    def _live(self) -> None:
        while (one := self._work.get()) is not None:
            _do(*one)
            del one  # while it waits, a thread holds nothing of what it has read
            self._idle.release()


def _do(future: "Future[Any]", work: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = work()
    except BaseException as error:  # noqa: BLE001 - whoever waits for it is told, whatever it is
        future.set_exception(error)
    else:
        future.set_result(result)
