"""What a cluster holds of one workload, read from watches: the picture that everything else here is decided from.

An adopted Deployment or Service has no label of Sluice's until it is first written to, so it is asked for by its name,
seldom. Everything else comes from caches that are fed by watches, and costs no request.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from engine.deployment import Deployment
from engine.errors import InvariantViolation
from engine.model import Json
from engine.ports import Clock, Instance, Placement
from engine.rollout.fleet import Group, ReleaseId, Route
from engine.routing import gateway, istio
from engine.routing.ways import Ways
from engine.targets.kubernetes import names, objects, report, wish
from engine.targets.kubernetes.cluster import Cluster
from engine.targets.kubernetes.found import template_id
from engine.targets.kubernetes.kinds import (
    DEPLOYMENT,
    ENDPOINT_SLICE,
    EVENT,
    HTTP_ROUTE,
    POD,
    SERVICE,
    VIRTUAL_SERVICE,
    Kind,
)
from engine.targets.kubernetes.names import Place, place_of
from engine.targets.kubernetes.watching import Watching
from engine.targets.kubernetes.wish import Wish

_SELDOM = timedelta(seconds=2)
_SELDOM_BESIDE = timedelta(seconds=10)
_SELDOM_HEARD = timedelta(seconds=10)
_MOST_ASKED = 3
_GETTING_READY = timedelta(seconds=5)
_READ_WHOLE = {"istio": VIRTUAL_SERVICE, "canary": HTTP_ROUTE}
"""Which kind a strategy looks through as a whole, because those of others decide, too."""
_APART = ("gray", "blue", "green", "preview")


class Medium(StrEnum):
    """What decides who gets a request."""

    INSTANCES = "instances"
    """One Service over both tracks: the share is that of the instances."""
    SELECTOR = "selector"
    """The Service's selector, which names one group."""
    ISTIO = "istio"
    GATEWAY = "gateway"


@dataclass(frozen=True, slots=True)
class Scene:
    """One workload as it is.

    `service` is the one that visitors use, `services` those that lead to one group alone, by name. `pods` are by group.
    `routers` are the VirtualServices or HTTPRoutes that speak of the service, `strays` those that are still as another
    strategy has written them. `standing` is the release that runs where no pod says another.
    """

    place: Place
    spec: Deployment
    medium: Medium
    standing: ReleaseId | None
    service: Json | None = None
    services: Mapping[str, Json] = field(default_factory=dict)
    deployments: Mapping[str, Json] = field(default_factory=dict)
    pods: Mapping[str, tuple[Json, ...]] = field(default_factory=dict)
    slices: tuple[Json, ...] = ()
    routers: tuple[Json, ...] = ()
    strays: tuple[tuple[Kind, Json], ...] = ()
    events: tuple[Json, ...] = ()

    @property
    def ways(self) -> Ways:
        """How each group is reached on its own."""
        service = self.spec.service
        groups = {names.STABLE: service.name}
        groups |= {group: self.place.service(service.name, group) for group in _APART[:-1]}
        ports = self.service["spec"].get("ports", ()) if self.service is not None else ()
        alone = len(ports) <= 1
        return Ways(self.place.namespace, service.name, service.port, groups, service.protocol, alone)

    @property
    def wish(self) -> Wish:
        """The route asked for last; where nobody asked yet, the one that is there."""
        if self.service is None:
            return Wish()
        kept = wish.read(names.annotation(self.service, names.ROUTE))
        if kept is not None:
            return kept
        there = names.STABLE in self.deployments
        return Wish(Route({names.STABLE: 100}, preview=names.STABLE)) if there else Wish()

    @property
    def adopted(self) -> Json | None:
        """The Deployment that somebody else made and that is the stable group; None where Sluice made it."""
        live = self.deployments.get(names.STABLE)
        return live if live is not None and not names.is_ours(live) else None

    @property
    def found_service(self) -> Json | None:
        """The workload's own Service if somebody else made it."""
        return self.service if self.service is not None and not names.is_ours(self.service) else None

    @property
    def selected(self) -> Mapping[str, str]:
        """The labels by which the workload's own Service selects when nothing is being released."""
        if self.service is not None:
            found = names.remembered_selector(self.service)
            if found:
                return found
        if self.adopted is not None and self.service is None:
            return dict(self.adopted["spec"]["selector"].get("matchLabels", {}))
        return objects.selects(self.place, self.spec)

    @property
    def workload(self) -> str:
        """The workload's name among all of Sluice's."""
        return f"{self.place.cluster}/{self.place.namespace}/{self.place.name}"

    def all(self) -> list[tuple[Kind, Json]]:
        """Every object of the workload but its pods."""
        router = HTTP_ROUTE if self.medium is Medium.GATEWAY else VIRTUAL_SERVICE
        return [
            *((DEPLOYMENT, live) for live in self.deployments.values()),
            *((SERVICE, live) for live in (*([self.service] if self.service else []), *self.services.values())),
            *((router, live) for live in self.routers),
            *self.strays,
        ]

    def named(self, kind: Kind, name: str) -> Json | None:
        """One of these objects, if it is there."""
        return next((live for its, live in self.all() if its == kind and live["metadata"]["name"] == name), None)

    @property
    def apart(self) -> bool:
        """Whether the pods of gray, blue and green must not be selected by the workload's own Service."""
        return self.medium is not Medium.INSTANCES

    def groups(self, now: datetime) -> dict[str, Group]:
        """Every group, as a strategy sees it."""
        kept = self.wish
        found = {
            name: report.group_of(name, live, self.pods.get(name, ()), self.standing, self.events, now)
            for name, live in self.deployments.items()
        }
        return {
            name: replace(group, unrouted_since=self._unrouted(name, kept))
            for name, group in found.items()
            if group is not None
        }

    def _unrouted(self, group: str, kept: Wish) -> datetime | None:
        if kept.route.refers_to(group) or group in kept.leaving:
            return None
        made = datetime.fromisoformat(self.deployments[group]["metadata"]["creationTimestamp"])
        return kept.unrouted.get(group, made)


