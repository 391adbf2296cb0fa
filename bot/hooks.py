"""The door for machines: one small web application on a port of its own, where hooks are called and chats deliver.

It is open only if somebody stands behind it. The console is not reachable through it: a proxy that lets the world in
here lets nobody in there.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount
from starlette.types import ASGIApp

from bot.serving import Impatient, Serving
from engine.errors import Broken

GRACE = 3


@asynccontextmanager
async def door(host: str, port: int, behind: Mapping[str, ASGIApp]) -> AsyncIterator[int | None]:
    """Serve each application under ``/NAME/`` inside the `async with`. Gives the port; None when nobody is there."""
    if not behind:
        yield None
        return
    app = Starlette(
        routes=[Mount(f"/{name}", one) for name, one in behind.items()],
        exception_handlers={404: _nobody, 500: _broke},
    )
    listening = _listen(host, port)
    server = Serving(app, GRACE, Impatient)
    task = asyncio.create_task(server.serve([listening]), name="sluice-hooks")
    try:
        yield int(listening.getsockname()[1])
    finally:
        server.end()
        await task
        listening.close()


def _listen(host: str, port: int) -> socket.socket:
    try:
        listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise Broken(f"Machines cannot be listened to on {host}:{port}: {error}.", "Set SLUICE_HOOKS_PORT.") from error
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # asyncio does it for sockets that it makes itself
    listening.setblocking(False)
    return listening


async def _nobody(_request: Request, _error: Exception) -> Response:
    return PlainTextResponse("Nobody is here.\n", HTTPStatus.NOT_FOUND)


async def _broke(_request: Request, _error: Exception) -> Response:
    return PlainTextResponse("That went wrong in Sluice. Its log says what.\n", HTTPStatus.INTERNAL_SERVER_ERROR)
