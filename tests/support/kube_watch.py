"""A watch of the Kubernetes API stand-in: a response that goes on with every change, until its time is over.

An object that comes to be chosen by the watch's selectors is told as added, one that ceases to be as deleted, as it
was. A version that is forgotten is answered within the stream, as an event of type ERROR.
"""

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from aiohttp import web

from tests.support.kube_kinds import Json, Resource
from tests.support.kube_refusals import Refusal
from tests.support.kube_selectors import Chooses
from tests.support.kube_store import ADDED, DELETED, MODIFIED, Change, Store
from tests.support.kube_trouble import Fault

BOOKMARK, END, CUT = "bookmark", "end", "cut"
_LONGEST = 1800.0


@dataclass(eq=False)
class Watch:
    """One open watch. Orders come from the test: a bookmark, the end, a cut."""

    store: Store
    resource: Resource
    namespace: str
    chooses: Chooses | None
    version: str
    seconds: float = _LONGEST
    bookmarks: bool = False
    fault: Fault | None = None
    orders: deque[str] = field(default_factory=deque)
    told: int = 0
    _bell: asyncio.Event = field(default_factory=asyncio.Event)
    _at: int = 0

    def order(self, what: str) -> None:
        self.orders.append(what)
        self._bell.set()

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer with the stream; returns when it is over."""
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        self._bell = self.store.listen()
        try:
            with contextlib.suppress(ConnectionError):
                await self._follow(request, response)
        finally:
            self.store.ignore(self._bell)
        return response

    async def _follow(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        if self.fault is Fault.GARBAGE:
            await response.write(b'{"type": "MODI\n')
            return
        until = asyncio.get_running_loop().time() + self.seconds
        try:
            await self._begin(response)
            while await self._obeyed(request, response):
                await self._tell(request, response)
                if not await self._changed(until):
                    await self._bookmark(response)
                    return
        except Refusal as refusal:
            await _send(response, "ERROR", refusal.status)

    async def _begin(self, response: web.StreamResponse) -> None:
        """Send what is there, when the watch begins with now."""
        if self.version not in ("", "0"):
            self._at = int(self.version)
            return
        self._at = self.store.version
        for thing in self.store.all(self.resource, self.namespace):
            if self.chooses is None or self.chooses(thing):
                await _send(response, ADDED, thing)

    async def _tell(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        changes, self._at = self.store.since(self.resource, self._at), self.store.version
        if self.fault is Fault.SILENT:
            return
        for kind, thing in self._events(changes):
            await _send(response, kind, thing)
            self.told += 1
            if self.fault is Fault.CUT:
                _abort(request)
                raise ConnectionResetError

    def _events(self, changes: list[Change]) -> Iterator[tuple[str, Json]]:
        for one in changes:
            if self.namespace and one.now["metadata"].get("namespace") != self.namespace:
                continue
            was = one.before is not None and (self.chooses is None or self.chooses(one.before))
            is_now = one.kind != DELETED and (self.chooses is None or self.chooses(one.now))
            if is_now:
                yield MODIFIED if was else ADDED, one.now
            elif was and one.before is not None:
                version = one.now["metadata"]["resourceVersion"]
                yield DELETED, {**one.before, "metadata": {**one.before["metadata"], "resourceVersion": version}}

    async def _changed(self, until: float) -> bool:
        """Wait for a change or an order; False when the time is over."""
        try:
            async with asyncio.timeout_at(until):
                await self._bell.wait()
        except TimeoutError:
            return False
        self._bell.clear()
        return True

    async def _obeyed(self, request: web.BaseRequest, response: web.StreamResponse) -> bool:
        """Do what the test ordered; False when that is the end."""
        while self.orders:
            order = self.orders.popleft()
            if order == CUT:
                _abort(request)
                return False
            await self._bookmark(response)
            if order == END:
                return False
        return True

    async def _bookmark(self, response: web.StreamResponse) -> None:
        if self.bookmarks and self.fault is not Fault.SILENT:
            meta = {"resourceVersion": str(self._at), "creationTimestamp": None}
            thing = {"kind": self.resource.kind, "apiVersion": self.resource.api_version, "metadata": meta}
            await _send(response, "BOOKMARK", thing)


async def _send(response: web.StreamResponse, kind: str, thing: Json) -> None:
    await response.write(json.dumps({"type": kind, "object": thing}).encode() + b"\n")


def _abort(request: web.BaseRequest) -> None:
    if isinstance(request.transport, asyncio.WriteTransport):
        request.transport.abort()
