"""Deliveries over HTTP: one address, `/events`, for everything; bolt checks the signature and the time.

Whoever knows the address may send anything, so nothing large is read and nothing that is no delivery gets further.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse

from bot.delivered import Receive, Scope, Send, body_of, path_of, reply
from bot.doorkeeper import Knocks

PATH = "/events"
MOST = 2 * 2**20
"""Slack's largest delivery is a form: 250 kB, which its encoding may make three times as long."""
_SIGNED = frozenset({"x-slack-signature", "x-slack-request-timestamp"})
_DOUBT = (
    "Deliveries come to /slack/events whose signature is wrong or old: is SLUICE_SLACK_SIGNING_SECRET this app's, and "
    "is this machine's clock right? `sluice doctor` looks at the clock."
)
Dispatch = Callable[[AsyncBoltRequest], Awaitable[BoltResponse]]


@dataclass(frozen=True, slots=True)
class Door:
    """An ASGI application that hands deliveries on."""

    dispatch: Dispatch
    knocks: Knocks = field(default_factory=lambda: Knocks("/slack/events", _DOUBT))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or path_of(scope) != PATH:
            return await reply(send, HTTPStatus.NOT_FOUND, "Slack delivers at /slack/events.\n")
        if scope["method"] != "POST":
            return await reply(send, HTTPStatus.METHOD_NOT_ALLOWED, "Slack delivers by POST.\n")
        body = await body_of(receive, MOST)
        if body is None:
            return await reply(send, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "No delivery is as large as that.\n")
        headers = _headers(scope)
        try:
            request = AsyncBoltRequest(body=body.decode(), headers=headers)
        except ValueError:
            return await reply(send, HTTPStatus.BAD_REQUEST, "That is no delivery of Slack.\n")
        response = await self.dispatch(request)
        if response.status == HTTPStatus.UNAUTHORIZED:
            self.knocks.refuse(is_signed=headers.keys() >= _SIGNED)
        else:
            self.knocks.prove()
        kind = response.first_headers().get("content-type", "text/plain;charset=utf-8")
        return await reply(send, response.status, response.body, kind)


def _headers(scope: Scope) -> dict[str, str | Sequence[str]]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
