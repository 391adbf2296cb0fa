"""What arrives over HTTP, as ASGI tells it: read whole, and never more than a delivery can be long.

Whoever knows an address may send anything, so nothing large is kept in memory.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from engine.model import RoomId

HOOKS = RoomId("hooks:")
"""Where the audit says that machines have called."""
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


def path_of(scope: Scope) -> str:
    """Return the path below the address that the application is mounted at."""
    return str(scope["path"]).removeprefix(scope.get("root_path", ""))


async def body_of(receive: Receive, most: int) -> bytes | None:
    """Read the body; None when it is longer than `most` bytes, or when the sender has gone."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if len(body) > most:
            return None
        if not message.get("more_body"):
            return bytes(body)


async def reply(send: Send, status: int, body: str = "", kind: str = "text/plain;charset=utf-8") -> None:
    """Answer a request, whole."""
    content = body.encode()
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send({"type": "http.response.body", "body": content})
