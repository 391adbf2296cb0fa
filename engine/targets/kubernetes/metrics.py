"""Requests of each track as Prometheus has counted them, for people: nothing in a release depends on it.

The danger: Prometheus is slow or away, and a release waits for it; counters fall back to zero when an instance starts
anew, and their sum sinks when one ends.

The promise: a question costs a release two seconds at worst, and after one that failed Prometheus is left alone for a
while; no count ever sinks while the bot runs. It holds because every series is carried on by itself: one that falls has
begun again and is added to what it was, one that vanishes keeps what it had. After a restart of the bot, instances that
had ended by then are missing from the counts.
"""

import asyncio
import math
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx

from engine.ports import Traffic
from engine.targets.kubernetes.names import STABLE, Place

REQUESTS = (
    'sum by (destination_workload, pod) (istio_requests_total{reporter="destination",'
    'destination_workload_namespace="$namespace",destination_workload=~"$workload"$failed})'
    " or on() "
    'sum by (destination_workload, pod) (istio_requests_total{reporter="source",'
    'destination_workload_namespace="$namespace",destination_workload=~"$workload"$failed})'
)
"""What Istio counts: at the receiving side, or at the sending one where that has no proxy of its own."""
ISTIO_REQUESTS = REQUESTS.replace("$failed", "")
ISTIO_ERRORS = REQUESTS.replace("$failed", ',response_code=~"5..|0"')
_GROUPS = (STABLE, "gray", "blue", "green")
_PATIENCE = 2.0
_GOOD_FOR = 5.0
_LEFT_ALONE = 30.0
"""Seconds: how long a question may take, how long its answer is good, and how long none follows one that failed."""
_GONE_AFTER = 700
"""Answers without a series after which it does not come back: an hour's, when somebody looks all the time."""
_FAILURES = (httpx.HTTPError, httpx.InvalidURL, httpx.CookieConflict, OSError, ValueError, ImportError)
Series = dict[tuple[str, str], float]
"""The newest value of each series, by its group and its labels."""


@dataclass(slots=True)
class _Count:
    """One kind of requests of one workload: each series' newest value, and what earlier lives had counted, by group.

    `missed` counts how often a series was not there; one that is gone for good is kept in its group's sum alone.
    """

    newest: Series = field(default_factory=dict)
    before: dict[str, float] = field(default_factory=dict)
    missed: dict[tuple[str, str], int] = field(default_factory=dict)

    def take(self, seen: Series) -> None:
        for key, value in seen.items():
            if value < self.newest.get(key, 0.0):
                self._keep(key)
            self.newest[key] = value
        self.missed = {key: self.missed.get(key, 0) + 1 for key in self.newest if key not in seen}
        for key in [key for key, times in self.missed.items() if times > _GONE_AFTER]:
            self._keep(key)
            del self.newest[key]

    def totals(self) -> dict[str, int]:
        found = dict(self.before)
        for (group, _), value in self.newest.items():
            found[group] = found.get(group, 0.0) + value
        return {group: round(value) for group, value in found.items()}

    def _keep(self, key: tuple[str, str]) -> None:
        self.before[key[0]] = self.before.get(key[0], 0.0) + self.newest[key]


@dataclass(slots=True)
class _Workload:
    requests: _Count = field(default_factory=_Count)
    failed: _Count = field(default_factory=_Count)
    asked: float = -math.inf


