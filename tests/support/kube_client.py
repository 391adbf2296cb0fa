"""A tiny client for any Kubernetes API: requests go out as a test words them, answers come back as they are.

It is what facts about the API are stated with, so that the same statement holds of the stand-in and of a real server.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from kubernetes.client import Configuration

from tests.support.eventually import eventually
from tests.support.kube_kinds import Json, Resource, named

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API said."""

    status: int
    body: Any

    @property
    def thing(self) -> Json:
        """The object in an answer that has to be a good one."""
        assert self.status < 300, (self.status, self.body)
        return dict(self.body)

    @property
    def fields(self) -> list[str]:
        """The fields that a refusal names."""
        return [one["field"] for one in self.body["details"]["causes"]]


@dataclass
class Client:
    """Somebody who asks in one namespace. `images`: one that gets ready, another one, and one that cannot be pulled."""

    http: httpx.AsyncClient
    namespace: str
    images: tuple[str, str, str]

    async def ask(self, method: str, path: str, body: Any = None, kind: str = "", **query: str) -> Answer:
        headers = {"content-type": kind or "application/json", "user-agent": "facts/1"}
        content = None if body is None else json.dumps(body)
        said = await self.http.request(method, path, params=query, content=content, headers=headers)
        is_json = said.headers.get("content-type", "").startswith("application/json")
        return Answer(said.status_code, said.json() if is_json else said.text)

    def at(self, plural: str, name: str = "", part: str = "") -> str:
        """The path of a kind in the namespace, or of one object there."""
        return path_of(named(plural), self.namespace, name) + (f"/{part}" if part else "")

    async def apply(self, thing: Json, manager: str = "sluice", **query: str) -> Answer:
        path = self.at(thing["kind"], thing["metadata"]["name"])
        return await self.ask("PATCH", path, thing, APPLY, fieldManager=manager, **query)

    async def create(self, thing: Json, manager: str = "kubectl-create", **query: str) -> Answer:
        return await self.ask("POST", self.at(thing["kind"]), thing, fieldManager=manager, **query)

    async def edit(self, plural: str, name: str, patch: Json, manager: str = "kubectl-edit") -> Answer:
        return await self.ask("PATCH", self.at(plural, name), patch, MERGE, fieldManager=manager)

    async def get(self, plural: str, name: str) -> Json:
        return (await self.ask("GET", self.at(plural, name))).thing

    async def all(self, plural: str, labels: str = "", **query: str) -> list[Json]:
        listed = (await self.ask("GET", self.at(plural), labelSelector=labels, **query)).thing
        return list(listed["items"])

    async def version(self, plural: str) -> str:
        """From where a watch sees what is yet to come."""
        return str((await self.ask("GET", self.at(plural))).thing["metadata"]["resourceVersion"])

    async def until(self, holds: Callable[[], Awaitable[bool]], within: float = 90.0) -> None:
        """Return as soon as something holds in the cluster; look again and again until then."""
        seen = False

        async def look() -> None:
            nonlocal seen
            while not seen:
                seen = await holds()

        task = asyncio.create_task(look())
        try:
            await eventually(lambda: seen or task.done(), within=within)
        finally:
            task.cancel()
            failed = (await asyncio.gather(task, return_exceptions=True))[0]
        if isinstance(failed, Exception):
            raise failed

    @asynccontextmanager
    async def watch(self, plural: str, version: str, **query: str) -> AsyncIterator["Told"]:
        """What a watch tells while the block lasts."""
        asked = {"watch": "1", "resourceVersion": version, "timeoutSeconds": "60", **query}
        async with self.http.stream("GET", self.at(plural), params=asked) as answer:
            told = Told(answer.status_code)
            task = asyncio.create_task(told.read(answer))
            try:
                yield told
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)


@dataclass
class Told:
    """The events of a watch until now."""

    status: int
    events: list[Json] = field(default_factory=list)
    is_over: bool = False
    fault: Exception | None = None

    async def read(self, answer: httpx.Response) -> None:
        try:
            async for line in answer.aiter_lines():
                self.events.append(json.loads(line))
        except (httpx.TransportError, ValueError) as fault:
            self.fault = fault
        self.is_over = True

    async def count(self, events: int) -> None:
        await eventually(lambda: len(self.events) >= events)

    async def over(self) -> None:
        await eventually(lambda: self.is_over, within=30)

    async def broken(self) -> None:
        """Wait for the end, and raise what broke it."""
        await self.over()
        if self.fault is not None:
            raise self.fault

    @property
    def words(self) -> list[tuple[str, str]]:
        """Each event's type and the name of its object."""
        return [(one["type"], one["object"]["metadata"].get("name", "")) for one in self.events]


def path_of(resource: Resource, namespace: str, name: str = "") -> str:
    root = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    within = f"/namespaces/{namespace}" if resource.namespaced else ""
    return f"{root}{within}/{resource.plural}" + (f"/{name}" if name else "")


def connected(configuration: Configuration) -> httpx.AsyncClient:
    """A connection as a kubeconfig describes it."""
    token = configuration.get_api_key_with_prefix("authorization")
    trust: ssl.SSLContext | bool = False
    if configuration.host.startswith("https"):
        trust = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
        if configuration.cert_file:
            trust.load_cert_chain(configuration.cert_file, configuration.key_file)
    headers = {"authorization": token} if token else {}
    return httpx.AsyncClient(base_url=configuration.host, headers=headers, verify=trust, timeout=70)
