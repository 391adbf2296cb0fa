"""One cluster's API, in the few words that Sluice needs of it: objects as they are, as JSON.

Requests are made in threads, so that a cluster which does not answer holds up nobody but those who ask it; each ends
within a known time. Writing is server-side apply under one field manager, so the cluster itself keeps account of
who holds which field, and a write that would take one from somebody else is refused (`faults.Held`). Only what is left
for good is merged into: an apply cannot let go of a field and leave it there.

What comes back is shared: nobody may change it in place.
"""

import asyncio
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any, TypeVar

from kubernetes.client import Configuration

from engine.errors import Interrupted
from engine.model import Json
from engine.targets.kubernetes import credentials
from engine.targets.kubernetes.exchange import Answer, Asked
from engine.targets.kubernetes.faults import Gone, content, is_missing, late, refusal
from engine.targets.kubernetes.kinds import Kind
from engine.targets.kubernetes.streams import Stream
from engine.targets.kubernetes.threads import Threads
from engine.targets.kubernetes.wire import Body, Wire

T = TypeVar("T")
_THREADS = 8
_PAGE = 500
_BEGINNINGS = 3
"""How often a list is begun that the cluster forgets between two pages."""
_WATCH_FOR = 290
_QUIET = timedelta(seconds=95)
"""How long a watch may say nothing. A cluster sends a bookmark about every minute, so this means that it has gone."""
_PATIENCES = 3
"""How often `patience` a whole request may take, waiting for its turn included: an answer may come in drops."""
_ESCAPED = re.compile("[\x7f-\uffff]")
_APPLY = "application/apply-patch+yaml"
_MERGE = "application/merge-patch+json"


@dataclass(frozen=True, slots=True)
class Listed:
    """What a list held, and the version from which a watch goes on."""

    items: tuple[Json, ...]
    version: str