@dataclass(slots=True)
class Looking:
    """Sees the workloads of one cluster. `watching` holds its caches."""

    cluster: Cluster
    watching: Watching
    clock: Clock
    _asked: dict[tuple[Kind, str, str], tuple[datetime, Json | None]] = field(default_factory=dict)
    _heard: dict[tuple[str, str], tuple[datetime, tuple[Json, ...]]] = field(default_factory=dict)

    async def look(self, placement: Placement) -> Scene:
        """See the workload of `placement`."""
        spec = placement.spec
        if spec is None:
            raise InvariantViolation(f"The placement of {placement.workload} says nothing of its settings.")
        place = place_of(placement.workload)
        deployments = await self.deployments(place)
        service, services = await self._services(place, spec)
        pods = await self._pods(place, deployments)
        slices = await self.watching.seen(ENDPOINT_SLICE, place.namespace, _slices_of(place, spec)) if service else {}
        bare = Scene(place, spec, Medium.INSTANCES, _standing(placement, deployments), service, services, deployments)
        medium, routers = await self._routers(bare)
        events = await self._events(place, [pod for group in pods.values() for pod in group])
        seen = replace(bare, medium=medium, pods=pods, slices=tuple(slices.values()), routers=routers)
        return replace(seen, strays=await self._strays(seen), events=events)

    async def standing(self, kind: Kind, namespace: str, name: str, every: timedelta = _SELDOM) -> Json | None:
        """One object by its name, asked for anew every now and then."""
        key, now = (kind, namespace, name), self.clock.now()
        asked, thing = self._asked.get(key, (datetime.min.replace(tzinfo=now.tzinfo), None))
        if now - asked >= every:
            thing = await self.cluster.get(kind, namespace, name)
            self._asked[key] = (now, thing)
        return thing

    async def instances(self, workload: str) -> tuple[Instance, ...]:
        """Every pod of a workload, for people."""
        place, now = place_of(workload), self.clock.now()
        deployments = await self.deployments(place)
        by_group = await self._pods(place, deployments)
        pods = [pod for group in by_group.values() for pod in group]
        groups = {pod["metadata"]["name"]: group for group, found in by_group.items() for pod in found}
        live = deployments.get(names.STABLE)
        standing = template_id(workload, live) if live is not None else None
        events = await self._events(place, pods)
        return report.instances_of(pods, groups, standing, events, now, name=place.name, lives=deployments)

    async def _events(self, place: Place, pods: Sequence[Json]) -> tuple[Json, ...]:
        """What the cluster says of the pods that are not ready: of a few, and seldom, for each costs a request."""
        now = self.clock.now()
        unwell = [pod["metadata"]["name"] for pod in pods if _is_late(pod, now)]
        said: list[Json] = []
        for name in sorted(unwell)[:_MOST_ASKED]:
            asked, events = self._heard.get((place.namespace, name), (datetime.min.replace(tzinfo=now.tzinfo), ()))
            if now - asked >= _SELDOM_HEARD:
                listed = await self.cluster.list(EVENT, place.namespace, fields=f"involvedObject.name={name}")
                events = listed.items
                self._heard[place.namespace, name] = (now, events)
            said += events
        self._heard = {key: kept for key, kept in self._heard.items() if now - kept[0] < _SELDOM_HEARD}
        return tuple(said)

    def forget(self, kind: Kind, namespace: str, name: str) -> None:
        """It was written or removed: what was asked before is no longer so."""
        self._asked.pop((kind, namespace, name), None)

    async def deployments(self, place: Place) -> dict[str, Json]:
        """See the workload's Deployments, by group."""
        ours = await self.watching.seen(DEPLOYMENT, place.namespace, place.labels)
        found = {names.label(live, names.GROUP) or names.STABLE: live for live in ours.values()}
        if names.STABLE in found:
            self.forget(DEPLOYMENT, place.namespace, place.name)
            return found
        # What was adopted is marked before anything is made beside it; but others may take the mark off again.
        live = await self.standing(DEPLOYMENT, place.namespace, place.name, _SELDOM_BESIDE if found else _SELDOM)
        if live is not None and names.label(live, names.GROUP) in ("", names.STABLE):
            found[names.STABLE] = live
        return found

    async def _services(self, place: Place, spec: Deployment) -> tuple[Json | None, dict[str, Json]]:
        ours = dict(await self.watching.seen(SERVICE, place.namespace, place.labels))
        own = ours.pop(spec.service.name, None)
        return own or await self.standing(SERVICE, place.namespace, spec.service.name), ours

    async def _pods(self, place: Place, deployments: Mapping[str, Json]) -> dict[str, tuple[Json, ...]]:
        ours = await self.watching.seen(POD, place.namespace, place.labels)
        seen = dict(ours)
        live = deployments.get(names.STABLE)
        if live is not None and not names.is_ours(live):
            selector = names.selector_text(live["spec"]["selector"])
            seen |= await self.watching.seen(POD, place.namespace, selector)
        by_group: dict[str, list[Json]] = {}
        for pod in seen.values():
            by_group.setdefault(names.label(pod, names.GROUP) or names.STABLE, []).append(pod)
        return {group: tuple(pods) for group, pods in by_group.items()}

    async def _routers(self, scene: Scene) -> tuple[Medium, tuple[Json, ...]]:
        namespace, strategy = scene.place.namespace, scene.spec.strategy
        if strategy == "blue_green":
            return Medium.SELECTOR, ()
        if strategy == "istio":
            there = await self.watching.seen(VIRTUAL_SERVICE, namespace)
            return Medium.ISTIO, tuple(one for one in there.values() if istio.is_for(one, scene.ways))
        if not await self.cluster.serves(HTTP_ROUTE):
            return Medium.INSTANCES, ()
        there = await self.watching.seen(HTTP_ROUTE, namespace)
        routes = tuple(one for one in there.values() if gateway.is_for(one, scene.ways))
        return (Medium.GATEWAY, routes) if routes else (Medium.INSTANCES, ())

    async def _strays(self, scene: Scene) -> tuple[tuple[Kind, Json], ...]:
        """The VirtualServices and HTTPRoutes with a split in them that no present router is: a strategy left them."""
        place, found = scene.place, list[tuple[Kind, Json]]()
        present = {one["metadata"]["uid"] for one in scene.routers}
        for kind in (VIRTUAL_SERVICE, HTTP_ROUTE):
            if not await self.cluster.serves(kind):
                continue
            seen_whole = _READ_WHOLE.get(scene.spec.strategy) == kind
            there = await self.watching.seen(kind, place.namespace, "" if seen_whole else place.labels)
            mine = (one for one in there.values() if names.label(one, names.WORKLOAD) == place.name)
            split = (one for one in mine if names.is_ours(one) or names.annotation(one, names.FOUND))
            found += [(kind, one) for one in split if one["metadata"]["uid"] not in present]
        return tuple(found)


def _is_late(pod: Json, now: datetime) -> bool:
    """Whether a pod ought to be ready by now and is not: most are, and need no explanation."""
    made = datetime.fromisoformat(pod["metadata"]["creationTimestamp"])
    leaving = "deletionTimestamp" in pod["metadata"]
    return not leaving and not report.is_ready(pod) and now - made >= _GETTING_READY


def _slices_of(place: Place, spec: Deployment) -> str:
    services = [spec.service.name, *(place.service(spec.service.name, group) for group in _APART)]
    return f"kubernetes.io/service-name in ({','.join(services)})"


def _standing(placement: Placement, deployments: Mapping[str, Json]) -> ReleaseId | None:
    """The release that was found: as the book knows it, else as it would be called if it were found now."""
    known = [
        one.id for one in placement.releases.values() if one.settings.get("creation") == "found" and not one.adopted_by
    ]
    live = deployments.get(names.STABLE)
    if known:
        return known[0]
    return template_id(placement.workload, live) if live is not None else None
