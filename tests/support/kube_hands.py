"""The hands of others in a cluster: objects made and changed as people and tools do it, and everything seen.

It speaks plain HTTP to any Kubernetes API, the stand-in's or a real one, and shares nothing with Sluice's own way.
"""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
from kubernetes.client import Configuration

from engine.targets.kubernetes.kinds import Kind, kind_of

Json = dict[str, Any]

KUBECTL = "kubectl-client-side-apply"
EDIT = "kubectl-edit"
_APPLY = "application/apply-patch+yaml"
_MERGE = "application/merge-patch+json"


class Hands:
    """Somebody with every right in one namespace."""

    def __init__(self, configuration: Configuration, namespace: str) -> None:
        self.namespace = namespace
        headers = {"authorization": key} if (key := configuration.get_api_key_with_prefix("authorization")) else {}
        trust: ssl.SSLContext | bool = False
        if configuration.host.startswith("https"):
            trust = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
            if configuration.cert_file:
                trust.load_cert_chain(configuration.cert_file, configuration.key_file)
        self._http = httpx.AsyncClient(base_url=configuration.host, headers=headers, verify=trust, timeout=30)

    async def put(self, thing: Json, manager: str = KUBECTL) -> Json:
        """Make an object as `kubectl apply` does."""
        kind = kind_of(thing)
        said = await self._http.post(kind.path(self.namespace), json=thing, params={"fieldManager": manager})
        return _read(said)

    async def edit(self, kind: Kind, name: str, change: Json, manager: str = EDIT) -> Json:
        """Change fields of an object as a person does who asks nobody."""
        said = await self._http.patch(
            kind.path(self.namespace, name),
            content=json.dumps(change),
            params={"fieldManager": manager},
            headers={"content-type": _MERGE},
        )
        return _read(said)

    async def apply(self, thing: Json, manager: str = "kubectl", *, force: bool = False) -> Json:
        """Apply an object on the server's side, as `kubectl apply --server-side` does."""
        kind = kind_of(thing)
        said = await self._http.patch(
            kind.path(self.namespace, thing["metadata"]["name"]),
            content=json.dumps(thing),
            params={"fieldManager": manager, "force": str(force).lower()},
            headers={"content-type": _APPLY},
        )
        return _read(said)

    async def scale(self, name: str, count: int) -> Json:
        """Change how many instances a Deployment has."""
        return await self.edit(
            kind_of({"apiVersion": "apps/v1", "kind": "Deployment"}), name, {"spec": {"replicas": count}}
        )

    async def get(self, kind: Kind, name: str) -> Json:
        """An object that has to be there."""
        return _read(await self._http.get(kind.path(self.namespace, name)))

    async def all(self, kind: Kind, labels: str = "") -> list[Json]:
        """Every object of a kind."""
        said = _read(await self._http.get(kind.path(self.namespace), params={"labelSelector": labels}))
        return [{"apiVersion": kind.api_version, "kind": kind.kind, **each} for each in said["items"]]

    async def version(self, kind: Kind) -> str:
        """From where a watch of this kind sees everything that is yet to come."""
        said = _read(await self._http.get(kind.path(self.namespace), params={"limit": "1"}))
        return str(said["metadata"]["resourceVersion"])

    async def delete(self, kind: Kind, name: str) -> None:
        """Remove an object and all that belongs to it; it may be gone already."""
        said = await self._http.request(
            "DELETE", kind.path(self.namespace, name), json={"propagationPolicy": "Background"}
        )
        if said.status_code != httpx.codes.NOT_FOUND:
            _read(said)

    async def follow(self, kind: Kind, version: str, seconds: int = 290) -> AsyncIterator[tuple[str, Json]]:
        """What becomes of the objects of a kind from `version` on, for as long as the API tells it."""
        asked = {"watch": "1", "resourceVersion": version, "timeoutSeconds": str(seconds)}
        async with self._http.stream("GET", kind.path(self.namespace), params=asked, timeout=seconds + 10) as lines:
            if not lines.is_success:
                raise AssertionError(f"{lines.status_code}: {(await lines.aread()).decode()[:300]}")
            async for line in lines.aiter_lines():
                event = json.loads(line)
                assert event["type"] != "ERROR", event
                yield event["type"], event["object"]

    async def groups(self) -> list[str]:
        """The API groups that there are."""
        return [str(each["name"]) for each in _read(await self._http.get("/apis"))["groups"]]

    async def close(self) -> None:
        """Let go."""
        await self._http.aclose()


@contextlib.asynccontextmanager
async def reading(hands: Hands, kind: Kind, seen: Callable[[str, Json], None]) -> AsyncIterator[None]:
    """Tell `seen` of every event of a kind while the block lasts, and of all until its end."""
    version = await hands.version(kind)

    async def read(seconds: int) -> None:
        nonlocal version
        async for word, thing in hands.follow(kind, version, seconds):
            version = thing["metadata"]["resourceVersion"]
            seen(word, thing)

    async def go_on() -> None:
        while True:
            await read(290)

    task = asyncio.create_task(go_on())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    await read(1)


def _read(said: httpx.Response) -> Json:
    if not said.is_success:
        raise AssertionError(f"{said.request.method} {said.request.url.path}: {said.status_code} {said.text[:500]}")
    read: Json = said.json()
    return read
