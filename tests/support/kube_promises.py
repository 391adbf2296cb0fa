"""What a release in a cluster promises, held against everything that became of the objects.

The API gives every change a number, in one order for all kinds. So the changes are collected while a test goes on and
walked through afterwards, one by one, as if one had looked after each of them. Nothing here asks Sluice: who gets a
request is read off the Services, the meshes' objects and the pods, as the cluster itself would.

What is promised: nothing is referred to that has nobody ready; plain requests always find as many ready pods as the
settings say; pods that are kept apart are never among those of the workload's own Service before it asks for them; and
nothing is removed while it is referred to, or before its drain time is over.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from engine.targets.kubernetes import names
from engine.targets.kubernetes.kinds import (
    DEPLOYMENT,
    ENDPOINT_SLICE,
    HTTP_ROUTE,
    POD,
    SERVICE,
    VIRTUAL_SERVICE,
    Kind,
)

Json = dict[str, Any]

KINDS = (DEPLOYMENT, SERVICE, POD, ENDPOINT_SLICE)
ROUTERS = (VIRTUAL_SERVICE, HTTP_ROUTE)
_OF_SERVICE = "kubernetes.io/service-name"


@dataclass(frozen=True, slots=True)
class Change:
    """One change that was seen, `at` what moment (monotonic seconds). `thing` is None when the object was removed."""

    version: int
    at: float
    kind: Kind
    name: str
    thing: Json | None


@dataclass(frozen=True, slots=True)
class Expected:
    """What holds from the change `since` on.

    `least` is how many ready pods plain requests always find. `apart`: pods of other groups are not the own Service's
    before it asks for them. `rest` is how long pods go on after nothing refers to them any more: the time that proxies
    take to hear of it, and the drain time. `slack` is by how much moments may be seen too late.
    """

    service: str
    since: int
    least: int
    apart: bool
    rest: timedelta
    slack: timedelta


def broken(changes: Iterable[Change], expected: Expected) -> list[str]:
    """Every promise that was broken, in words."""
    world = World(expected)
    return [sentence for change in sorted(changes, key=lambda one: one.version) for sentence in world.after(change)]


@dataclass
class World:
    """The objects as they were after some change."""

    expected: Expected
    things: dict[Kind, dict[str, Json]] = field(default_factory=dict)
    reached: dict[str, float] = field(default_factory=dict)
    asked_for: set[str] = field(default_factory=lambda: {names.STABLE})

    def after(self, change: Change) -> list[str]:
        """Let it happen, and say what that has broken."""
        before = self.of(change.kind).get(change.name)
        referred, routed = self.referred(), {group for group in self.groups() if self.is_reached(group)}
        if change.thing is None:
            self.of(change.kind).pop(change.name, None)
        else:
            self.of(change.kind)[change.name] = change.thing
        self.asked_for |= {self.selector(self.expected.service).get(names.GROUP, names.STABLE)}
        said = list(self._said(change, before, referred)) if change.version > self.expected.since else []
        now_routed = {group for group in self.groups() if self.is_reached(group)}
        self.reached |= dict.fromkeys(routed | now_routed, change.at)
        return [f"{change.version}: {sentence}" for sentence in said]

    def of(self, kind: Kind) -> dict[str, Json]:
        """The objects of a kind by name."""
        return self.things.setdefault(kind, {})

    # -- who gets a request

    def referred(self) -> set[str]:
        """Every Service that a request can be sent to."""
        entries = [entry for router in self._routers() for entry in _entries(router)]
        return {service for entry in entries for service in entry.services} | {self.expected.service}

    def plain(self) -> set[str]:
        """The Services that share the requests which nobody looks into."""
        entries = [entry for router in self._routers() for entry in _entries(router) if not entry.tests_headers]
        mine = {self.expected.service, *self._own()}
        said = {service for entry in entries for service in entry.services} & mine
        return said or {self.expected.service}

    def selector(self, service: str) -> Json:
        """By what a Service selects."""
        live = self.of(SERVICE).get(service)
        return dict((live or {}).get("spec", {}).get("selector") or {})

    def ready(self, service: str) -> set[str]:
        """The pods behind a Service that can answer."""
        wanted = self.selector(service)
        if not wanted:
            return set()
        return {name for name, pod in self.of(POD).items() if wanted.items() <= _labels(pod).items() and is_ready(pod)}

    def endpoints(self, service: str, *, ready: bool = True) -> set[str]:
        """The pods that a Service sends requests to, by its EndpointSlices."""
        slices = [one for one in self.of(ENDPOINT_SLICE).values() if _labels(one).get(_OF_SERVICE) == service]
        found = [each for one in slices for each in one.get("endpoints") or ()]
        return {
            each["targetRef"]["name"]
            for each in found
            if each.get("targetRef") and (not ready or each["conditions"].get("ready"))
        }

    def groups(self) -> set[str]:
        """Every group that has a Deployment."""
        return {names.label(one, names.GROUP) or names.STABLE for one in self.of(DEPLOYMENT).values()}

    def is_reached(self, group: str) -> bool:
        """Whether any Service that is referred to selects pods of this group."""
        pods = [pod for pod in self.of(POD).values() if _group(pod) == group]
        chosen = [self.selector(service) for service in self.referred() | self._previews()]
        return any(wanted and wanted.items() <= _labels(pod).items() for wanted in chosen for pod in pods)

    # -- what is promised

    def _said(self, change: Change, before: Json | None, referred: set[str]) -> Iterator[str]:
        if change.kind in (SERVICE, *ROUTERS):
            yield from self._referred_too_early(change, before, referred)
        if len(self._answering()) < self.expected.least:
            yield f"{change.kind.kind} {change.name}: plain requests find {len(self._answering())} ready pods"
        if change.kind == ENDPOINT_SLICE and self.expected.apart:
            yield from self._strangers()
        if change.kind == DEPLOYMENT and _count(before) and not _count(change.thing):
            yield from self._ended_too_early(change, before or {})
        if change.kind == SERVICE and change.thing is None and change.name in self.referred():
            yield f"the Service {change.name} is removed while requests are sent there"

    def _referred_too_early(self, change: Change, before: Json | None, referred: set[str]) -> Iterator[str]:
        for service in sorted(self.referred() - referred):
            if not self.endpoints(service):
                yield f"{change.kind.kind} {change.name} sends requests to {service}, which has no ready endpoint"
        if change.kind == SERVICE and change.thing is not None and before is not None:
            flipped = _selects(before) != _selects(change.thing) and change.name == self.expected.service
            if flipped and len(self.ready(change.name)) < self.expected.least:
                yield f"{change.name} is switched to {_selects(change.thing)}: {len(self.ready(change.name))} ready"

    def _strangers(self) -> Iterator[str]:
        for name in sorted(self.endpoints(self.expected.service, ready=False)):
            pod = self.of(POD).get(name)
            if pod is not None and _group(pod) not in self.asked_for:
                yield f"{name} is an endpoint of {self.expected.service}, and is of the group {_group(pod)}"

    def _ended_too_early(self, change: Change, before: Json) -> Iterator[str]:
        if not self.expected.apart:
            return
        group = names.label(before, names.GROUP) or names.STABLE
        if self.is_reached(group):
            yield f"{change.name} is ended while requests are sent there"
            return
        rest = change.at - self.reached.get(group, float("-inf"))
        if rest < (self.expected.rest - self.expected.slack).total_seconds():
            yield f"{change.name} is ended {rest:.2f} s after the last request could come"

    def _answering(self) -> set[str]:
        return {pod for service in self.plain() for pod in self.ready(service)}

    def _routers(self) -> list[Json]:
        every = [one for kind in ROUTERS for one in self.of(kind).values()]
        return [one for one in every if any(self._is_mine(entry.services) for entry in _entries(one))]

    def _is_mine(self, services: Iterable[str]) -> bool:
        return bool({self.expected.service, *self._own()} & set(services))

    def _own(self) -> set[str]:
        return {name for name, one in self.of(SERVICE).items() if names.is_ours(one)}

    def _previews(self) -> set[str]:
        return {name for name in self.of(SERVICE) if name.endswith("-preview")}


@dataclass(frozen=True, slots=True)
class _Entry:
    services: frozenset[str]
    tests_headers: bool


def _entries(router: Json) -> Iterator[_Entry]:
    spec = router.get("spec", {})
    if router["kind"] == VIRTUAL_SERVICE.kind:
        for entry in spec.get("http", ()):
            sent = _weighted(entry.get("route", ()), lambda each: str(each["destination"]["host"]).split(".")[0], 0)
            tests = [bool(one.get("headers") or one.get("withoutHeaders")) for one in entry.get("match", ())]
            yield _Entry(sent, bool(tests) and all(tests))
        return
    for rule in spec.get("rules", ()):
        sent = _weighted(rule.get("backendRefs", ()), lambda each: str(each["name"]), 1)
        tests = [bool(one.get("headers")) for one in rule.get("matches", ())]
        yield _Entry(sent, bool(tests) and all(tests))


def _weighted(listed: list[Json], name_of: Callable[[Json], str], unsaid: int) -> frozenset[str]:
    alone = len(listed) == 1
    return frozenset(name_of(each) for each in listed if each.get("weight", 1 if alone else unsaid))


def is_ready(pod: Json) -> bool:
    """Whether a pod is ready and not on its way out."""
    if pod["metadata"].get("deletionTimestamp"):
        return False
    conditions = pod.get("status", {}).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _labels(thing: Json) -> Json:
    return dict(thing["metadata"].get("labels") or {})


def _group(pod: Json) -> str:
    return names.label(pod, names.GROUP) or names.STABLE


def _count(deployment: Json | None) -> int:
    return int(deployment["spec"].get("replicas", 1)) if deployment else 0


def _selects(service: Json) -> Json:
    return dict(service["spec"].get("selector") or {})
