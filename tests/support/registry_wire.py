"""A small image registry on loopback, for what a real one cannot be brought to do at will: tokens, refusals, nonsense.

It answers as the distribution specification says, as far as looking up a tag goes.
"""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.test_utils import TestServer

INDEX = "application/vnd.oci.image.index.v1+json"
USER, PASSWORD, TOKEN = "sluice", "hunter2hunter2", "a-bearer-token"


@dataclass(slots=True)
class RegistryWire:
    """The server. `images` are manifests by repository and tag; `guard` is ``""``, ``basic`` or ``bearer``.

    While `held` is there nothing is answered before it is set.
    """

    images: dict[str, dict[str, bytes]] = field(default_factory=dict)
    guard: str = ""
    says_digest: bool = True
    takes_head: bool = True
    kind: str = INDEX
    status: int = 0
    held: asyncio.Event | None = None
    realm: str = ""
    asked: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def digest(self, repository: str, tag: str) -> str:
        return f"sha256:{hashlib.sha256(self.images[repository][tag]).hexdigest()}"

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(f"{request.method} {request.path_qs}")
        self.shown.append(request.headers.get("Authorization", ""))
        if request.path == "/token":
            return self._token(request)
        if self.held is not None:
            await self.held.wait()
        if self.status:
            return web.Response(status=self.status)
        if self.guard and not self._is_let_in(request):
            return web.Response(status=401, headers={"WWW-Authenticate": self._challenge(request)})
        path = request.path.removeprefix("/v2/")
        if not path:
            return web.json_response({})
        repository, _, tag = path.rpartition("/")
        return self._tags(repository) if tag == "list" else self._manifest(request, repository, tag)

    def _manifest(self, request: web.Request, repository: str, tag: str) -> web.Response:
        if request.method == "HEAD" and not self.takes_head:
            return web.Response(status=405)
        body = self.images.get(repository.removesuffix("/manifests"), {}).get(tag)
        if body is None:
            return web.json_response({"errors": [{"code": "MANIFEST_UNKNOWN"}]}, status=404)
        headers = {"Content-Type": self.kind}
        if self.says_digest:
            headers["Docker-Content-Digest"] = f"sha256:{hashlib.sha256(body).hexdigest()}"
        return web.Response(body=body, headers=headers)

    def _tags(self, repository: str) -> web.Response:
        name = repository.removesuffix("/tags")
        if name not in self.images:
            return web.json_response({"errors": [{"code": "NAME_UNKNOWN"}]}, status=404)
        return web.json_response({"name": name, "tags": list(self.images[name]) or None})

    def _token(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != _basic() or not request.query.get("scope", ":pull").endswith(
            ":pull"
        ):
            return web.json_response({"details": "incorrect username or password"}, status=401)
        return web.json_response({"token": TOKEN})

    def _is_let_in(self, request: web.Request) -> bool:
        return request.headers.get("Authorization") == (_basic() if self.guard == "basic" else f"Bearer {TOKEN}")

    def _challenge(self, request: web.Request) -> str:
        if self.guard == "basic":
            return 'Basic realm="registry"'
        name = request.path.removeprefix("/v2/").rpartition("/manifests/")[0]
        scope = f',scope="repository:{name}:pull"' if name else ""
        return f'Bearer realm="{self.realm or self.address + "/token"}",service="registry"{scope}'


def _basic() -> str:
    return f"Basic {base64.b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}"


@asynccontextmanager
async def registry_wire(**images: bytes) -> AsyncIterator[RegistryWire]:
    """Run one that holds these manifests of shop/web, by tag."""
    wire = RegistryWire({"shop/web": dict(images)} if images else {})
    app = web.Application()
    app.router.add_route("*", "/{anything:.*}", wire.answer)
    async with TestServer(app) as server:
        wire.port = server.port or 0
        yield wire
        if wire.held is not None:
            wire.held.set()
