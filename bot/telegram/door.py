"""Deliveries over HTTP: one address, `/hook`. Telegram shows the secret that it was given, or nobody listens.

200 says "kept". When something cannot be kept Telegram is told 503, and delivers it again.
"""

import json
import logging
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from engine.errors import SluiceError

PATH = "/hook"
MOST = 2**20
"""An update is a message of 4,096 characters and what it answers; in the longest spelling of JSON far below this."""
_SECRET = b"x-telegram-bot-api-secret-token"
_LOG = logging.getLogger(__name__)
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Door:
    """An ASGI application that hands deliveries to `hear`, which raises when one could not be kept."""

    hear: Callable[[Any], Awaitable[None]]
    secret: str = field(repr=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        status = await self._status(scope, receive)
        headers = [(b"content-length", b"0")]
        await send({"type": "http.response.start", "status": int(status), "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async def _status(self, scope: Scope, receive: Receive) -> HTTPStatus:
        if str(scope["path"]).removeprefix(scope.get("root_path", "")) != PATH:
            return HTTPStatus.NOT_FOUND
        if scope["method"] != "POST":
            return HTTPStatus.METHOD_NOT_ALLOWED
        if not self._knows(scope):
            return HTTPStatus.FORBIDDEN
        body = await _body(receive)
        if body is None:
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        return await self._heard(body)

    def _knows(self, scope: Scope) -> bool:
        """Whether the sender shows the secret. How long the comparison takes tells nothing of it."""
        shown = next((value for name, value in scope["headers"] if name == _SECRET), b"")
        return secrets.compare_digest(shown, self.secret.encode())

    async def _heard(self, body: bytes) -> HTTPStatus:
        try:
            delivered = json.loads(body)
        except ValueError:
            return HTTPStatus.BAD_REQUEST
        try:
            await self.hear(delivered)
        except SluiceError as error:
            _LOG.warning("Telegram has to deliver again: %s", error)
            return HTTPStatus.SERVICE_UNAVAILABLE
        return HTTPStatus.OK


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
