"""Hooks, channels and the outbox, as those who call and tell rely on them."""

from dataclasses import replace
from datetime import timedelta

from engine import events as e
from engine.model import RunId
from storage.hooks import Answered, StoredHook, Trigger
from storage.outbox import Parcel
from storage.store import SqlStore
from tests.support.store import ANN, T0, a_run, grown

MINUTE = timedelta(minutes=1)
HOOK = StoredHook("shop", "start", "nightly", 1, "a" * 64)
PARCEL = Parcel(
    "shop-1:3:tell-0", T0, "shop", RunId("shop-1"), "code: success", "webhook", "POST h", "sealed", due_at=T0
)


async def defined(store: SqlStore, name: str, text: str) -> None:
    await store.transact(lambda book: book.pipelines.save(name, "default", text, ANN, T0))


async def stale(store: SqlStore) -> list[tuple[str, int]]:
    return [(one.name, one.version) for one in await store.read(lambda book: book.hooks.stale(10))]


async def test_a_definition_is_stale_until_its_version_is_wired_and_after_each_change(store: SqlStore) -> None:
    await defined(store, "shop", "one")
    await defined(store, "cart", "one")
    assert await stale(store) == [("cart", 1), ("shop", 1)]
    await store.transact(lambda book: book.hooks.wire("shop", 1, [("starts", "x"), ("tells", "y"), ("tells", "y")]))
    assert await stale(store) == [("cart", 1)]
    await defined(store, "shop", "two")
    await store.transact(lambda book: book.pipelines.delete("cart", T0))
    assert await stale(store) == [("shop", 2)]


async def test_a_channel_is_what_the_newest_wired_version_says_and_nothing_to_what_is_deleted(store: SqlStore) -> None:
    for name in ("shop", "cart"):
        await defined(store, name, "one")
        await store.transact(lambda book, name=name: book.hooks.wire(name, 1, [("starts", "x")]))  # type: ignore[misc]
    assert await store.read(lambda book: book.hooks.wired("starts", "x")) == ["cart", "shop"]
    assert await store.read(lambda book: book.hooks.wired("tells", "x")) == []
    await store.transact(lambda book: book.hooks.wire("shop", 2, [("waits", "x")]))
    await store.transact(lambda book: book.pipelines.delete("cart", T0))
    assert await store.read(lambda book: book.hooks.channels()) == [("shop", "waits", "x")]


async def test_a_void_token_is_good_for_nothing_and_the_next_one_is_another(store: SqlStore) -> None:
    other = replace(HOOK, pipeline="cart", mark="c" * 64)
    for hook in (HOOK, other):
        await store.transact(lambda book, hook=hook: book.hooks.put(hook))  # type: ignore[misc]
    for _ in range(2):
        await store.transact(lambda book: book.hooks.void("shop"))
    assert await store.read(lambda book: book.hooks.marked(HOOK.mark)) is None
    found = await store.read(lambda book: book.hooks.find("shop", "start", "nightly"))
    assert found == replace(HOOK, generation=2, mark="")
    assert await store.read(lambda book: book.hooks.marked(other.mark)) == other


async def test_a_hook_is_found_by_its_mark_and_by_that_of_its_last_generation_only(store: SqlStore) -> None:
    await store.transact(lambda book: book.hooks.put(HOOK))
    newer = replace(HOOK, generation=2, mark="b" * 64)
    await store.transact(lambda book: book.hooks.put(newer))
    assert await store.read(lambda book: book.hooks.marked("a" * 64)) is None
    assert await store.read(lambda book: book.hooks.marked("b" * 64)) == newer
    assert await store.read(lambda book: book.hooks.find("shop", "stage", "nightly")) is None
    assert await store.read(lambda book: book.hooks.marks()) == ["b" * 64]
    await store.transact(lambda book: book.hooks.called(newer, T0, "triggered"))
    found = await store.read(lambda book: book.hooks.find("shop", "start", "nightly"))
    assert found == replace(newer, called_at=T0, outcome="triggered")


async def test_the_key_of_a_call_is_taken_once_until_it_is_freed(store: SqlStore, other: SqlStore) -> None:
    assert await store.transact(lambda book: book.hooks.reserve("k", T0))
    assert not await other.transact(lambda book: book.hooks.reserve("k", T0))
    await store.transact(lambda book: book.hooks.answer("k", Answered(201, "{}")))
    assert await other.read(lambda book: book.hooks.answered("k")) == Answered(201, "{}")
    await store.transact(lambda book: book.hooks.free("k"))
    assert await other.transact(lambda book: book.hooks.reserve("k", T0))


async def test_calls_are_shown_newest_first_and_forgotten_when_they_are_old(store: SqlStore) -> None:
    calls = [
        Trigger(T0 + n * MINUTE, name, "webhook", "x", "192.0.2.1", "", "refused", "no") for n, name in enumerate("abc")
    ]
    for one in calls:
        await store.transact(lambda book, one=one: book.hooks.record(one))  # type: ignore[misc]
    assert await store.read(lambda book: book.hooks.latest(None, 2)) == [calls[2], calls[1]]
    assert await store.read(lambda book: book.hooks.latest("a", 2)) == [calls[0]]
    await store.transact(lambda book: book.hooks.forget(T0 + MINUTE, T0 + MINUTE))
    assert await store.read(lambda book: book.hooks.latest(None, 9)) == [calls[2], calls[1]]


