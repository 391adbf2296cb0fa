"""`WebServer`: the console on a socket.

It leaves signals to the bot, and ends the event streams before it ends itself.
"""

import asyncio
import socket
from dataclasses import dataclass, field

from starlette.applications import Starlette

from bot.serving import Serving
from bot.web.hub import Hub
from engine.errors import Broken

GRACE = 3


@dataclass(slots=True)
class WebServer:
    """Serves `app` on `host`:`port`; port 0 takes a free one, which `start` tells."""

    app: Starlette
    hub: Hub
    host: str = "127.0.0.1"
    port: int = 8787
    _server: Serving | None = None
    _task: asyncio.Task[None] | None = None
    _socket: socket.socket | None = field(default=None)

    async def start(self) -> str:
        """Begin to serve; returns the address, without a slash at its end."""
        self._socket = self._listen()
        self._server = Serving(self.app, GRACE)
        self._task = asyncio.create_task(self._server.serve([self._socket]), name="sluice-web")
        port = self._socket.getsockname()[1]
        return f"http://[{self.host}]:{port}" if ":" in self.host else f"http://{self.host}:{port}"

    async def stop(self) -> None:
        """Send every browser away and end."""
        self.hub.close()
        if self._server is not None and self._task is not None:
            self._server.end()
            await self._task
        if self._socket is not None:
            self._socket.close()

    def _listen(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        opened = socket.socket(family, socket.SOCK_STREAM)
        try:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            opened.bind((self.host, self.port))
            opened.listen(128)
        except OSError as error:
            opened.close()
            hint = "SLUICE_HOST and SLUICE_PORT say where: free that port, or choose another one."
            raise Broken(f"The console cannot listen on {self.host}:{self.port}: {error.strerror}.", hint) from error
        opened.setblocking(False)
        return opened
