"""Code accounts, attached webhooks and deliveries of pushes, as they are kept."""

from dataclasses import replace
from datetime import timedelta

import pytest

from engine.errors import Refused
from storage.attached import Attached
from storage.code_accounts import CodeAccount
from storage.store import SqlStore
from tests.support.store import ANN, BOB, T0

ACCOUNT = CodeAccount("forge", "gitlab", "https://gitlab.com", "Ann-Dev", ANN, T0, "sealed", missing=("api: it", "b"))
HOOK = Attached("shop", "https://gitlab.com/shop/api.git", "gitlab", "forge", "mark", tags=True, hook="7")


async def test_an_account_is_found_as_it_was_put_and_shows_no_secret(store: SqlStore) -> None:
    await store.transact(lambda book: book.code_accounts.put(ACCOUNT))
    assert await store.read(lambda book: book.code_accounts.load("forge")) == ACCOUNT
    assert "sealed" not in repr(ACCOUNT).replace("sealed=", "")
    await store.transact(lambda book: book.code_accounts.put(replace(ACCOUNT, sealed="anew", person=BOB)))
    assert (await store.read(lambda book: book.code_accounts.load("forge"))).person == BOB


async def test_a_login_is_whose_who_bound_it_at_that_forge_in_any_letters(store: SqlStore) -> None:
    await store.transact(lambda book: book.code_accounts.put(ACCOUNT))
    ask = [("gitlab", "https://gitlab.com", "ann-DEV"), ("gitlab", "https://git.example.com", "ann-dev")]
    found = [await store.read(lambda book, one=one: book.code_accounts.person_of(*one)) for one in ask]  # type: ignore[misc]
    assert found == [ANN, None]
    await store.transact(lambda book: book.code_accounts.put(replace(ACCOUNT, app="12")))
    assert await store.read(lambda book: book.code_accounts.person_of(*ask[0])) is None


async def test_an_account_is_used_shared_let_go_of_and_forgotten(store: SqlStore) -> None:
    await store.transact(lambda book: book.code_accounts.put(ACCOUNT))
    await store.transact(lambda book: book.code_accounts.used("forge", T0 + timedelta(hours=1)))
    await store.transact(lambda book: book.code_accounts.share("forge", shared=True))
    await store.transact(lambda book: book.code_accounts.leave("forge", T0 + timedelta(hours=2), "web:lobby"))
    found = await store.read(lambda book: book.code_accounts.load("forge"))
    assert (found.used_at, found.shared, found.leaving_at) == (
        T0 + timedelta(hours=1),
        True,
        T0 + timedelta(hours=2),
    )
    assert (
        await store.read(lambda book: book.code_accounts.person_of("gitlab", "https://gitlab.com", "ann-dev")) is None
    )
    await store.transact(lambda book: book.code_accounts.remove("forge"))
    with pytest.raises(Refused, match="no code account forge"):
        await store.read(lambda book: book.code_accounts.load("forge"))


async def test_a_webhook_is_found_by_its_pipeline_and_by_its_address(store: SqlStore) -> None:
    await store.transact(lambda book: book.attached.put(HOOK))
    changed = replace(HOOK, state="attached", checked_at=T0, trouble="", shown=True)
    await store.transact(lambda book: book.attached.put(changed))
    assert await store.read(lambda book: book.attached.of("shop")) == [changed]
    assert await store.read(lambda book: book.attached.marked("mark")) == changed
    assert await store.read(lambda book: book.attached.marked("other")) is None
    await store.transact(lambda book: book.attached.remove(changed))
    assert await store.read(lambda book: book.attached.all()) == []


async def test_a_webhook_of_a_deleted_pipeline_takes_no_deliveries_and_waits_to_be_taken_away(store: SqlStore) -> None:
    by_hand = replace(HOOK, repository="https://git.example.com/b.git", account="", mark="hand", state="manual")
    gone = replace(HOOK, repository="https://git.example.com/c.git", state="gone", mark="gone")
    there = replace(HOOK, state="attached", hook="7", shown=True)
    for one in (there, by_hand, gone):
        await store.transact(lambda book, one=one: book.attached.put(one))  # type: ignore[misc]
    await store.transact(lambda book: book.attached.void("shop"))
    found = {one.repository: one for one in await store.read(lambda book: book.attached.of("shop"))}
    assert found[HOOK.repository] == replace(there, shown=False, state="leaving")
    assert found[by_hand.repository].state == "gone"
    assert found[gone.repository] == gone


async def test_the_versions_of_pipelines_are_known_without_reading_them(store: SqlStore) -> None:
    for text in ("one", "two"):
        await store.transact(lambda book, text=text: book.pipelines.save("shop", "default", text, ANN, T0))  # type: ignore[misc]
    await store.transact(lambda book: book.pipelines.save("gone", "default", "x", ANN, T0))
    await store.transact(lambda book: book.pipelines.delete("gone", T0))
    assert await store.read(lambda book: book.attached.versions()) == {"shop": 2}


async def test_a_delivery_is_open_until_it_is_known_what_became_of_it(store: SqlStore) -> None:
    first = await store.transact(lambda book: book.pushes.keep("shop", "k1", T0, "{}"))
    second = await store.transact(lambda book: book.pushes.keep("shop", "k2", T0 + timedelta(days=1), "{}"))
    assert [one.seq for one in await store.read(lambda book: book.pushes.open(10))] == [first, second]
    await store.transact(lambda book: book.pushes.close(first, "started", "x" * 2000, "shop-1"))
    [still] = await store.read(lambda book: book.pushes.open(10))
    assert still.seq == second
    closed = await store.read(lambda book: book.pushes.find(first))
    assert closed is not None
    assert (closed.outcome, closed.run, len(closed.said)) == ("started", "shop-1", 500)
    await store.transact(lambda book: book.pushes.forget(T0 + timedelta(hours=1)))
    assert [one.seq for one in await store.read(lambda book: book.pushes.latest("shop", 10))] == [second]
