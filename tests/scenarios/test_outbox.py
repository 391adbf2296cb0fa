"""Messages to others: kept with what they tell of, tried again, given up, sent once; nothing waits for them."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from bot.heralds.courier import AT_ONCE_TO_ONE
from bot.heralds.faults import NotNow
from engine.errors import Broken
from engine.model import Person, RoomId, RunState
from engine.notifications import TRIES
from storage.accounts import Account
from tests.support.eventually import eventually
from tests.support.outside import Outbound, Outside, outside
from tests.support.store import ANN, T0
from tests.support.told import NOTIFIES, TELLS

MINUTE = timedelta(minutes=1)


@pytest.fixture
def lane() -> Outbound:
    return Outbound()


@pytest.fixture
async def world(tmp_path: Path, lane: Outbound) -> AsyncIterator[Outside]:
    async with outside(
        tmp_path, dict.fromkeys(("webhook", "email", "room", "account", "phone", "gateway"), lane)
    ) as world:
        await world.define(TELLS, NOTIFIES)
        await world.herald.catch_up()
        yield world


async def test_a_message_is_sent_when_its_stage_has_succeeded_and_not_again(world: Outside, lane: Outbound) -> None:
    run = await world.start("tells")
    await world.succeed(run)
    await world.tell()
    await world.tell()
    (parcel,) = await world.outbox()
    assert (parcel.status, parcel.attempts, parcel.shown) == ("sent", 1, "POST hooks.example.com")
    assert [one.key for one in lane.sent] == [parcel.key]


async def test_what_a_message_says_is_kept_sealed_and_only_until_it_is_sent(world: Outside, lane: Outbound) -> None:
    lane.fails = [NotNow("not yet")]
    await world.succeed(await world.start("tells"))
    await world.tell()
    (kept,) = await world.outbox()
    assert kept.sealed
    for secret in ("secret-path", "hidden"):
        assert secret not in str(kept)
        assert secret in world.vault.open(kept.sealed)
    world.clock.pass_time(MINUTE)
    await world.send()
    assert (await world.outbox())[0].sealed == ""


async def test_a_message_is_tried_again_at_moments_that_grow_apart_and_given_up_within_two_days(
    world: Outside, lane: Outbound
) -> None:
    lane.fails = [NotNow("away")] * 50
    await world.succeed(await world.start("tells"))
    await world.tell()
    moments = [world.clock.now()]
    while (due := (await world.outbox())[0].due_at) is not None:
        world.clock.at = due - timedelta(microseconds=1)
        await world.send()
        assert len(lane.sent) == len(moments)
        world.clock.at = due
        moments.append(due)
        await world.send()
    (parcel,) = await world.outbox()
    assert (parcel.status, parcel.attempts, parcel.error) == ("failed", len(TRIES) + 1, "away")
    assert tuple(later - sooner for sooner, later in pairwise(moments)) == TRIES
    assert moments[-1] - moments[0] < timedelta(days=2)


async def test_a_receiver_that_asks_to_wait_is_waited_for(world: Outside, lane: Outbound) -> None:
    lane.fails = [NotNow("busy", timedelta(minutes=5))]
    await world.succeed(await world.start("tells"))
    await world.tell()
    assert (await world.outbox())[0].due_at == T0 + timedelta(minutes=5)


async def test_a_bot_that_dies_before_it_tells_tells_after_its_next_start(world: Outside, lane: Outbound) -> None:
    await world.succeed(await world.start("tells"))
    world.start_telling()
    await world.tell()
    assert len(lane.sent) == 1
    world.start_telling()
    await world.tell()
    assert len(lane.sent) == 1


async def test_a_bot_that_dies_while_it_sends_sends_again_under_the_same_key(world: Outside, lane: Outbound) -> None:
    await world.succeed(await world.start("tells"))
    await world.herald.catch_up()
    taken = await world.store.transact(lambda book: book.outbox.claim(T0, T0 + MINUTE, 5))
    world.start_telling()
    await world.send()
    assert lane.sent == []
    await world.courier.recall()
    await world.send()
    assert [one.key for one in lane.sent] == [one.key for one in taken]
    assert (await world.outbox())[0].attempts == 2


async def test_another_process_takes_a_message_over_when_the_one_that_took_it_is_silent(
    world: Outside, lane: Outbound
) -> None:
    await world.succeed(await world.start("tells"))
    await world.herald.catch_up()
    await world.store.transact(lambda book: book.outbox.claim(T0, T0 + MINUTE, 5))
    world.clock.pass_time(MINUTE)
    await world.send()
    assert len(lane.sent) == 1


async def test_an_entry_is_told_once_by_two_who_follow_the_same_journal(world: Outside, lane: Outbound) -> None:
    first = world.herald
    world.start_telling()
    await world.herald.catch_up()
    await world.succeed(await world.start("tells"))
    await world.herald.catch_up()
    with pytest.raises(Broken):
        await first.catch_up()
    await first.catch_up()
    await world.send()
    assert len(lane.sent) == 1


async def test_an_entry_that_cannot_be_told_does_not_silence_the_next(world: Outside, lane: Outbound) -> None:
    messages = world.herald.messages
    triggers = replace(messages.triggers, control=None)  # type: ignore[arg-type]
    world.herald.messages = replace(messages, triggers=triggers)
    await world.define(TELLS.replace("webhook: https", "channel: x\n      - webhook: https"))
    await world.define(
        "pipeline: listens\nvariables: {tag: v1}\nstarts: [{channel: x}]\n" + TELLS[TELLS.index("stages") :]
    )
    await world.succeed(await world.start("tells"))
    await world.succeed(await world.start("notifies"))
    await world.tell()
    assert [(one.run, one.way) for one in lane.sent] == [("notifies-1", "email")]


async def test_what_happened_before_the_first_start_is_told_to_nobody(tmp_path: Path, lane: Outbound) -> None:
    async with outside(tmp_path, {"webhook": lane}) as world:
        await world.define(TELLS)
        await world.succeed(await world.start("tells"))
        await world.tell()
        assert lane.sent == []


async def test_everybody_under_notify_is_told_once_of_a_failure_that_can_be_mended(
    world: Outside, lane: Outbound
) -> None:
    person = Person(ANN, "ann@example.com")
    account = Account("model:ann", ANN, "Ann", RoomId("model:direct-ann"), T0)
    await world.store.transact(lambda book: book.people.add(person))
    await world.store.transact(lambda book: book.accounts.link(account))
    run = await world.start("notifies")
    await world.fail(run)
    await world.tell()
    told = [(one.way, one.shown) for one in await world.outbox()]
    assert told == [
        ("account", "ann, model"),
        ("email", "ann, ann@example.com"),
        ("phone", "+49 30 1234567"),
        ("gateway", "pager"),
        ("room", "model:c1"),
    ]
    assert {one.about for one in await world.outbox()} == {"notifies-1 failed at code and is held"}
    world.clock.pass_time(timedelta(hours=2))
    for timer in await world.store.read(lambda book: book.timers.due(world.clock.now(), 10)):
        await world.store.transact(lambda book, timer=timer: world.control.fire(book, timer))  # type: ignore[misc]
    assert (await world.run(run)).state is RunState.FAILED
    await world.tell()
    assert len(await world.outbox()) == 5


async def test_somebody_who_has_a_phone_alone_is_told_by_phone(world: Outside, lane: Outbound) -> None:
    await world.store.transact(lambda book: book.people.add(Person(ANN, phone="+49 40 7654321")))
    await world.fail(await world.start("notifies"))
    await world.tell()
    assert ("phone", "ann, +49 40 7654321", "sent") in [
        (one.way, one.shown, one.status) for one in await world.outbox()
    ]
    assert "ann" not in [one.shown for one in await world.outbox()]


@pytest.mark.parametrize(("gateways", "ways"), [((), ["email"]), (("phone",), ["email", "phone"])])
async def test_somebody_who_has_a_mail_address_is_told_by_phone_too_where_a_gateway_for_phones_is_set_up(
    world: Outside, lane: Outbound, gateways: tuple[str, ...], ways: list[str]
) -> None:
    world.herald.messages = replace(world.herald.messages, gateways=gateways)
    await world.store.transact(lambda book: book.people.add(Person(ANN, "ann@example.com", "+49 40 7654321")))
    await world.fail(await world.start("notifies"))
    await world.tell()
    assert [one.way for one in await world.outbox() if one.shown.startswith("ann,")] == ways


async def test_somebody_who_cannot_be_reached_is_said_to_be_so(world: Outside, lane: Outbound) -> None:
    await world.fail(await world.start("notifies"))
    await world.tell()
    (ann,) = [one for one in await world.outbox() if one.shown == "ann"]
    assert ann.status == "refused"
    assert ann.error.startswith(
        "No chat account, no e-mail address and no phone number. `sluice person add ann --email"
    )


async def test_a_slow_receiver_keeps_nobody_else_waiting(world: Outside, lane: Outbound) -> None:
    lane.slow = "POST hooks.example.com"
    for _ in range(12):
        await world.succeed(await world.start("tells"))
    await world.herald.catch_up()
    world.clock.pass_time(timedelta(seconds=1))
    await world.succeed(await world.start("notifies"))
    await world.herald.catch_up()
    await world.courier.send_what_is_due()
    await eventually(lambda: len(lane.sent) == AT_ONCE_TO_ONE + 1)
    assert lane.sent[-1].way == "email"
    lane.goes_on.set()
    await world.send()
    assert {one.status for one in await world.outbox()} == {"sent"}
