"""Asking a web service over HTTP, of which nothing is known yet: not even that it is one.

Two dangers. What an HTTP library says of a failure quotes what was sent, and that is a token: so of a failure only its
kind is told. And the other side may be anything, also something that answers a letter a second, for ever: so there is
an end to each call as a whole.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

_FAILURES = (httpx.HTTPError, httpx.InvalidURL, httpx.CookieConflict, OSError, ValueError, ImportError)
"""What a call, or the way to it (proxies and certificates in the environment), can fail with."""


@dataclass(frozen=True, slots=True)
class Said:
    """What was answered, and the headers with it. `trouble`: why there is no answer."""

    body: dict[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    trouble: str = ""

    def part(self, name: str) -> dict[str, Any]:
        """An object in the answer; empty when it holds none of this name."""
        found = self.body.get(name)
        return found if isinstance(found, dict) else {}

    @property
    def date(self) -> str:
        """When it was said, by the other side's clock."""
        return self.headers.get("date", "")


@dataclass(frozen=True, slots=True)
class Asking:
    """Asks at one address; `trouble` when that is none. A call ends within `patience` seconds."""

    patience: float
    http: httpx.AsyncClient | None = field(default=None, repr=False)
    trouble: str = ""

    async def ask(self, method: str, token: str = "", **fields: str) -> Said:
        """Call a method; never raises for what it meets."""
        if self.http is None:
            return Said(trouble=self.trouble)
        try:
            async with asyncio.timeout(self.patience):
                headers = {"Authorization": f"Bearer {token}"} if token else {}
                return _read(await self.http.post(method, data=fields, headers=headers))
        except TimeoutError:
            return Said(trouble=f"no answer within {self.patience:g} s")
        except _FAILURES as error:
            return Said(trouble=type(error).__name__)


@asynccontextmanager
async def asking(address: str, patience: float) -> AsyncIterator[Asking]:
    """Ask at an address, with the connections kept meanwhile."""
    try:
        http = httpx.AsyncClient(base_url=address, timeout=patience)
    except _FAILURES as error:
        yield Asking(patience, trouble=type(error).__name__)
        return
    async with http:
        yield Asking(patience, http)


def _read(answer: httpx.Response) -> Said:
    try:
        body = answer.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        return Said(trouble=f"something else answers there (HTTP {answer.status_code})")
    return Said(body, answer.headers)
