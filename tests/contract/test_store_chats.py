"""What chats remember: cursors, cards, questions, deliveries, messages."""

import asyncio
from datetime import timedelta

from engine.model import RoomId, RunId
from storage.chats import Confirmation
from storage.rooms import Place
from storage.store import SqlStore
from storage.subscriptions import Subscription, Wants
from tests.support.store import ANN, BOB, LOBBY, T0

RUN = RunId("shop-1")
OTHER = RoomId("terminal:ann")


def question(name: str, *, person: str = ANN) -> Confirmation:
    return Confirmation(name, LOBBY, type(ANN)(person), "DELETE", '{"line": "delete shop"}', T0 + timedelta(minutes=5))


async def test_the_feed_remembers_how_far_rooms_were_told(store: SqlStore) -> None:
    assert await store.read(lambda book: book.rooms.cursor()) is None
    for seq in (0, 7):
        await store.transact(lambda book, seq=seq: book.rooms.set_cursor(seq))  # type: ignore[misc]
        assert await store.read(lambda book: book.rooms.cursor()) == seq


async def test_a_run_has_one_card_in_each_room(store: SqlStore) -> None:
    assert await store.read(lambda book: book.rooms.place(LOBBY, RUN)) is None
    await store.transact(lambda book: book.rooms.put(LOBBY, RUN, Place("m1", 1)))
    await store.transact(lambda book: book.rooms.put(OTHER, RUN, Place("m2", 1)))
    await store.transact(lambda book: book.rooms.put(LOBBY, RUN, Place("m3", 2, told=7)))
    assert await store.read(lambda book: book.rooms.place(LOBBY, RUN)) == Place("m3", 2, 7)
    assert await store.read(lambda book: book.rooms.place(OTHER, RUN)) == Place("m2", 1)
    assert await store.read(lambda book: book.rooms.showing(RUN)) == [OTHER, LOBBY]


async def test_the_wishes_about_one_pipeline_are_forgotten_together(store: SqlStore) -> None:
    wishes = [Subscription(room, name, Wants.ENDS, ANN) for room in (LOBBY, OTHER) for name in ("cart", "shop")]
    for wish in wishes:
        await store.transact(lambda book, wish=wish: book.subscriptions.put(wish))  # type: ignore[misc]
    await store.transact(lambda book: book.subscriptions.void("cart"))
    left = await store.read(lambda book: book.subscriptions.all())
    assert [(wish.room, wish.pipeline) for wish in left] == [(OTHER, "shop"), (LOBBY, "shop")]


async def test_a_newer_question_takes_the_place_of_the_older(store: SqlStore) -> None:
    for name in ("q1", "q2"):
        await store.transact(lambda book, name=name: book.chats.ask(question(name)))  # type: ignore[misc]
    await store.transact(lambda book: book.chats.ask(question("q3", person=BOB)))
    assert await store.read(lambda book: book.chats.asked(LOBBY, ANN)) == question("q2")
    assert await store.read(lambda book: book.chats.asked(OTHER, ANN)) is None
    assert not await store.transact(lambda book: book.chats.take("q1"))


async def test_a_question_is_used_up_once(store: SqlStore, other: SqlStore) -> None:
    await store.transact(lambda book: book.chats.ask(question("q1")))
    takes = [each.transact(lambda book: book.chats.take("q1")) for _ in range(10) for each in (store, other)]
    assert (await asyncio.gather(*takes)).count(True) == 1
    assert await store.read(lambda book: book.chats.asked(LOBBY, ANN)) is None


async def test_the_same_person_asked_twice_at_once_has_one_question(store: SqlStore, other: SqlStore) -> None:
    asks = [
        each.transact(lambda book, name=f"q{number}-{side}": book.chats.ask(question(name)))  # type: ignore[misc]
        for number in range(5)
        for side, each in enumerate((store, other))
    ]
    await asyncio.gather(*asks)
    assert await store.read(lambda book: book.chats.asked(LOBBY, ANN)) is not None


async def test_a_delivery_is_new_once(store: SqlStore, other: SqlStore) -> None:
    looks = [each.transact(lambda book: book.chats.is_new("evt-1", T0)) for _ in range(10) for each in (store, other)]
    assert (await asyncio.gather(*looks)).count(True) == 1


async def test_old_deliveries_are_forgotten(store: SqlStore) -> None:
    await store.transact(lambda book: book.chats.is_new("old", T0 - timedelta(hours=2)))
    await store.transact(lambda book: book.chats.is_new("fresh", T0))
    await store.transact(lambda book: book.chats.forget_inbox(T0 - timedelta(hours=1), T0 - timedelta(days=9)))
    assert await store.transact(lambda book: book.chats.is_new("old", T0))
    assert not await store.transact(lambda book: book.chats.is_new("fresh", T0))


async def test_what_is_known_by_a_signature_is_remembered_for_longer(store: SqlStore) -> None:
    for key, age in (("push:a:body:1", 2), ("push:a:body:2", 20), ("pushed elsewhere", 2)):
        at = T0 - timedelta(days=age)
        await store.transact(lambda book, key=key, at=at: book.chats.is_new(key, at))  # type: ignore[misc]
    await store.transact(lambda book: book.chats.forget_inbox(T0 - timedelta(days=1), T0 - timedelta(days=9)))
    assert not await store.transact(lambda book: book.chats.is_new("push:a:body:1", T0))
    assert await store.transact(lambda book: book.chats.is_new("push:a:body:2", T0))
    assert await store.transact(lambda book: book.chats.is_new("pushed elsewhere", T0))


async def test_messages_are_kept_in_order_and_can_change(store: SqlStore) -> None:
    seqs = [
        await store.transact(lambda book, text=text: book.chats.say(LOBBY, T0, "ann", text))  # type: ignore[misc]
        for text in ("one", "two", "three")
    ]
    await store.transact(lambda book: book.chats.say(OTHER, T0, "bob", "elsewhere"))
    await store.transact(lambda book: book.chats.replace(seqs[1], "TWO"))
    said = await store.read(lambda book: book.chats.said(LOBBY, 2))
    assert [(message.seq, message.document) for message in said] == [(seqs[1], "TWO"), (seqs[2], "three")]
