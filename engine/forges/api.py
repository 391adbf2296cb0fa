"""How every forge's API is spoken: one HTTP transport, with its patience and its errors, for all adapters.

The danger: a forge that hangs, answers without end, sends the token's bearer elsewhere, or wants to be asked less
often; and a token that gets out by a redirect or with an error.

The promise: an answer comes within the time and the size given, or one of the house's errors does. A redirect is
followed only to the same origin, so nobody else gets the token. What the forge says of its limits is kept to: a short
wait is waited for once, a long one is said with its length. No error repeats what was sent.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx

from engine.forges.hosting import (
    ForgeAway,
    ForgeBroken,
    ForgeDisagrees,
    NotAllowed,
    NotThere,
    PrivateForge,
    RateLimited,
    SignInRefused,
)
from engine.outbound import PrivateAddress

TIMEOUT = httpx.Timeout(10.0, connect=5.0)
LONGEST_ANSWER = 8 * 1024 * 1024
WAITED_FOR = timedelta(seconds=3)
"""A wait that is not longer is waited for at once."""
_REDIRECTS = 3
_SAID = 200
_SECONDARY = timedelta(seconds=60)
"""What a forge that limits without saying for how long is given; GitHub's documentation asks for a minute."""
Signing = Callable[[httpx.Request], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Reply:
    """What the forge answered: its JSON (None: nothing), and its headers."""

    data: Any
    headers: Mapping[str, str]

    def items(self, origin: str) -> list[Mapping[str, Any]]:
        """Return the objects of a list. Raises `ForgeBroken`."""
        if not isinstance(self.data, list) or not all(isinstance(one, dict) for one in self.data):
            raise ForgeBroken(origin, "a list was expected")
        return self.data

    def object(self, origin: str) -> Mapping[str, Any]:
        """Return the one object. Raises `ForgeBroken`."""
        if not isinstance(self.data, dict):
            raise ForgeBroken(origin, "an object was expected")
        return self.data


async def _unsigned(_request: httpx.Request) -> None:
    return


@dataclass(slots=True)
class ForgeApi:
    """Asks one forge. `sign` puts on each request what says who asks; `base` is the API's address."""

    client: httpx.AsyncClient
    origin: str
    base: str
    sign: Signing = field(default=_unsigned)
    headers: Mapping[str, str] = field(default_factory=dict)
    sleep: Callable[[float], Awaitable[None]] = field(default=asyncio.sleep)

    async def get(self, path: str, what: str, **query: str | int) -> Reply:
        """Ask; `what` says in words what for, for errors."""
        return await self.call("GET", path, what, query=query)

    async def call(
        self,
        method: str,
        path: str,
        what: str,
        *,
        query: Mapping[str, str | int] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Reply:
        """Ask for something to be done. Raises the errors of `engine.forges.hosting`."""
        try:
            return await self._once(method, path, what, query, body)
        except RateLimited as limited:
            if limited.after > WAITED_FOR:
                raise
            await self.sleep(limited.after.total_seconds())
        return await self._once(method, path, what, query, body)

    async def _once(
        self, method: str, path: str, what: str, query: Mapping[str, str | int] | None, body: Mapping[str, Any] | None
    ) -> Reply:
        url = self.base.rstrip("/") + path
        for _ in range(_REDIRECTS + 1):
            status, headers, content = await self._send(method, url, query, body)
            moved = headers.get("location", "")
            if status not in (301, 302, 307, 308) or not moved:
                return self._read(status, headers, content, what)
            url, query = urljoin(url, moved), None
            if _origin(url) != _origin(self.base):
                raise ForgeBroken(self.origin, "it leads to another address")
        raise ForgeBroken(self.origin, "it leads in circles")

    async def _send(
        self, method: str, url: str, query: Mapping[str, str | int] | None, body: Mapping[str, Any] | None
    ) -> tuple[int, Mapping[str, str], bytes]:
        request = self.client.build_request(
            method, url, params=query or None, json=body, headers={"Accept": "application/json", **self.headers}
        )
        await self.sign(request)
        try:
            async with asyncio.timeout(2 * (TIMEOUT.read or 0)):
                answer = await self.client.send(request, stream=True, follow_redirects=False)
                try:
                    content = await self._content(answer)
                finally:
                    await answer.aclose()
        except PrivateAddress:
            raise PrivateForge(self.origin) from None
        except (TimeoutError, httpx.TimeoutException):
            raise ForgeAway(self.origin, "it does not answer in time") from None
        except httpx.TransportError as error:
            raise ForgeAway(self.origin, type(error).__name__) from None
        except (httpx.InvalidURL, httpx.DecodingError, httpx.StreamError) as error:
            raise ForgeBroken(self.origin, type(error).__name__) from None
        return answer.status_code, answer.headers, content

    async def _content(self, answer: httpx.Response) -> bytes:
        content = bytearray()
        async for piece in answer.aiter_bytes():
            content += piece
            if len(content) > LONGEST_ANSWER:
                raise ForgeBroken(self.origin, "its answer has no end")
        return bytes(content)

    def _read(self, status: int, headers: Mapping[str, str], content: bytes, what: str) -> Reply:
        data = _json(content)
        said = _said(data)
        if status == httpx.codes.UNAUTHORIZED:
            raise SignInRefused(self.origin)
        if (wait := _wait(status, headers, said)) is not None:
            raise RateLimited(self.origin, wait)
        if status == httpx.codes.FORBIDDEN:
            raise NotAllowed(self.origin, what, said)
        if status in (httpx.codes.NOT_FOUND, httpx.codes.GONE):
            raise NotThere(self.origin, what)
        if status >= httpx.codes.INTERNAL_SERVER_ERROR:
            raise ForgeAway(self.origin, f"it answers {status}")
        if status >= httpx.codes.BAD_REQUEST:
            raise ForgeDisagrees(self.origin, what, said)
        if content and data is None:
            raise ForgeBroken(self.origin, "its answer is no JSON")
        return Reply(data, headers)


def _json(content: bytes) -> Any:
    try:
        return json.loads(content) if content else None
    except (ValueError, RecursionError):
        return None


def _said(data: Any) -> str:
    """Return what the forge says of its reason, short and on one line."""
    if not isinstance(data, dict):
        return ""
    found = [data.get(name) for name in ("message", "error_description", "error_msg", "error")]
    found += [one.get("message") for one in _dicts(data.get("errors"))]
    words = [str(one) for one in found if isinstance(one, str | list | dict) and one]
    text = " ".join("; ".join(words).split())
    return "".join(sign if sign.isprintable() else " " for sign in text)[:_SAID].rstrip(".")


def _dicts(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _wait(status: int, headers: Mapping[str, str], said: str) -> timedelta | None:
    """Return how long the forge wants to be left alone; None when it does not. A 403 may be a limit, or a no."""
    limited = status == httpx.codes.TOO_MANY_REQUESTS
    if status == httpx.codes.FORBIDDEN:
        limited = (
            "retry-after" in headers or headers.get("x-ratelimit-remaining") == "0" or "rate limit" in said.lower()
        )
    if not limited and not (status == httpx.codes.SERVICE_UNAVAILABLE and "retry-after" in headers):
        return None
    after = _after(headers)
    return _SECONDARY if after is None else after


def _after(headers: Mapping[str, str]) -> timedelta | None:
    given = headers.get("retry-after", "")
    if given.isascii() and given.isdigit():
        return timedelta(seconds=min(int(given), 86_400))
    if given:
        try:
            return timedelta(seconds=max(0.0, parsedate_to_datetime(given).timestamp() - time.time()))
        except (ValueError, TypeError, OverflowError):
            return None
    reset = headers.get("x-ratelimit-reset") or headers.get("ratelimit-reset") or ""
    if reset.isascii() and reset.isdigit():
        return timedelta(seconds=min(max(0.0, int(reset) - time.time()), 86_400))
    return None


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port
