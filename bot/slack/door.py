"""Deliveries over HTTP: one address, `/events`, for everything; bolt checks the signature and the time.

Whoever knows the address may send anything, so nothing large is read and nothing that is no delivery gets further.
"""

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse

PATH = "/events"
MOST = 2 * 2**20
"""Slack's largest delivery is a form: 250 kB, which its encoding may make three times as long."""
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Dispatch = Callable[[AsyncBoltRequest], Awaitable[BoltResponse]]


@dataclass(frozen=True, slots=True)
class Door:
    """An ASGI application that hands deliveries on."""

    dispatch: Dispatch

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or str(scope["path"]).removeprefix(scope.get("root_path", "")) != PATH:
            return await _answer(send, HTTPStatus.NOT_FOUND, "Slack delivers at /slack/events.\n")
        if scope["method"] != "POST":
            return await _answer(send, HTTPStatus.METHOD_NOT_ALLOWED, "Slack delivers by POST.\n")
        body = await _body(receive)
        if body is None:
            return await _answer(send, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "No delivery is as large as that.\n")
        try:
            request = AsyncBoltRequest(body=body.decode(), headers=_headers(scope))
        except ValueError:
            return await _answer(send, HTTPStatus.BAD_REQUEST, "That is no delivery of Slack.\n")
        response = await self.dispatch(request)
        kind = response.first_headers().get("content-type", "text/plain;charset=utf-8")
        return await _answer(send, response.status, response.body, kind)


def _headers(scope: Scope) -> dict[str, str | Sequence[str]]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


async def _body(receive: Receive) -> bytes | None:
    """Read the body; None when it is longer than any delivery, or when the sender has gone."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if len(body) > MOST:
            return None
        if not message.get("more_body"):
            return bytes(body)


async def _answer(send: Send, status: int, body: str, kind: str = "text/plain;charset=utf-8") -> None:
    content = body.encode()
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send({"type": "http.response.body", "body": content})
