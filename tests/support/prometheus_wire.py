"""A small Prometheus on loopback: it answers instant queries with the series that a test gives it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.test_utils import TestServer


@dataclass(frozen=True, slots=True)
class Sample:
    """One series: who was asked, in which pod, how often, and whether those failed."""

    workload: str
    pod: str
    value: float | str
    failed: bool = False


@dataclass(slots=True)
class PrometheusWire:
    """The server. Queries that test the response code get the failed samples; `status` and `error` refuse them."""

    samples: list[Sample] = field(default_factory=list)
    status: int = 200
    error: str = ""
    body: str = ""
    held: asyncio.Event | None = None
    queries: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def answer(self, request: web.Request) -> web.Response:
        query = request.query["query"]
        self.queries.append(query)
        if self.held is not None:
            await self.held.wait()
        if self.body:
            return web.Response(text=self.body, status=self.status)
        if self.error:
            return web.json_response({"status": "error", "error": self.error}, status=self.status)
        failed = "response_code" in query
        result = [
            {
                "metric": {"destination_workload": one.workload, "pod": one.pod},
                "value": [1700000000.0, str(one.value)],
            }
            for one in self.samples
            if one.failed == failed
        ]
        data = {"resultType": "vector", "result": result}
        return web.json_response({"status": "success", "data": data}, status=self.status)


@asynccontextmanager
async def prometheus_wire(*samples: Sample) -> AsyncIterator[PrometheusWire]:
    """Run one that has counted these samples."""
    wire = PrometheusWire(list(samples))
    app = web.Application()
    app.router.add_get("/api/v1/query", wire.answer)
    async with TestServer(app) as server:
        wire.port = server.port or 0
        yield wire
        if wire.held is not None:
            wire.held.set()
