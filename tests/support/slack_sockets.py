"""The far end of Socket Mode: tickets, connections, envelopes and their acknowledgements."""

import asyncio
import uuid
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from aiohttp import WSMsgType, web

from tests.support.slack_workspace import APP

_DEBUG = {"host": "applink-tests", "build_number": 1, "approximate_connection_time": 18060}


@dataclass
class Sockets:
    """The connections of one app. A ticket lets in once."""

    tickets: set[str] = field(default_factory=set)
    open: list[web.WebSocketResponse] = field(default_factory=list)
    connections: int = 0
    deaf_to: int = 0
    """So many acknowledgements get lost."""
    _turns: "count[int]" = field(default_factory=count)
    _waiting: dict[str, "asyncio.Future[Any]"] = field(default_factory=dict)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def ticket(self, base: str) -> str:
        """An address to connect to, once."""
        made = uuid.uuid4().hex
        self.tickets.add(made)
        return f"{base}{made}"

    async def connected(self, request: web.Request) -> web.StreamResponse:
        """Serve a connection until it ends."""
        ticket = request.match_info["ticket"]
        if ticket not in self.tickets:
            return web.Response(status=401)
        self.tickets.remove(ticket)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.connections += 1
        about = {"type": "hello", "num_connections": len(self.open) + 1, "debug_info": _DEBUG}
        await socket.send_json({**about, "connection_info": {"app_id": APP}})
        self._change(lambda: self.open.append(socket))
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    self._acknowledged(message.json())
        finally:
            self._change(lambda: self.open.remove(socket) if socket in self.open else None)
        return socket

    async def until(self, number: int) -> None:
        """Wait until so many connections are open."""
        while len(self.open) != number:
            await self._changed.wait()

    async def send(self, kind: str, payload: Any, retry: int = 0) -> Any:
        """Send an envelope over one of the connections, each in its turn; returns what the acknowledgement holds."""
        while not self.open:
            await self._changed.wait()
        name = str(uuid.uuid4())
        envelope = {"envelope_id": name, "type": kind, "payload": payload, "accepts_response_payload": True}
        if kind == "events_api":
            reason = "timeout" if retry else ""
            envelope |= {"accepts_response_payload": False, "retry_attempt": retry, "retry_reason": reason}
        self._waiting[name] = asyncio.get_running_loop().create_future()
        try:
            await self.open[next(self._turns) % len(self.open)].send_json(envelope)
            return await self._waiting[name]
        finally:
            del self._waiting[name]

    async def refresh(self) -> None:
        """Announce the end of every connection, as Slack does every few hours, and end them."""
        await self.announce()
        await self.drop()

    async def announce(self) -> None:
        """Announce the end of every connection, and leave them open."""
        for socket in tuple(self.open):
            await socket.send_json({"type": "disconnect", "reason": "refresh_requested", "debug_info": _DEBUG})

    async def drop(self) -> None:
        """End every connection without a word of why."""
        for socket in tuple(self.open):
            await socket.close()

    def _acknowledged(self, answer: Any) -> None:
        if self.deaf_to:
            self.deaf_to -= 1
            return
        waiting = self._waiting.get(answer.get("envelope_id", ""))
        if waiting is not None and not waiting.done():
            waiting.set_result(answer.get("payload"))

    def _change(self, change: Any) -> None:
        change()
        self._changed.set()
        self._changed = asyncio.Event()
