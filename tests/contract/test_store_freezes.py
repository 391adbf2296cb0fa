"""Freezes and pleas, as `engine.book` promises."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from engine.freezes import Freeze, FreezeId, Once, Plea, Reach, Scope, Weekly
from engine.model import PersonId
from storage.book import SqlBook
from storage.store import SqlStore
from tests.support.overlapping import overlapping
from tests.support.store import ANN, BOB, LOBBY, T0

HOUR = timedelta(hours=1)
WEEKLY = Freeze(
    FreezeId("f1"), Scope(Reach.GROUP, "web"), Weekly((0, 4), 960, 3, 480, "Europe/Berlin"), "naïve 🧊", ANN, T0, ("a",)
)
ONCE = Freeze(FreezeId("f2"), Scope(Reach.EVERYTHING), Once(T0, T0 + HOUR, "UTC"), "the fair", BOB, T0 + HOUR)
PLEA = Plea("o1", "start", "shop", ANN, T0, "The checkout is broken.", LOBBY, T0 + HOUR)


async def test_a_freeze_is_found_as_it_was_put(store: SqlStore) -> None:
    for freeze in (ONCE, WEEKLY):
        await store.transact(lambda book, freeze=freeze: book.freezes.put(freeze))  # type: ignore[misc]
    assert await store.read(lambda book: book.freezes.all()) == [WEEKLY, ONCE]
    assert await store.transact(lambda book: book.freezes.all(firmly=True)) == [WEEKLY, ONCE]
    assert await store.read(lambda book: book.freezes.find(FreezeId("f2"))) == ONCE
    newer = replace(ONCE, told=("shop@then",))
    await store.transact(lambda book: book.freezes.put(newer))
    await store.transact(lambda book: book.freezes.remove(FreezeId("f1")))
    await store.transact(lambda book: book.freezes.remove(FreezeId("f9")))
    assert await store.read(lambda book: book.freezes.all()) == [newer]
    assert await store.read(lambda book: book.freezes.find(FreezeId("f1"))) is None


async def test_a_name_is_given_once_also_after_what_had_it_is_gone(store: SqlStore) -> None:
    names = [await store.transact(lambda book, letter=letter: book.freezes.next_id(letter)) for letter in "ffof"]  # type: ignore[misc]
    assert names == ["f1", "f2", "o1", "f3"]


async def test_a_plea_is_kept_until_it_is_dropped(store: SqlStore) -> None:
    await store.transact(lambda book: book.freezes.keep_plea(PLEA))
    assert await store.read(lambda book: book.freezes.pleas()) == [PLEA]
    confirmed = replace(PLEA, confirmed_by=BOB)
    await store.transact(lambda book: book.freezes.keep_plea(confirmed))
    assert await store.read(lambda book: book.freezes.pleas()) == [confirmed]
    await store.transact(lambda book: book.freezes.drop_plea("o1"))
    assert await store.read(lambda book: book.freezes.pleas()) == []


async def test_a_freeze_that_was_taken_away_does_not_come_back_with_what_was_told(store: SqlStore) -> None:
    await store.transact(lambda book: book.freezes.put(ONCE))
    told = replace(ONCE, told=("shop@then",))
    assert await store.transact(lambda book: book.freezes.change(told))
    assert await store.read(lambda book: book.freezes.all()) == [told]
    await store.transact(lambda book: book.freezes.remove(ONCE.id))
    assert not await store.transact(lambda book: book.freezes.change(told))
    assert await store.read(lambda book: book.freezes.all()) == []


async def test_a_plea_is_used_up_once(store: SqlStore, other: SqlStore) -> None:
    await store.transact(lambda book: book.freezes.keep_plea(PLEA))
    takes = [each.transact(lambda book: book.freezes.drop_plea("o1")) for _ in range(10) for each in (store, other)]
    assert sum(await asyncio.gather(*takes)) == 1


async def test_of_two_who_read_a_plea_firmly_the_second_sees_what_became_of_it(
    store: SqlStore, other: SqlStore
) -> None:
    await store.transact(lambda book: book.freezes.keep_plea(PLEA))

    def confirms(by: PersonId) -> Callable[[SqlBook], list[Plea]]:
        def confirm(book: SqlBook) -> list[Plea]:
            found = book.freezes.pleas(firmly=True)
            book.freezes.keep_plea(replace(PLEA, confirmed_by=by))
            return found

        return confirm

    _, second = await overlapping(store, confirms(ANN), other, confirms(BOB))
    assert isinstance(second, list)
    assert [one.confirmed_by for one in second] == [ANN]
