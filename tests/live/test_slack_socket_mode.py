"""The stand-in's Socket Mode, as Slack's own client meets it."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient

from tests.support.slack_wire import APP_TOKEN, SlackWire, slack_wire

pytestmark = pytest.mark.live

ROOM, ANN = "C00RELEASES", "U00ANN"


@pytest_asyncio.fixture
async def slack() -> AsyncIterator[SlackWire]:
    async with slack_wire() as wire:
        wire.add_person("ann")
        wire.add_channel("RELEASES")
        yield wire


class Listener:
    """A Socket Mode client of Slack's SDK that acknowledges everything and keeps it."""

    def __init__(self, slack: SlackWire) -> None:
        web_client = AsyncWebClient(base_url=slack.url)
        self.client = SocketModeClient(APP_TOKEN, web_client=web_client, ping_interval=0.05)
        self.client.socket_mode_request_listeners.append(self.hear)
        self.heard: list[SocketModeRequest] = []
        self.answer: dict[str, Any] | None = None

    async def hear(self, client: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
        self.heard.append(request)
        await client.send_socket_mode_response(SocketModeResponse(request.envelope_id, self.answer))


@pytest_asyncio.fixture
async def listener(slack: SlackWire) -> AsyncIterator[Listener]:
    made = Listener(slack)
    await made.client.connect()  # type: ignore[no-untyped-call]
    yield made
    await made.client.close()  # type: ignore[no-untyped-call]


async def test_socket_mode_delivers_and_takes_the_answer_along(slack: SlackWire, listener: Listener) -> None:
    listener.answer = {"text": "All quiet"}
    answer = await slack.send(slack.people.command(ANN, ROOM, "status"))
    assert answer.body == {"text": "All quiet"}
    assert listener.heard[0].payload["text"] == "status"


async def test_an_event_again_says_which_attempt_it_is(slack: SlackWire, listener: Listener) -> None:
    mention = slack.people.mention(ANN, ROOM, "status")
    await asyncio.gather(*(slack.send(mention, retry) for retry in range(3)))
    assert sorted(one.retry_attempt or 0 for one in listener.heard) == [0, 1, 2]
    assert len({json.dumps(one.payload) for one in listener.heard}) == 1


@pytest.mark.parametrize("how", ["refresh", "drop"])
async def test_a_client_connects_again_after_its_connection_ended(
    slack: SlackWire, listener: Listener, how: str
) -> None:
    await (slack.sockets.refresh() if how == "refresh" else slack.sockets.drop())
    assert (await slack.send(slack.people.command(ANN, ROOM, "status"))).status == 200
    assert slack.sockets.connections >= 2


async def test_a_ticket_lets_in_once(slack: SlackWire, listener: Listener) -> None:
    await slack.send(slack.people.command(ANN, ROOM, "status"))
    assert slack.sockets.tickets == set()
    assert len(slack.called("apps.connections.open")) == 1
