"""Messages in turn: no way and no receiver keeps another waiting, none goes out twice, none is lost to a key."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.cards import Tone
from bot.heralds.courier import LEASE, LONGEST_TRY
from bot.heralds.faults import Away
from bot.heralds.lanes import GATEWAY_SECONDS
from bot.heralds.mail_server import WITHIN
from engine.errors import Broken
from tests.support.eventually import eventually
from tests.support.outside import Outbound, Outside, outside
from tests.support.told import NOTIFIES, TELLS

WAYS = ("webhook", "email", "room", "account", "phone", "gateway")


@pytest.fixture
def lane() -> Outbound:
    return Outbound()


@pytest.fixture
async def world(tmp_path: Path, lane: Outbound) -> AsyncIterator[Outside]:
    async with outside(tmp_path, dict.fromkeys(WAYS, lane)) as world:
        await world.define(TELLS, NOTIFIES)
        await world.herald.catch_up()
        yield world


async def test_a_message_whose_lease_is_over_is_not_sent_again_while_it_is_being_sent(
    world: Outside, lane: Outbound
) -> None:
    lane.slow = "POST hooks.example.com"
    await world.succeed(await world.start("tells"))
    await world.herald.catch_up()
    await world.courier.send_what_is_due()
    await eventually(lambda: len(lane.sent) == 1)
    world.clock.pass_time(LEASE + timedelta(seconds=1))
    await world.courier.send_what_is_due()
    assert len(world.courier._sending) == 1
    lane.goes_on.set()
    await world.send()
    assert len(lane.sent) == 1
    assert [one.status for one in await world.outbox()] == ["sent"]


def test_every_try_is_over_before_its_message_may_be_taken_again() -> None:
    assert max(WITHIN, GATEWAY_SECONDS) < LONGEST_TRY < LEASE.total_seconds()


async def test_many_slow_hosts_keep_no_mail_waiting(world: Outside, lane: Outbound) -> None:
    hosts = [f"POST h{number}.example.com" for number in range(20)]
    for number in range(20):
        text = TELLS.replace("pipeline: tells", f"pipeline: tells{number}")
        await world.define(text.replace("hooks.example.com", f"h{number}.example.com"))
        await world.succeed(await world.start(f"tells{number}"))
    await world.herald.catch_up()
    world.clock.pass_time(timedelta(seconds=1))
    await world.succeed(await world.start("notifies"))
    await world.herald.catch_up()
    lane.slow = hosts
    await world.courier.send_what_is_due()
    await eventually(lambda: any(one.way == "email" for one in lane.sent))
    lane.goes_on.set()
    await world.send()
    assert {one.status for one in await world.outbox()} == {"sent"}


async def test_a_message_whose_key_is_gone_waits_until_the_key_is_back(world: Outside, lane: Outbound) -> None:
    lane.fails = [Broken("A secret cannot be opened.", "Put the key back.")]
    await world.succeed(await world.start("tells"))
    await world.tell()
    (waiting,) = await world.outbox()
    assert (waiting.status, waiting.due_at is not None, waiting.sealed != "") == ("waiting", True, True)
    said = "webhook: A secret cannot be opened. Put the key back. Messages wait and are tried again for a day."
    assert world.said == [(said, Tone.BAD)]
    world.clock.pass_time(timedelta(minutes=1))
    await world.send()
    assert [one.status for one in await world.outbox()] == ["sent"]


async def test_a_gateway_that_works_does_not_say_of_another_that_it_works_again(world: Outside, lane: Outbound) -> None:
    await world.define(NOTIFIES.replace('{phone: "+49 30 1234567"}', "{gateway: desk}").replace("{person: ann}, ", ""))
    lane.fails = [Away("Gateway desk did not take the message."), None, None, None]
    await world.fail(await world.start("notifies"))
    await world.tell()
    assert [tone for _, tone in world.said] == [Tone.BAD]
    world.clock.pass_time(timedelta(minutes=1))
    await world.send()
    assert world.said[1:] == [("Gateway desk: messages go out again.", Tone.GOOD)]
