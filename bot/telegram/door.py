"""Deliveries over HTTP: one address, `/hook`. Telegram shows the secret that it was given, or nobody listens.

200 says "kept". When something cannot be kept Telegram is told 503, and delivers it again.
"""

import json
import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from bot.delivered import Receive, Scope, Send, body_of, path_of, reply
from bot.doorkeeper import Knocks
from engine.errors import SluiceError

PATH = "/hook"
MOST = 2**20
"""An update is a message of 4,096 characters and what it answers; in the longest spelling of JSON far below this."""
_SECRET = b"x-telegram-bot-api-secret-token"
_DOUBT = (
    "Deliveries come to /telegram/hook with another secret than SLUICE_TELEGRAM_SECRET: does another Sluice have this "
    "bot? Start this one again, and it sets its own."
)
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Door:
    """An ASGI application that hands deliveries to `hear`, which raises when one could not be kept."""

    hear: Callable[[Any], Awaitable[None]]
    secret: str = field(repr=False)
    knocks: Knocks = field(default_factory=lambda: Knocks("/telegram/hook", _DOUBT))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await reply(send, await self._status(scope, receive))

    async def _status(self, scope: Scope, receive: Receive) -> HTTPStatus:
        if path_of(scope) != PATH:
            return HTTPStatus.NOT_FOUND
        if scope["method"] != "POST":
            return HTTPStatus.METHOD_NOT_ALLOWED
        shown = next((value for name, value in scope["headers"] if name == _SECRET), b"")
        if not self._knows(shown):
            self.knocks.refuse(is_signed=bool(shown))
            return HTTPStatus.FORBIDDEN
        self.knocks.prove()
        body = await body_of(receive, MOST)
        if body is None:
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        return await self._heard(body)

    def _knows(self, shown: bytes) -> bool:
        """Whether that is the secret. How long the comparison takes tells nothing of it."""
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
