"""Uvicorn inside a program of its own: no signal handlers, and asleep until it is asked to end.

Uvicorn by itself wakes up ten times a second to look whether it should end and to keep the Date header; two servers
that do so cost an idle bot more than everything else together.
"""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from h11 import IDLE
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 5.0
"""How long the head of a request may take, twice that at most."""
MOST_CONNECTIONS = 500


class Impatient(H11Protocol):
    """One connection of somebody who may be anybody: it is closed when no request comes, or comes drop by drop.

    Uvicorn waits for ever for the rest of a request's head.
    """

    _looking: asyncio.TimerHandle | None = None
    _last: object = None
    """The request before the head that was waited for at the last look."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to watch."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
            return
        self._looking = self.loop.call_later(HEAD_SECONDS, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """End watching."""
        if self._looking is not None:
            self._looking.cancel()
        super().connection_lost(exc)

    def _look(self) -> None:
        """Close a connection that has waited for the same head since the last look."""
        is_waiting = self.conn.their_state is IDLE
        if is_waiting and self.cycle is self._last:
            self.transport.close()
            return
        self._last = self.cycle if is_waiting else self
        self._looking = self.loop.call_later(HEAD_SECONDS, self._look)


class Serving(uvicorn.Server):
    """A server that somebody else starts, as a task of `serve`, and ends with `end`."""

    def __init__(self, app: Starlette, grace: int, http: type[asyncio.Protocol] | None = None) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=http or "auto",
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                date_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=grace,
            )
        )
        self._ended = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the program."""
        yield

    async def main_loop(self) -> None:
        """Sleep until `end`."""
        await self.on_tick(0)
        await self._ended.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End at once where nobody is connected; uvicorn waits a tenth of a second for whoever is."""
        if self.server_state.connections or self.server_state.tasks:
            await super().shutdown(sockets)
            return
        for server in self.servers:
            server.close()
        for each in sockets or ():
            each.close()
        for server in self.servers:
            await server.wait_closed()

    def end(self) -> None:
        """Answer what is under way, then end."""
        self.should_exit = True
        self._ended.set()