@dataclass(slots=True)
class Metrics:
    """One Prometheus. In the queries $namespace and $workload are replaced, the latter by a regular expression.

    Each series that a query gives has one of the workload's Deployments as the value of a label. `trouble` is a
    sentence while it does not answer; `good_for` and `left_alone` are seconds.
    """

    cluster: str
    address: str
    requests: str = ISTIO_REQUESTS
    errors: str = ISTIO_ERRORS
    patience: float = _PATIENCE
    good_for: float = _GOOD_FOR
    left_alone: float = _LEFT_ALONE
    trouble: str = ""
    _known: dict[Place, _Workload] = field(default_factory=dict, repr=False)
    _failed_at: float = -math.inf
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)

    async def traffic(self, place: Place) -> Traffic:
        """Return what was counted of each group of a workload; nothing before Prometheus has answered once."""
        async with self._turn:
            known = self._known.setdefault(place, _Workload())
            now = time.monotonic()
            if now - known.asked >= self.good_for and now - self._failed_at >= self.left_alone:
                await self._ask(place, known)
        return Traffic(known.requests.totals(), known.failed.totals())

    async def greet(self) -> str:
        """Ask for nothing in particular; returns why Prometheus does not answer, or that it does by an empty text."""
        try:
            async with asyncio.timeout(self.patience), self._http() as http:
                await self._query(http, "vector(1)")
        except _FAILURES as error:
            return _explained(error)
        return ""

    async def _ask(self, place: Place, known: _Workload) -> None:
        queries = [_filled(query, place) for query in (self.requests, self.errors)]
        try:
            async with asyncio.timeout(self.patience), self._http() as http:
                found = await asyncio.gather(*(self._query(http, query) for query in queries))
        except _FAILURES as error:
            self._failed_at = time.monotonic()
            self.trouble = f"Prometheus of cluster {self.cluster} does not count requests: {_explained(error)}."
            return
        self.trouble, known.asked = "", time.monotonic()
        requests, failed = (_by_group(series, place) for series in found)
        known.requests.take(requests)
        known.failed.take(failed)

    def _http(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=f"{self.address}/", timeout=self.patience, verify=_trust())

    async def _query(self, http: httpx.AsyncClient, query: str) -> list[Any]:
        if not query:
            return []
        said = await http.get("api/v1/query", params={"query": query})
        body = said.json() if said.is_success or said.status_code in _SAYS_WHY else {}
        if not isinstance(body, dict) or body.get("status") != "success":
            why = body.get("error") if isinstance(body, dict) else None
            raise _NoAnswer(str(why)[:200] if why else f"HTTP {said.status_code}")
        data = body.get("data")
        result = data.get("result") if isinstance(data, dict) and data.get("resultType") == "vector" else None
        if not isinstance(result, list):
            raise _NoAnswer("its query gives no instant vector")
        return result


@cache
def _trust() -> ssl.SSLContext:
    """Whom TLS trusts. Reading that takes longer than a question does, so it is read once."""
    return httpx.create_ssl_context()


_SAYS_WHY = (400, 422, 503)
"""How Prometheus refuses a query, with the reason."""


class _NoAnswer(ValueError):
    """Something answered, and not with what was asked for."""


def _explained(error: Exception) -> str:
    if isinstance(error, _NoAnswer):
        return " ".join(str(error).split()).rstrip(".")
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return "nothing came in time"
    if isinstance(error, ValueError):
        return "something else answers there"
    return "it cannot be reached" if isinstance(error, httpx.ConnectError) else type(error).__name__


def _filled(query: str, place: Place) -> str:
    deployments = "|".join(sorted(_deployments(place)))
    return query.replace("$namespace", place.namespace).replace("$workload", deployments)


def _deployments(place: Place) -> Mapping[str, str]:
    return {place.deployment(group): group for group in _GROUPS}


def _by_group(result: list[Any], place: Place) -> Series:
    """Sort series to groups. Every group is there, so that nothing counted is told from not knowing."""
    found: Series = {(group, ""): 0.0 for group in _GROUPS}
    for labels, value in _values(result):
        group = _group(labels, place)
        if group:
            found[group, repr(sorted(labels.items()))] = value
    return found


def _group(labels: Mapping[str, Any], place: Place) -> str:
    """Find the group whose Deployment a label names; of two the longer name, for NAME-gray is no other's."""
    named = [name for name in _deployments(place) if name in labels.values()]
    return _deployments(place)[max(named, key=len)] if named else ""


def _values(result: list[Any]) -> Iterator[tuple[dict[str, Any], float]]:
    for one in result:
        labels, sample = (one.get("metric"), one.get("value")) if isinstance(one, dict) else (None, None)
        if isinstance(labels, dict) and isinstance(sample, list) and sample:
            value = float(sample[-1])
            if math.isfinite(value) and value >= 0:
                yield labels, value