class Cluster:
    """One cluster. `manager` is the name under which it keeps what Sluice applies.

    `calls` counts requests by their RBAC verb and resource (a path of its own stands for itself); `rights` are those
    that were needed, which are one more when an object was applied that was not there. `patience` is how long to wait
    for a connection, and for an answer to go on. `load` reads the configuration when it is first needed (if none is
    given) and anew when the cluster takes it no longer; `remembers` is how long it is known which APIs are served.
    """

    def __init__(
        self,
        name: str,
        configuration: Configuration | None,
        manager: str,
        *,
        patience: timedelta = timedelta(seconds=10),
        load: Callable[[], Configuration] | None = None,
        remembers: timedelta = timedelta(minutes=1),
    ) -> None:
        self.name = name
        self.manager = manager
        self.calls: Counter[tuple[str, str]] = Counter()
        self.rights: set[tuple[str, str]] = set()
        self._patience = patience
        self._wire = Wire(configuration, patience, load)
        self._threads = Threads(_THREADS, f"sluice-cluster-{name}")
        self._is_closed = False
        self._counting = threading.Lock()
        self._remembers = remembers.total_seconds()
        self._discovered: dict[str, tuple[float, frozenset[str]]] = {}

    async def get(self, kind: Kind, namespace: str, name: str) -> Json | None:
        """One object, or None when there is none of that name."""
        asked = Asked(self.name, "get", kind, namespace, name)
        return await self._ask(asked, "GET", reading=_content_if_any)

    async def list(self, kind: Kind, namespace: str, *, labels: str = "", fields: str = "") -> Listed:
        """Every object that `labels` and `fields` select, as of one moment; asked for in pages."""
        asked = Asked(self.name, "list", kind, namespace)
        query = {"limit": str(_PAGE), "labelSelector": labels, "fieldSelector": fields}
        for _ in range(_BEGINNINGS - 1):
            try:
                return await self._pages(asked, kind, query)
            except Gone:
                continue
        return await self._pages(asked, kind, query)

    async def apply(
        self, kind: Kind, thing: Json, *, force: bool = False, dry: bool = False, manager: str = ""
    ) -> Json:
        """Make what `thing` says true, and nothing else; returns the whole object.

        What an earlier apply said and this one does not is removed. Raises `Held` when somebody else holds a field that
        would change, unless it is taken by `force`. `dry` changes nothing and returns what would be. `manager` is an
        older name of Sluice's, under which something was said that is to be taken back.
        """
        metadata = thing["metadata"]
        asked = Asked(self.name, "patch", kind, str(metadata.get("namespace", "")), str(metadata["name"]))
        query = {"fieldManager": manager or self.manager, "fieldValidation": "Strict"}
        query |= {"force": "true"} if force else {}
        query |= {"dryRun": "All"} if dry else {}
        is_new, applied = await self._ask(asked, "PATCH", query, Body(_json(thing), _APPLY), reading=_applied)
        if is_new:
            self.rights.add(("create", kind.plural))
        return applied

    async def merge(self, kind: Kind, namespace: str, name: str, change: Json) -> Json:
        """Merge `change` into an object; None takes a key away. Returns the whole object.

        Raises `Interrupted` when the object is no longer of the `resourceVersion` that `change` says.
        """
        asked = Asked(self.name, "patch", kind, namespace, name)
        query = {"fieldManager": self.manager}
        return await self._ask(asked, "PATCH", query, Body(_json(change), _MERGE), reading=content)

    async def create(self, kind: Kind, thing: Json) -> Json:
        """Ask with an object that the cluster answers and does not keep, such as a review of access."""
        asked = Asked(self.name, "create", kind, str(thing.get("metadata", {}).get("namespace", "")))
        return await self._ask(asked, "POST", body=Body(_json(thing)), reading=content)

    async def delete(self, kind: Kind, namespace: str, name: str, *, uid: str = "") -> None:
        """Remove an object and what belongs to it. It (the one with that `uid`) may be gone already."""
        asked = Asked(self.name, "delete", kind, namespace, name)
        wanted: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        wanted |= {"preconditions": {"uid": uid}} if uid else {}
        answer = await self._ask(asked, "DELETE", body=Body(_json(wanted)), reading=_as_it_is)
        if answer.is_good or is_missing(asked, answer):
            return
        if uid and answer.status == HTTPStatus.CONFLICT:
            there = await self.get(kind, namespace, name)
            if there is None or there["metadata"].get("uid") != uid:
                return
        raise refusal(asked, answer)

    async def serves(self, kind: Kind) -> bool:
        """Whether the cluster has that kind in the version that is used here (Istio's, the Gateway API's).

        An older Istio or Gateway API has the group, and the kind only in a version before: it is as if it had none.
        """
        if kind.group not in await self._named("/apis", "groups"):
            return False
        return kind.plural in await self._named(f"/apis/{kind.api_version}", "resources")

    async def _named(self, path: str, part: str) -> frozenset[str]:
        """The names in a part of a page of discovery, remembered for a while; none when there is no such page."""
        at, known = self._discovered.get(path, (-self._remembers, frozenset()))
        if time.monotonic() - at < self._remembers:
            return known
        read = await self._ask(Asked(self.name, "get", name=path), "GET", reading=_page_if_any)
        found = frozenset(str(each.get("name")) for each in read.get(part) or ())
        self._discovered[path] = (time.monotonic(), found)
        return found

    async def version(self) -> str:
        """Which Kubernetes it is, such as v1.36.2."""
        asked = Asked(self.name, "get", name="/version")
        return str((await self._ask(asked, "GET", reading=content)).get("gitVersion", ""))

    async def clock(self) -> str:
        """What time it is there, as its answers are dated; empty when they are not."""
        asked = Asked(self.name, "get", name="/version")
        return (await self._ask(asked, "GET", reading=_as_it_is)).headers.get("date", "")

    def stream(self, kind: Kind, namespace: str, labels: str, version: str, ended: threading.Event) -> Stream:
        """What changes from `version` on; blocks until the cluster has agreed, and again for each event.

        The cluster ends it after some minutes. Raises `Gone` when it has forgotten `version`.
        """
        asked = Asked(self.name, "watch", kind, namespace)
        query = {"watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": str(_WATCH_FOR)}
        query |= {"resourceVersion": version, "labelSelector": labels}
        self._count(asked)
        return Stream(asked, self._wire.follow(asked, _without_empty(query), _QUIET), ended)

    async def close(self) -> None:
        """Ask nothing more, and close connections. What is under way ends by itself."""
        self._is_closed = True
        self._threads.close()
        self._wire.close()

    async def _pages(self, asked: Asked, kind: Kind, query: Mapping[str, str]) -> Listed:
        items: list[Json] = []
        following = ""
        while True:
            page = await self._ask(asked, "GET", {**query, "continue": following}, reading=content)
            items += [{"apiVersion": kind.api_version, "kind": kind.kind, **each} for each in page.get("items") or ()]
            metadata = page.get("metadata") or {}
            following = str(metadata.get("continue") or "")
            if not following:
                return Listed(tuple(items), str(metadata.get("resourceVersion", "")))

    async def _ask(
        self,
        asked: Asked,
        method: str,
        query: Mapping[str, str] | None = None,
        body: Body | None = None,
        *,
        reading: Callable[[Asked, Answer], T],
    ) -> T:
        """Make one request and read its answer, both in a thread: the answer may be long."""
        if self._is_closed:
            raise Interrupted(f"Nobody asks cluster {self.name} any more.")
        self._count(asked)
        given = _without_empty(query or {})

        def exchange() -> T:
            return reading(asked, self._wire.send(asked, method, given, body))

        try:
            async with asyncio.timeout(_PATIENCES * self._patience.total_seconds()):
                return await self._threads.run(exchange)
        except TimeoutError as error:
            raise late(asked) from error

    def _count(self, asked: Asked) -> None:
        with self._counting:
            self.calls[asked.right] += 1
            if asked.kind is not None:
                self.rights.add(asked.right)


