"""Which webhooks there should be: planned once and for all, whatever else is written at the same time."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from threading import Event

import pytest

from bot.pushes.wishes import Wishes
from storage.book import SqlBook
from tests.support.push_house import House, a_house


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with a_house(tmp_path) as made:
        await made.store.transact(lambda book: book.attached.remove(made.one))
        yield made


async def test_a_wish_is_kept_although_a_job_beside_it_fails_and_every_job_is_run_again(house: House) -> None:
    wishes, go_on = Wishes(house.door.naming), Event()

    def fail(book: SqlBook) -> None:
        book.attached.put(house.one)
        raise ValueError

    async def let_go() -> None:
        go_on.set()

    store = house.store
    wait = store.transact(lambda _book: go_on.wait(10))
    await asyncio.gather(wait, wishes.plan(store), store.transact(fail), let_go(), return_exceptions=True)
    [kept] = await house.store.read(lambda book: book.attached.of("shop"))
    assert kept.state == "manual"
