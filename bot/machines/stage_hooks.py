"""The hooks' side of the door for machines: ``POST /hooks/stage/TOKEN`` and ``POST /hooks/pipeline/TOKEN``.

201 triggered · 400 not what the hook takes · 401 not allowed · 404 no such hook · 409 nothing waits, or it cannot be
now · 429 too often · 503 not now. Anybody may knock: what is sent is bounded in size, time and number before it is
looked at, and whatever token is wrong is answered in the same way.
"""

import asyncio
import json
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus

from bot.delivered import Receive, Scope, Send, body_of, path_of
from bot.machines.answering import NOBODY, Answering, Call
from bot.machines.sources import ALL_UNKNOWN, ONE_HOOK, UNKNOWN_TOKENS, Buckets, neighbourhood, source_of
from engine.addresses import Network
from engine.calls import MOST_BODY, mark_of
from engine.errors import SluiceError
from engine.ports import Clock
from storage.hooks import Answered
from storage.hooks import Scope as HookScope
from storage.store import SqlStore

READ_SECONDS = 10.0
LOAD_SECONDS = 1.0
MOST_AT_ONCE = 64
LONGEST_QUERY = 16 * 1024
_PATH = re.compile(r"/(stage|pipeline)/([A-Za-z0-9_-]{43})", re.ASCII)
_SCOPES: dict[str, HookScope] = {"stage": "stage", "pipeline": "start"}


@dataclass(slots=True)
class StageHooks:
    """An ASGI application. `proxies` are those whose word about the source of a call is taken."""

    store: SqlStore
    answering: Answering
    clock: Clock
    proxies: tuple[Network, ...] = ()
    ticks: Callable[[], float] = time.monotonic
    read_seconds: float = READ_SECONDS
    _known: set[str] = field(default_factory=set)
    _tries: Buckets = field(default_factory=lambda: Buckets(UNKNOWN_TOKENS))
    _all_tries: Buckets = field(default_factory=lambda: Buckets(ALL_UNKNOWN))
    _hooks: Buckets = field(default_factory=lambda: Buckets(ONE_HOOK))
    _loaded: float | None = None
    _at_once: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        try:
            answered, wait = await self._answer(scope, receive)
        except SluiceError:
            answered, wait = _error(HTTPStatus.SERVICE_UNAVAILABLE, "Sluice cannot keep this now. Send it again."), 5.0
        await _send(send, answered, wait)

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[Answered, float]:
        path = _PATH.fullmatch(path_of(scope))
        if path is None:
            return NOBODY, 0
        if scope["method"] != "POST":
            return _error(HTTPStatus.METHOD_NOT_ALLOWED, "A hook is called with POST."), 0
        headers = _headers(scope)
        source = source_of((scope.get("client") or ("",))[0], headers, self.proxies)
        mark = mark_of(path[2])
        wait = await self._wait(mark, source)
        if wait is None:
            return NOBODY, 0
        if wait:
            return _error(HTTPStatus.TOO_MANY_REQUESTS, "That is too often."), wait
        if self._at_once >= MOST_AT_ONCE:
            return _error(HTTPStatus.SERVICE_UNAVAILABLE, "Too many calls at once."), 1.0
        self._at_once += 1
        try:
            return await self._read(scope, receive, path, headers, source), 0
        finally:
            self._at_once -= 1

    async def _wait(self, mark: str, source: str) -> float | None:
        """How long the call has to wait; None when there is no such hook."""
        now = self.ticks()
        if not await self._is_known(mark, now):
            wait = self._tries.take(neighbourhood(source), now) or self._all_tries.take("", now)
            if wait:
                return wait
            if await self.store.read(lambda book: book.hooks.marked(mark)) is None:
                return None
            self._known.add(mark)
        return self._hooks.take(mark, now)

    async def _is_known(self, mark: str, now: float) -> bool:
        """Look among the hooks, which are read again once in a while; a newer one costs its first caller a try."""
        if mark not in self._known and (self._loaded is None or now - self._loaded >= LOAD_SECONDS):
            self._loaded = now
            self._known = set(await self.store.read(lambda book: book.hooks.marks()))
        return mark in self._known

    async def _read(
        self, scope: Scope, receive: Receive, path: re.Match[str], headers: dict[str, str], source: str
    ) -> Answered:
        query = scope.get("query_string", b"")
        if len(query) > LONGEST_QUERY or _declared_length(headers) > MOST_BODY:
            return _error(HTTPStatus.BAD_REQUEST, f"A call has {MOST_BODY // 1024} KiB at most.")
        try:
            async with asyncio.timeout(self.read_seconds):
                body = await body_of(receive, MOST_BODY)
        except TimeoutError:
            return _error(HTTPStatus.REQUEST_TIMEOUT, "The call came too slowly.")
        if body is None:
            return _error(HTTPStatus.BAD_REQUEST, f"A call has {MOST_BODY // 1024} KiB at most.")
        call = Call(
            key=secrets.token_hex(12),
            scope=_SCOPES[path[1]],
            token=path[2],
            query=query.decode("latin-1"),
            body=body,
            headers=headers,
            source=source,
            at=self.clock.now(),
        )
        return await self.store.transact(lambda book: self.answering.answer(book, call))


def _declared_length(headers: dict[str, str]) -> int:
    written = headers.get("content-length", "0")
    return int(written) if written.isascii() and written.isdecimal() and len(written) < 12 else 0  # noqa: PLR2004 - digits


def _headers(scope: Scope) -> dict[str, str]:
    """Give the headers by small letters; of one that is there twice, both, as HTTP joins them."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found


def _error(status: HTTPStatus, sentence: str) -> Answered:
    return Answered(status, json.dumps({"error": sentence}))


async def _send(send: Send, answered: Answered, wait: float) -> None:
    content = answered.body.encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    if wait:
        headers.append((b"retry-after", str(max(1, round(wait))).encode()))
    if answered.status == HTTPStatus.METHOD_NOT_ALLOWED:
        headers.append((b"allow", b"POST"))
    await send({"type": "http.response.start", "status": int(answered.status), "headers": headers})
    await send({"type": "http.response.body", "body": content})
