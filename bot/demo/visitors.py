"""Steady traffic: a few visitors with keep-alive connections, who count what they get. Loopback only."""

import asyncio
import contextlib
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx

VISITORS = 6
PER_SECOND = 150
SECONDS = 10.0


@dataclass(slots=True)
class Visitors:
    """Counts of everything since the start; `latest` is the last second, for the console's strip."""

    port: int = 0
    total: int = 0
    failed: int = 0
    versions: Counter[str] = field(default_factory=Counter)
    why: list[str] = field(default_factory=list)
    _second: dict[str, object] | None = None

    def latest(self) -> dict[str, object] | None:
        """Return the last second's counts."""
        return self._second

    @asynccontextmanager
    async def coming(self, port: int) -> AsyncIterator[None]:
        """Visit `port` all the time inside the `async with`."""
        self.port = port
        url = f"http://127.0.0.1:{port}/"
        async with httpx.AsyncClient(timeout=SECONDS, trust_env=False) as http:
            tasks = [asyncio.create_task(self._visit(http, url, number)) for number in range(VISITORS)]
            tasks.append(asyncio.create_task(self._count()))
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _visit(self, http: httpx.AsyncClient, url: str, number: int) -> None:
        pause = VISITORS / PER_SECOND
        due = time.monotonic() + pause * number / VISITORS
        while True:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            due = max(due + pause, time.monotonic() - 1.0)
            await self._ask(http, url)

    async def _ask(self, http: httpx.AsyncClient, url: str) -> None:
        try:
            answer = await http.get(url)
        except httpx.HTTPError as error:
            self._missed(f"{type(error).__name__}: {error}")
            return
        self.total += 1
        if answer.is_success:
            self.versions[str(answer.json()["version"])] += 1
        else:
            self._missed(f"{answer.status_code}: {answer.text[:80]}", counted=True)

    def _missed(self, why: str, *, counted: bool = False) -> None:
        self.total += 0 if counted else 1
        self.failed += 1
        self.why = [*self.why[-9:], why]

    async def _count(self) -> None:
        total, versions = self.total, Counter(self.versions)
        while True:
            await asyncio.sleep(1.0)
            with contextlib.suppress(json.JSONDecodeError):
                self._second = {
                    "per_second": self.total - total,
                    "failed": self.failed,
                    "total": self.total,
                    "by_version": dict(self.versions - versions),
                }
            total, versions = self.total, Counter(self.versions)