async def test_a_message_is_kept_once(store: SqlStore) -> None:
    assert await store.transact(lambda book: book.outbox.put(PARCEL))
    assert not await store.transact(lambda book: book.outbox.put(replace(PARCEL, about="another")))
    assert await store.read(lambda book: book.outbox.find(PARCEL.key)) == PARCEL
    assert await store.read(lambda book: book.outbox.find("x")) is None


async def test_a_message_that_was_taken_is_nobody_elses_until_its_time_is_over(
    store: SqlStore, other: SqlStore
) -> None:
    await store.transact(lambda book: book.outbox.put(PARCEL))
    assert await store.transact(lambda book: book.outbox.claim(T0 - MINUTE, T0, 5)) == []
    assert await store.transact(lambda book: book.outbox.claim(T0, T0 + MINUTE, 5)) == [PARCEL]
    assert await other.transact(lambda book: book.outbox.claim(T0, T0 + MINUTE, 5)) == []
    assert await store.read(lambda book: book.outbox.next_due()) == T0 + MINUTE
    (again,) = await other.transact(lambda book: book.outbox.claim(T0 + MINUTE, T0 + 2 * MINUTE, 5))
    assert again.attempts == 1
    await store.transact(lambda book: book.outbox.abandon(T0))
    assert await store.read(lambda book: book.outbox.next_due()) == T0


async def test_a_message_that_is_over_is_not_due_and_keeps_nothing_that_it_said(store: SqlStore) -> None:
    await store.transact(lambda book: book.outbox.put(PARCEL))
    await store.transact(lambda book: book.outbox.postpone(PARCEL.key, T0 + MINUTE, "later"))
    assert await store.read(lambda book: book.outbox.next_due()) == T0 + MINUTE
    await store.transact(lambda book: book.outbox.settle(PARCEL.key, "sent", T0))
    over = replace(PARCEL, sealed="", status="sent", due_at=None, done_at=T0)
    assert await store.read(lambda book: book.outbox.find(PARCEL.key)) == over
    assert await store.read(lambda book: book.outbox.next_due()) is None


async def test_messages_are_listed_by_pipeline_and_run_and_only_what_is_over_is_forgotten(store: SqlStore) -> None:
    open_one = replace(PARCEL, key="open")
    cart = replace(PARCEL, key="cart", pipeline="cart", run=RunId("cart-1"), at=T0 + MINUTE, due_at=None, status="sent")
    for parcel in (open_one, cart):
        await store.transact(lambda book, parcel=parcel: book.outbox.put(parcel))  # type: ignore[misc]
    assert await store.read(lambda book: book.outbox.latest(9)) == [cart, open_one]
    assert await store.read(lambda book: book.outbox.latest(9, pipeline="cart")) == [cart]
    assert await store.read(lambda book: book.outbox.latest(9, run=RunId("shop-1"))) == [open_one]
    await store.transact(lambda book: book.outbox.forget(T0 + 5 * MINUTE))
    assert await store.read(lambda book: book.outbox.latest(9)) == [open_one]


async def test_a_cursor_is_moved_by_one_of_two_who_read_the_same(store: SqlStore, other: SqlStore) -> None:
    assert await store.read(lambda book: book.outbox.cursor("herald")) is None
    await store.transact(lambda book: book.outbox.begin("herald", 7))
    await other.transact(lambda book: book.outbox.begin("herald", 9))
    assert await store.transact(lambda book: book.outbox.move("herald", 7, 8))
    assert not await other.transact(lambda book: book.outbox.move("herald", 7, 8))
    assert await store.read(lambda book: book.outbox.cursor("herald")) == 8


async def test_news_are_entries_of_the_kinds_asked_for_in_the_order_of_commits(store: SqlStore) -> None:
    run = a_run()
    asked, begun = e.RunRequested(at=T0, by=ANN, run=run), e.RunStarted(at=T0, by=ANN)
    await store.transact(lambda book: book.journal.append(run.id, 1, [asked, begun]))
    ended = e.StageSucceeded(at=T0, by=ANN, stage=0)
    await store.transact(lambda book: book.journal.append(grown(run).id, 3, [ended]))
    found = await store.read(lambda book: book.outbox.news(0, ("StageSucceeded", "RunStarted"), 9))
    assert [(one.run, one.pipeline, one.n) for one in found] == [("shop-1", "shop", 2), ("shop-1", "shop", 3)]
    assert await store.read(lambda book: book.outbox.news(found[-1].seq, ("StageSucceeded",), 9)) == []


async def test_it_is_known_which_definitions_mention_a_word_in_a_later_version(store: SqlStore) -> None:
    await defined(store, "shop", "tell: x")
    await defined(store, "shop", "nothing")
    assert await store.read(lambda book: book.outbox.versions({"shop", "none"})) == {"shop": 2}
    assert await store.read(lambda book: book.outbox.mentions("shop", 0, ("tell", "notify")))
    assert not await store.read(lambda book: book.outbox.mentions("shop", 1, ("tell", "notify")))
