"""Two transactions of two processes that overlap, as far as the database lets them."""

import asyncio
from collections.abc import Callable
from threading import Event
from typing import TypeVar

from storage.book import SqlBook
from storage.store import SqlStore

T = TypeVar("T")
_AS_LONG_AS_IT_TAKES = 0.3
"""Seconds in which the second one gets as far as it can: to its end, or to where it has to wait for the first."""


async def overlapping(
    store: SqlStore, first: Callable[[SqlBook], T], other: SqlStore, second: Callable[[SqlBook], T]
) -> tuple[T | BaseException, T | BaseException]:
    """Let `first` work, then `second`, and only then let `first` commit. Returns what came of both.

    Where the second has to wait for the first, that one commits while it waits.
    """
    has_worked, has_followed = Event(), Event()

    def leading(book: SqlBook) -> T:
        done = first(book)
        has_worked.set()
        has_followed.wait(_AS_LONG_AS_IT_TAKES)
        return done

    def following(book: SqlBook) -> T:
        done = second(book)
        has_followed.set()
        return done

    leader = asyncio.create_task(store.transact(leading))
    await asyncio.to_thread(has_worked.wait, 10)
    one, two = await asyncio.gather(leader, other.transact(following), return_exceptions=True)
    return one, two
