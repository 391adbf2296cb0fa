"""Socket Mode: connections from here to Slack over which deliveries come, so that no public address is needed.

The danger is the moment when Slack renews a connection, every few hours: what it sends meanwhile is lost for whoever
hangs up first, and a lost command is a person who waits. So when the end of a connection is announced the next one is
made at once, and the old one is served until Slack closes it. (Slack's own client hangs up before it connects again,
and leaves its tasks behind when it is closed; that is why it is not used here.) A delivery is acknowledged when it was
kept and not before; whose acknowledgement is lost comes again, and is known by its key.
"""

import asyncio
import json
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import aiohttp
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse

from bot.chat import Slower
from bot.slack.api import Api
from engine.errors import Broken, Interrupted, SluiceError

HEARTBEAT = 15.0
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 30.0
SETTLED = 30.0
"""After so many seconds a connection was a good one, and the next failure is the first again."""
GRACE = 3.0
_LOG = logging.getLogger(__name__)
Connection = aiohttp.ClientWebSocketResponse
Dispatch = Callable[[AsyncBoltRequest], Awaitable[BoltResponse]]


@dataclass(slots=True)
class Sockets:
    """Keeps connected. `api` calls with the app's token."""

    api: Api
    dispatch: Dispatch
    _open: list[Connection] = field(default_factory=list)
    _connections: "set[asyncio.Task[None]]" = field(default_factory=set)
    _deliveries: "set[asyncio.Task[None]]" = field(default_factory=set)
    trouble: str = ""
    """What keeps it from being connected now."""
    _failures: int = 0

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Take deliveries inside the `async with`. Raises `Broken` when Slack refuses the app; waits for no network."""
        try:
            address = await self._address()
        except Interrupted as error:
            self._is_in(error)
            address = ""
        living = asyncio.create_task(self._live(address), name="sluice-slack")
        try:
            yield
        finally:
            await _cancelled({living})
            if self._deliveries:
                await asyncio.wait(self._deliveries, timeout=GRACE)
            await _cancelled(self._connections | self._deliveries)

    async def _live(self, address: str) -> None:
        """Have a connection, and the next one as soon as that one ends or says that it will."""
        while True:
            leaving = asyncio.Event()
            began = asyncio.get_running_loop().time()
            task = _spawn(self._connections, self._connection(address, leaving))
            await leaving.wait()
            address = ""
            is_settled = asyncio.get_running_loop().time() - began >= SETTLED
            self._failures = 0 if is_settled else self._failures
            if task.done() or not is_settled:
                await self._pause()

    async def _connection(self, address: str, leaving: asyncio.Event) -> None:
        try:
            async with self.api.socket(address or await self._address(), HEARTBEAT) as connection:
                self._open.append(connection)
                self.trouble = ""
                try:
                    async for message in connection:
                        if message.type is aiohttp.WSMsgType.TEXT:
                            self._heard(connection, json.loads(message.data), leaving)
                finally:
                    self._open.remove(connection)
        except json.JSONDecodeError as error:
            _LOG.warning("Slack sent what is no delivery: %s", error)
        except Slower as error:
            await asyncio.sleep(error.after.total_seconds())
        except Broken as error:
            self._is_in(error)
            await asyncio.sleep(LONGEST_PAUSE)
        except SluiceError as error:
            self._is_in(error)
        finally:
            leaving.set()

    def _is_in(self, error: SluiceError) -> None:
        """Remember what keeps it from being connected, while no connection is there; it is written down once."""
        sentence = f"{error} {error.hint}".strip()
        if sentence != self.trouble:
            _LOG.warning("Slack is tried again: %s", sentence)
        if not self._open:
            self.trouble = sentence

    def _heard(self, connection: Connection, message: dict[str, Any], leaving: asyncio.Event) -> None:
        if message.get("type") == "disconnect":
            _LOG.info("Slack ends a connection: %s", message.get("reason"))
            leaving.set()
        elif "envelope_id" in message:
            _spawn(self._deliveries, self._deliver(connection, message))

    async def _deliver(self, connection: Connection, envelope: dict[str, Any]) -> None:
        request = AsyncBoltRequest(mode="socket_mode", body=envelope["payload"])
        response = await self.dispatch(request)
        if response.status != HTTPStatus.OK:
            return None
        answer: dict[str, Any] = {"envelope_id": envelope["envelope_id"]}
        if response.body:
            answer["payload"] = _payload(response)
        for one in (connection, *reversed(self._open)):
            if not one.closed:
                try:
                    return await one.send_json(answer)
                except (OSError, aiohttp.ClientError):
                    continue
        _LOG.warning("An acknowledgement could not be sent; Slack delivers again.")
        return None

    async def _address(self) -> str:
        return str((await self.api.call("apps.connections.open"))["url"])

    async def _pause(self) -> None:
        self._failures += 1
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(self._failures - 1, 10))
        await asyncio.sleep(pause * random.uniform(0.7, 1.0))  # noqa: S311 - spreads, hides nothing


def _payload(response: BoltResponse) -> Any:
    """Return an acknowledgement's body: what bolt made JSON of, or a text to show."""
    kind = response.first_headers().get("content-type", "")
    return json.loads(response.body) if kind.startswith("application/json") else {"text": response.body}


def _spawn(tasks: "set[asyncio.Task[None]]", work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
    task = asyncio.create_task(work)
    tasks.add(task)
    task.add_done_callback(tasks.discard)
    return task


async def _cancelled(tasks: "set[asyncio.Task[None]]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
