"""Socket Mode: connections that are renewed, end, come back, and acknowledgements that get lost."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bot.slack.connect import connect
from bot.slack.ears import SlackEars
from engine.errors import Broken
from tests.support.notes import notes
from tests.support.slack_hearing import WeakHearing
from tests.support.slack_talk import ROOM, a_slack, in_slack, settings_of, words
from tests.support.slack_trouble import Trouble
from tests.support.slack_wire import SlackWire

ANN = "U00ANN"


@pytest_asyncio.fixture
async def slack() -> AsyncIterator[SlackWire]:
    async with a_slack() as wire:
        yield wire


def socket_ears(slack: SlackWire) -> SlackEars:
    made = connect(settings_of(slack))
    assert made is not None
    return made[1]


async def test_a_renewed_connection_loses_no_delivery(slack: SlackWire) -> None:
    hearing = WeakHearing()
    async with socket_ears(slack).listening(hearing):
        for _ in range(3):
            await slack.sockets.until(1)
            [old] = slack.sockets.open
            commands = [slack.send(slack.people.command(ANN, ROOM, "list")) for _ in range(4)]
            sending = asyncio.gather(*commands)
            await slack.sockets.announce()
            await slack.sockets.until(2)
            await old.close()
            assert [one.status for one in await sending] == [200] * 4
        await slack.sockets.drop()
        assert (await slack.send(slack.people.command(ANN, ROOM, "list"))).status == 200
    assert slack.sockets.connections == 5
    assert len(hearing.kept) == 13


async def test_the_old_connection_is_served_until_slack_ends_it(slack: SlackWire) -> None:
    hearing = WeakHearing()
    async with socket_ears(slack).listening(hearing):
        await slack.sockets.until(1)
        old = slack.sockets.open[0]
        await slack.sockets.announce()
        await slack.sockets.until(2)
        for _ in range(4):
            assert (await slack.send(slack.people.command(ANN, ROOM, "list"))).status == 200
        assert not old.closed
        await old.close()
        assert (await slack.send(slack.people.command(ANN, ROOM, "list"))).status == 200
    assert len(hearing.kept) == 5


async def test_a_delivery_whose_acknowledgement_got_lost_has_one_effect(tmp_path: Path, slack: SlackWire) -> None:
    async with in_slack(tmp_path / "home", slack, "ann") as talk:
        await talk.bot.say(f"define\n{notes(tmp_path)}")
        event = talk.people.message(ANN, slack.space.direct(ANN), "subscribe notes")
        slack.sockets.deaf_to = 1
        assert (await slack.send(event)).status == 0
        await talk.deliver(event, 1)
        await talk.alone("ann", "whoami")
        assert [deed.line for deed in await talk.audited()].count("subscribe notes") == 1
        told = [one for one in slack.messages(slack.space.direct(ANN)) if "is told about notes" in words(one)]
        assert len(told) == 1


async def test_slack_is_connected_to_when_it_comes_back(slack: SlackWire) -> None:
    await slack.go_away()
    hearing = WeakHearing()
    async with socket_ears(slack).listening(hearing):
        await slack.come_back()
        assert (await slack.send(slack.people.command(ANN, ROOM, "list"))).status == 200
        await slack.go_away()
        await slack.come_back()
        assert (await slack.send(slack.people.command(ANN, ROOM, "list"))).status == 200
    assert len(hearing.kept) == 2


async def test_slack_is_left_in_the_moment_of_connecting(slack: SlackWire) -> None:
    for _ in range(20):
        await slack.sockets.until(0)
        async with asyncio.timeout(10), socket_ears(slack).listening(WeakHearing()):
            await slack.sockets.until(1)


async def test_a_token_that_slack_does_not_take_is_said_with_what_to_do(slack: SlackWire) -> None:
    for method in ("auth.test", "apps.connections.open"):
        trouble = slack.go_wrong(Trouble("invalid_auth", method))
        with pytest.raises(Broken, match=f"Slack refuses {method}: invalid_auth") as refused:
            async with socket_ears(slack).listening(WeakHearing()):
                pass
        assert "set the new token" in refused.value.hint
        slack.troubles.remove(trouble)
