"""Commits journal entries one after another and prints each number once it is committed, until it is killed."""

import asyncio
import sys

from engine.events import StageNoted
from engine.model import RunId
from storage.store import SqlStore
from tests.support.store import ANN, T0


async def main(url: str) -> None:
    store = SqlStore.open(url)
    store.start()
    n = 0
    while True:
        n += 1
        event = StageNoted(at=T0, by=ANN, stage=0, note=f"entry {n}")
        await store.transact(lambda book, n=n, event=event: book.journal.append(RunId("shop-1"), n, [event]))  # type: ignore[misc]
        sys.stdout.write(f"{n}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
