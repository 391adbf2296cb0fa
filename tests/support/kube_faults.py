"""A Kubernetes API on loopback that is there to go wrong: it keeps a few objects, tells watches, and plays faults.

It knows no more of Kubernetes than how lists, watches and errors look at the wire. What it is asked is kept, in order.
A fault is played once, to the first request that it is meant for; `held` answers wait for `release`.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from aiohttp import web
from kubernetes.client import Configuration

from engine.targets.kubernetes.kinds import Kind
from engine.targets.kubernetes.label_selectors import selects

Json = dict[str, Any]
Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]
_ENDED = b""
_ABORTED = b"\0"


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came; the names of headers in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_watch(self) -> bool:
        return self.query.get("watch") == "true"


@dataclass(slots=True)
class Watch:
    """A watch that somebody has open."""

    path: str
    labels: str
    lines: "asyncio.Queue[bytes]" = field(default_factory=asyncio.Queue)

    def tell(self, word: str, thing: Json) -> None:
        self.lines.put_nowait(json.dumps({"type": word, "object": thing}).encode() + b"\n")

    def say(self, raw: bytes) -> None:
        """Send bytes as they are."""
        self.lines.put_nowait(raw)

    def end(self) -> None:
        """End it as a server does whose time for it is over."""
        self.lines.put_nowait(_ENDED)

    def break_off(self) -> None:
        """Cut the connection in the middle."""
        self.lines.put_nowait(_ABORTED)


@dataclass(slots=True)
class _Fault:
    method: str
    part: str
    watch: bool | None
    answering: Answering


@dataclass
class KubeFaults:
    """The server."""

    asked: list[Request] = field(default_factory=list)
    watches: list[Watch] = field(default_factory=list)
    version: int = 100
    forgotten: int = 0
    """Watches from a version before this one are told that it is gone."""
    port: int = 0
    _things: dict[str, dict[str, Json]] = field(default_factory=dict)
    _history: list[tuple[int, str, str, Json]] = field(default_factory=list)
    _faults: list[_Fault] = field(default_factory=list)
    _released: asyncio.Event = field(default_factory=asyncio.Event)
    _runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def configuration(self, **settings: Any) -> Configuration:
        made = Configuration(host=self.url, **settings)
        made.proxy = None
        return made

    def requests(self, method: str, part: str = "", *, watch: bool = False) -> list[Request]:
        return [one for one in self.asked if one.method == method and part in one.path and one.is_watch == watch]

    def put(self, kind: Kind, namespace: str, name: str, labels: Mapping[str, str] | None = None, **rest: Any) -> Json:
        """Make or change an object, and tell those who watch."""
        path = kind.path(namespace)
        there = self._things.setdefault(path, {}).get(name)
        self.version += 1
        uid = there["metadata"]["uid"] if there else f"uid-{self.version}"
        metadata = {"name": name, "namespace": namespace, "uid": uid, "resourceVersion": str(self.version)}
        metadata |= {"labels": dict(labels or {}), "managedFields": [{"manager": "kubectl", "operation": "Update"}]}
        thing = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, **rest}
        self._things[path][name] = thing
        self._tell(path, "MODIFIED" if there else "ADDED", thing)
        return thing

    def remove(self, kind: Kind, namespace: str, name: str) -> None:
        path = kind.path(namespace)
        thing = self._things[path].pop(name)
        self.version += 1
        thing = {**thing, "metadata": {**thing["metadata"], "resourceVersion": str(self.version)}}
        self._tell(path, "DELETED", thing)

    def bookmark(self, watch: Watch) -> None:
        watch.tell("BOOKMARK", {"metadata": {"resourceVersion": str(self.version)}})

    def forget_history(self) -> None:
        """Forget what happened so far, as an API server does after some minutes."""
        self.version += 1
        self.forgotten = self.version
        self._history.clear()

    def play(self, method: str, answering: Answering, part: str = "", *, watch: bool | None = None) -> None:
        """Answer the next request so that has `part` in its path or query; `watch` None is for lists, too."""
        self._faults.append(_Fault(method, part, watch, answering))

    def release(self) -> None:
        self._released.set()

    async def held(self, _: web.Request) -> web.StreamResponse:
        """Answer nothing until `release`."""
        await self._released.wait()
        return web.json_response({})

    async def go_away(self) -> None:
        """Refuse connections and cut those that are there."""
        for watch in list(self.watches):
            watch.break_off()
        self.release()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def come_back(self) -> None:
        """Listen, at the same port as before."""
        self._released = asyncio.Event()
        application = web.Application(client_max_size=2**24)
        application.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True).start()
        self.port = self._runner.addresses[0][1]

    def _tell(self, path: str, word: str, thing: Json) -> None:
        self._history.append((self.version, path, word, thing))
        for watch in self.watches:
            if watch.path == path and selects(watch.labels, thing["metadata"]["labels"]):
                watch.tell(word, thing)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        asked = Request(request.method, request.path, dict(request.query), headers, await request.read())
        self.asked.append(asked)
        for fault in self._faults:
            fits = fault.watch is None or fault.watch == asked.is_watch
            if fits and fault.method == asked.method and fault.part in request.path_qs:
                self._faults.remove(fault)
                return await fault.answering(request)
        if asked.is_watch:
            return await self._watched(request, asked)
        if asked.method == "GET":
            return self._got(asked)
        return _echoed(asked) if asked.method != "DELETE" else web.json_response({"kind": "Status"})

    def _got(self, asked: Request) -> web.StreamResponse:
        collection, _, name = asked.path.rpartition("/")
        if "limit" not in asked.query:
            thing = self._things.get(collection, {}).get(name)
            return web.json_response(thing) if thing else _missing(collection, name)
        chosen = [
            {key: value for key, value in thing.items() if key not in ("apiVersion", "kind")}
            for _, thing in sorted(self._things.get(asked.path, {}).items())
            if selects(asked.query.get("labelSelector", ""), thing["metadata"]["labels"])
        ]
        begin, size = int(asked.query.get("continue", "0")), int(asked.query.get("limit", "500"))
        metadata = {"resourceVersion": str(self.version)}
        metadata |= {"continue": str(begin + size)} if begin + size < len(chosen) else {}
        return web.json_response({"metadata": metadata, "items": chosen[begin : begin + size]})

    async def _watched(self, request: web.Request, asked: Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        watch = Watch(asked.path, asked.query.get("labelSelector", ""))
        since = int(asked.query["resourceVersion"])
        if since < self.forgotten:
            watch.tell("ERROR", status(HTTPStatus.GONE, "too old resource version", "Expired"))
            watch.end()
        for version, path, word, thing in self._history:
            if version > since and path == watch.path and selects(watch.labels, thing["metadata"]["labels"]):
                watch.tell(word, thing)
        self.watches.append(watch)
        try:
            while (line := await watch.lines.get()) not in (_ENDED, _ABORTED):
                await response.write(line)
            if line == _ABORTED and request.transport is not None:
                request.transport.abort()
        except ConnectionError:
            return response  # whoever watched has hung up
        finally:
            self.watches.remove(watch)
        return response


@asynccontextmanager
async def kube_faults() -> AsyncIterator[KubeFaults]:
    """Run one."""
    server = KubeFaults()
    await server.come_back()
    try:
        yield server
    finally:
        await server.go_away()


def status(code: int, message: str, reason: str = "", details: Json | None = None) -> Json:
    """A Status object as the API writes it."""
    made = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "code": code}
    return made | ({"reason": reason} if reason else {}) | ({"details": details} if details is not None else {})


def refused(
    code: int, message: str, reason: str = "", details: Json | None = None, headers: Mapping[str, str] | None = None
) -> Answering:
    """Answer with a Status object."""
    return answered(code, json.dumps(status(code, message, reason, details)), "application/json", headers)


def answered(code: int, text: str, kind: str = "text/plain", headers: Mapping[str, str] | None = None) -> Answering:
    """Answer with any text."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=code, text=text, content_type=kind, headers=headers)

    return answer


async def cut(request: web.Request) -> web.StreamResponse:
    """Cut the connection without an answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def _echoed(asked: Request) -> web.StreamResponse:
    return web.json_response(json.loads(asked.body), status=HTTPStatus.CREATED)


def _missing(collection: str, name: str) -> web.StreamResponse:
    plural = collection.rpartition("/")[2]
    return web.json_response(
        status(404, f'{plural} "{name}" not found', "NotFound", {"name": name, "kind": plural}), status=404
    )
