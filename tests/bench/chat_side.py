"""What stands around the bot when acknowledgements are measured, each in a process of its own.

`chats` is a Slack and a Telegram that answer the bot's calls; it prints where they listen, and at the end every call
that it got, with its time. `bare` is a slack-bolt application that acknowledges and does nothing else, behind the same
web server; it prints its port. `call PLAN` sends the deliveries of a plan (JSON: each with its second, address, headers
and body) at their seconds, whether or not the ones before are answered, and prints how long each took. All times are of
the system's monotonic clock.
"""

import asyncio
import json
import re
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.web.async_client import AsyncWebClient

from bot.hooks import door
from bot.slack.door import Door
from tests.support.slack_wire import SECRET, slack_wire
from tests.support.telegram_chats import Account
from tests.support.telegram_wire import telegram_wire

CONNECTIONS = 16


def _say(something: Any) -> None:
    sys.stdout.write(json.dumps(something) + "\n")
    sys.stdout.flush()


async def _told() -> str:
    """Wait for a line; empty when whoever started this has gone."""
    return await asyncio.to_thread(sys.stdin.readline)


async def chats() -> None:
    """Be Slack and Telegram."""
    async with slack_wire() as slack, telegram_wire() as telegram:
        slack.add_person("ann")
        telegram.people.private(Account(7, "ann"))
        for channel in json.loads(await _told()):
            slack.add_channel(channel)
        _say({"slack": slack.url, "telegram": telegram.base_url.removesuffix("/bot")})
        await _told()
        _say([{"method": one.method, "channel": one.channel, "at": one.at} for one in slack.calls])


async def bare() -> None:
    """Acknowledge."""

    async def authorize() -> AuthorizeResult:
        return AuthorizeResult(enterprise_id=None, team_id="T", bot_token="xoxb-", bot_id="B", bot_user_id="U")

    async def acknowledge(ack: AsyncAck) -> None:
        await ack()

    app = AsyncApp(signing_secret=SECRET, authorize=authorize, client=AsyncWebClient(), process_before_response=True)
    app.command("/sluice")(acknowledge)
    app.action(re.compile(".*"))(acknowledge)
    async with door("127.0.0.1", 0, {"slack": Door(app.async_dispatch)}) as port:
        _say(port)
        await _told()


async def call(deliveries: list[dict[str, Any]]) -> None:
    """Send a plan's deliveries."""
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with aiohttp.ClientSession(connector=connector) as session:
        begun = asyncio.get_running_loop().time() + 0.2
        _say(await asyncio.gather(*(_deliver(session, one, begun) for one in deliveries)))


async def _deliver(session: aiohttp.ClientSession, delivery: dict[str, Any], begun: float) -> dict[str, Any]:
    await _until(begun + delivery["at"])
    sent = time.perf_counter()
    async with session.post(delivery["url"], data=delivery["body"].encode(), headers=delivery["headers"]) as answer:
        await answer.read()
        return {"what": delivery["what"], "status": answer.status, "seconds": time.perf_counter() - sent}


async def _until(moment: float) -> None:
    loop = asyncio.get_running_loop()
    reached = loop.create_future()
    loop.call_at(moment, reached.set_result, None)
    await reached


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["chats"]:
            asyncio.run(chats())
        case ["bare"]:
            asyncio.run(bare())
        case ["call", plan]:
            asyncio.run(call(json.loads(Path(plan).read_text())))
