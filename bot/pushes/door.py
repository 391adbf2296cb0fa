"""The door where forges deliver: ``POST /push/TOKEN`` on the port for machines.

Anybody may knock here, a thousand times a second. So what costs nothing is asked first: the path (its hash is looked
up in memory), then how long the body is, then who proves to have the secret; only then is anything parsed, and only a
push is kept. No more than some bodies are read at the same time, none without end and none for long. What is refused
is written down a few times an hour for each webhook, or the audit would be full of it.
"""

import asyncio
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import parse_qs

from bot.delivered import HOOKS, Receive, Scope, Send, body_of, path_of, reply
from bot.pushes.intake import NotOpen, PushIntake
from bot.pushes.naming import TOKEN_LENGTH, Naming
from bot.strangers import Strangers
from engine.calls import mark_of
from engine.errors import Refused, SluiceError
from engine.forges.hosting import ForgeName
from engine.forges.payloads import Unreadable, is_ping, read_push
from engine.forges.proving import Delivery, event_of, is_proven, keys_of
from engine.model import PersonId
from storage.attached import Attached
from storage.audit import Deed

LONGEST = 8 * 1024 * 1024
"""Bytes of a body: GitHub's pushes of 2,048 commits are shorter."""
READ_WITHIN = 10.0
AT_ONCE = 16
"""Bodies that are read at the same time; more are asked to come again."""
_LARGE = 128 * 1024
"""Bytes above which a body is parsed in a thread, so that nobody waits for it."""
_FORM = "application/x-www-form-urlencoded"
_LOG = logging.getLogger(__name__)


class Marks(Protocol):
    """Which addresses there are, and what was not taken there."""

    def open(self, mark: str) -> Attached | None:
        """The webhook whose address has this hash, if deliveries are taken there."""
        ...

    async def refused(self, one: Attached, why: str, *, is_unproven: bool) -> None:
        """Hear of a delivery that was not taken; `is_unproven`: because it does not have the secret."""
        ...


class Rejected(Refused):
    """What came is not taken; `status` is what its sender is told."""

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass(slots=True)
class PushDoor:
    """An ASGI application, mounted below ``/push``."""

    marks: Marks
    naming: Naming
    intake: PushIntake
    read_within: float = READ_WITHIN
    _strangers: Strangers = field(default_factory=Strangers)
    _reading: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        try:
            status, said = await self._answered(scope, receive)
        except Rejected as rejected:
            status, said = rejected.status, str(rejected)
        except SluiceError as error:
            _LOG.warning("A push is not kept: %s", error)
            status, said = HTTPStatus.SERVICE_UNAVAILABLE, "Not kept; deliver again."
        await reply(send, status, f"{said}\n")

    async def _answered(self, scope: Scope, receive: Receive) -> tuple[HTTPStatus, str]:
        token = path_of(scope).strip("/")
        one = self.marks.open(mark_of(token)) if len(token) == TOKEN_LENGTH else None
        if one is None:
            raise Rejected(HTTPStatus.NOT_FOUND, "Nobody is here.")
        if scope["method"] != "POST":
            raise Rejected(HTTPStatus.METHOD_NOT_ALLOWED, "Deliveries are posted here.")
        try:
            return await self._taken(one, await self._delivery(scope, receive))
        except Rejected as rejected:
            await self._write_down(one, rejected)
            await self.marks.refused(one, str(rejected), is_unproven=rejected.status == HTTPStatus.UNAUTHORIZED)
            raise

    async def _delivery(self, scope: Scope, receive: Receive) -> Delivery:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        length = headers.get("content-length", "")
        if length.isascii() and length.isdigit() and int(length[:20]) > LONGEST:
            raise Rejected(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "That is longer than a push can be.")
        if self._reading >= AT_ONCE:
            raise Rejected(HTTPStatus.SERVICE_UNAVAILABLE, "Too much comes at once; deliver again.")
        self._reading += 1
        try:
            async with asyncio.timeout(self.read_within):
                body = await body_of(receive, LONGEST)
        except TimeoutError:
            raise Rejected(HTTPStatus.REQUEST_TIMEOUT, "It took too long to arrive.") from None
        finally:
            self._reading -= 1
        if body is None:
            raise Rejected(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "That is longer than a push can be, or has no end.")
        return Delivery(headers, body)

    async def _taken(self, one: Attached, delivery: Delivery) -> tuple[HTTPStatus, str]:
        forge, now = ForgeName(one.forge), self.intake.acting.clock.now()
        if not is_proven(forge, self.naming.secret(one), delivery, now):
            raise Rejected(HTTPStatus.UNAUTHORIZED, "It does not prove where it comes from.")
        read = _read if len(delivery.body) < _LARGE else _read_apart
        payload = await read(delivery)
        event = event_of(forge, delivery)
        if is_ping(forge, event, payload):
            return HTTPStatus.OK, "Sluice hears you."
        try:
            push = read_push(forge, event, payload)
        except Unreadable as unreadable:
            raise Rejected(HTTPStatus.BAD_REQUEST, str(unreadable)) from None
        if push is None:
            return HTTPStatus.OK, "That is no push of a branch or a tag; nothing is done."
        try:
            is_new = await self.intake.accept(one, keys_of(forge, delivery), push)
        except NotOpen as closed:
            raise Rejected(HTTPStatus.NOT_FOUND, str(closed)) from None
        if not is_new:
            return HTTPStatus.OK, "That was delivered before."
        return HTTPStatus.ACCEPTED, "Taken."

    async def _write_down(self, one: Attached, rejected: Rejected) -> None:
        now = self.intake.acting.clock.now()
        if not self._strangers.may_ask(one.mark, now):
            return
        deed = Deed(
            key=f"push:{one.mark[:24]}:{now.isoformat()}",
            at=now,
            person=PersonId(""),
            account=f"hook:{one.pipeline}",
            room=HOOKS,
            line=f"push {one.pipeline}",
            outcome="refused",
            said=f"{rejected} ({rejected.status})",
        )
        try:
            await self.intake.acting.store.transact(lambda book: book.audit.add(deed))
        except SluiceError as error:
            _LOG.warning("Not audited: %s", error)


async def _read(delivery: Delivery) -> Mapping[str, Any]:
    return _payload(delivery)


async def _read_apart(delivery: Delivery) -> Mapping[str, Any]:
    return await asyncio.to_thread(_payload, delivery)


def _payload(delivery: Delivery) -> Mapping[str, Any]:
    """Read the JSON object, which a form may hold. Raises `Rejected`."""
    try:
        text = delivery.body.decode()
        if delivery.header("content-type").partition(";")[0].strip().lower() == _FORM:
            text = parse_qs(text, max_num_fields=10, strict_parsing=True).get("payload", [""])[0]
        payload = json.loads(text)
    except (ValueError, RecursionError):
        raise Rejected(HTTPStatus.BAD_REQUEST, "It is no JSON.") from None
    if not isinstance(payload, dict):
        raise Rejected(HTTPStatus.BAD_REQUEST, "It is no JSON object.")
    return payload