def connect(
    name: str,
    *,
    manager: str,
    kubeconfig: str = "",
    context: str = "",
    in_cluster: bool = False,
    patience: timedelta = timedelta(seconds=10),
) -> Cluster:
    """Find the way to a cluster, without speaking to it.

    `kubeconfig` is a path (empty: KUBECONFIG, or the usual one), `context` one of its contexts (empty: the current
    one); `in_cluster` means the service account of the pod that Sluice runs in. Raises `Broken` with what to do when
    there is none of them. What is wrong in it is told by the first request, which reads it in its own thread: a program
    may have to be run for the credentials.
    """
    where = credentials.Where(kubeconfig, context, in_cluster)
    credentials.check(name, where)

    def load() -> Configuration:
        return credentials.load(name, where, within=patience)

    return Cluster(name, None, manager, patience=patience, load=load)


def _as_it_is(_: Asked, answer: Answer) -> Answer:
    return answer


def _content_if_any(asked: Asked, answer: Answer) -> Json | None:
    return None if is_missing(asked, answer) else content(asked, answer)


def _page_if_any(asked: Asked, answer: Answer) -> Json:
    """A page of discovery; an empty one when a part of the API is not there, which is no fault."""
    is_absent = answer.status == HTTPStatus.NOT_FOUND and asked.name != "/apis"
    return {} if is_absent else content(asked, answer)


def _applied(asked: Asked, answer: Answer) -> tuple[bool, Json]:
    return answer.status == HTTPStatus.CREATED, content(asked, answer)


def _without_empty(query: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in query.items() if value}


def _json(thing: Json) -> bytes:
    """Write JSON that is YAML as well, for that is how the API server reads what is applied.

    YAML knows no surrogate pairs, so characters beyond the basic plane stand as they are and the others are escaped.
    """
    text = json.dumps(thing, separators=(",", ":"), ensure_ascii=False)
    return _ESCAPED.sub(lambda found: f"\\u{ord(found.group()):04x}", text).encode()
