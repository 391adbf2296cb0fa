"""Values of secret variables, on every database."""

from datetime import timedelta

from storage.secrets import Secret
from storage.store import SqlStore
from tests.support.store import ANN, BOB, T0

KEY = Secret("shop", "key", ANN, T0, sealed="sealed-1")


async def test_a_secret_comes_back_as_it_went_in(store: SqlStore) -> None:
    await store.transact(lambda book: book.secrets.put(KEY))
    assert await store.read(lambda book: book.secrets.find("shop", "key")) == KEY
    assert await store.read(lambda book: book.secrets.find("shop", "other")) is None
    assert await store.read(lambda book: book.secrets.of("cart")) == []


async def test_a_secret_that_is_set_anew_counts_how_often(store: SqlStore) -> None:
    later = Secret("shop", "key", BOB, T0 + timedelta(days=1), sealed="sealed-2")
    assert await store.transact(lambda book: book.secrets.put(KEY)) == 1
    assert await store.transact(lambda book: book.secrets.put(later)) == 2
    [kept] = await store.read(lambda book: book.secrets.all())
    assert (kept.by, kept.at, kept.version, kept.sealed) == (BOB, later.at, 2, "sealed-2")


async def test_secrets_are_forgotten_one_by_one_or_with_their_pipeline(store: SqlStore) -> None:
    for name in ("a", "b", "c"):
        await store.transact(lambda book, name=name: book.secrets.put(Secret("shop", name, ANN, T0, sealed="x")))  # type: ignore[misc]
    await store.transact(lambda book: book.secrets.put(Secret("cart", "a", ANN, T0, sealed="x")))
    assert await store.transact(lambda book: book.secrets.remove("shop", "a")) is True
    assert await store.transact(lambda book: book.secrets.remove("shop", "a")) is False
    assert [one.name for one in await store.read(lambda book: book.secrets.of("shop"))] == ["b", "c"]
    await store.transact(lambda book: book.secrets.forget("shop"))
    assert [one.pipeline for one in await store.read(lambda book: book.secrets.all())] == ["cart"]
