"""The clock hears of commits as long as it runs, and not after."""

import asyncio
from pathlib import Path
from typing import Any

from engine.clock import Timekeeper, WallClock
from engine.control import Control, Order
from storage.store import SqlStore
from tests.support.store import ANN, LOBBY, T0, sqlite_at


async def test_commits_after_the_clock_was_stopped_are_nothing_to_it(tmp_path: Path) -> None:
    broken: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: broken.append(context))
    store = SqlStore.open(sqlite_at(tmp_path))
    store.start()
    clock = WallClock()
    control = Control(store, clock)
    timekeeper = Timekeeper(store, control, clock, LOBBY)
    await timekeeper.start()
    timekeeper.stop()
    text = "pipeline: shop\nstages:\n  - name: s\n    source: {git: https://git.example.com/a.git}\n"
    await store.transact(lambda book: book.pipelines.save("shop", "default", text, ANN, T0))
    for _ in range(3):
        await control.request(Order(pipeline="shop", by=ANN, room=LOBBY, changes={}))
    await store.read(lambda book: book.journal.head())
    store.close()
    assert broken == []
