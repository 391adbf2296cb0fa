"""Server-sent events: a response that goes on for as long as the browser is there.

It is written against ASGI itself and not as a streaming body, because each send must be bounded in time: a browser
that takes nothing for ten seconds is let go of, and comes back by itself when it can.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from starlette.types import Receive, Scope, Send

from bot.web.hub import Change, Hub, Listener
from bot.web.traffic import TrafficSource

HEARTBEAT = 15.0
PATIENCE = 10.0
SECOND = 1.0

State = Callable[[], Awaitable[Mapping[str, object]]]
Told = Callable[[Change], Awaitable[Mapping[str, object] | None]]


async def _all(change: Change) -> Mapping[str, object] | None:
    return change.data


def encode(kind: str, data: Mapping[str, object], number: str = "") -> bytes:
    """One event. JSON has no raw line ends, so its text fits on one data line."""
    name = f"id: {number}\n" if number else ""
    return f"{name}event: {kind}\ndata: {json.dumps(data)}\n\n".encode()


@dataclass(slots=True)
class EventStream:
    """What one browser is told. `state` makes the present state of what it looks at.

    `patience` is how many seconds one send may take. Whoever is no longer `signed_in` is told nothing more. `told` says
    what this browser is told of a change, if anything.
    """

    hub: Hub
    listener: Listener
    state: State
    traffic: TrafficSource | None = None
    patience: float = PATIENCE
    signed_in: Callable[[], bool] = lambda: True
    told: Told = _all

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Tell the browser until it goes, is too slow, has signed out, or the bot ends."""
        head = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store"), (b"x-accel-buffering", b"no")]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        ends = [
            asyncio.create_task(_gone(receive)),
            asyncio.create_task(_lost(self.listener)),
            asyncio.create_task(self._tell(send)),
        ]
        try:
            done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            if ends[0] not in done:
                await self._write(send, b"", more=False)
        except (TimeoutError, OSError):
            return
        finally:
            for task in ends:
                task.cancel()
            await asyncio.gather(*ends, return_exceptions=True)

    async def _tell(self, send: Send) -> None:
        await self._write(send, b"retry: 1000\n\n")
        await self._catch_up(send)
        clock, last = asyncio.get_running_loop().time, None
        due = clock() + (0.0 if self.traffic else HEARTBEAT)
        while True:
            change = await self._next(due)
            if change is not None:
                await self._pass_on(send, change)
                continue
            if not self.signed_in():
                return
            due = clock() + (SECOND if self.traffic else HEARTBEAT)
            latest = self.traffic.latest() if self.traffic else None
            changed = latest is not None and latest != last
            await self._write(send, encode("traffic", latest) if latest and changed else b": still here\n\n")
            last = latest

    async def _catch_up(self, send: Send) -> None:
        if self.listener.missed is None:
            position = self.hub.position
            await self._write(send, encode("state", await self.state(), position))
        for change in self.listener.missed or ():
            await self._pass_on(send, change)

    async def _pass_on(self, send: Send, change: Change) -> None:
        data = await self.told(change)
        if data is not None:
            await self._write(send, encode(change.kind, data, self.hub.name(change.number)))

    async def _next(self, due: float) -> Change | None:
        try:
            async with asyncio.timeout_at(due):
                return await self.listener.queue.get()
        except TimeoutError:
            return None

    async def _write(self, send: Send, body: bytes, *, more: bool = True) -> None:
        async with asyncio.timeout(self.patience):
            await send({"type": "http.response.body", "body": body, "more_body": more})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _lost(listener: Listener) -> None:
    await listener.lost.wait()
