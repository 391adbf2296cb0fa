"""How a route that is wanted comes true in a cluster, one step after another.

The danger: a reference to something that is not there yet. A mesh that is told to send a share to a Service without
endpoints answers with errors, and so does a Service whose selector names pods that are not ready.

The promise: make before break. A group has a Service, and that Service ready endpoints, before anything refers to it;
the objects that decide are written then; and whoever waits for the route is told that it is in effect only when the
objects say so, the endpoints are what the route needs, and the time has passed that proxies take to hear of it. What a
route leaves is removed by the move that ends the group, after its drain time.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from engine.model import Json
from engine.rollout.fleet import Route
from engine.routing import gateway, istio, selectors
from engine.routing.ways import is_home
from engine.targets.kubernetes import names, objects, wish
from engine.targets.kubernetes.kinds import HTTP_ROUTE, SERVICE, VIRTUAL_SERVICE, Kind
from engine.targets.kubernetes.overlay import laid_over
from engine.targets.kubernetes.scene import Medium, Scene
from engine.targets.kubernetes.wish import Wish
from engine.targets.kubernetes.writes import Apply, Remove, Write

Marks = Mapping[str, str]
_TRACKS = {names.STABLE, "gray"}
_ROUTERS = {Medium.ISTIO: VIRTUAL_SERVICE, Medium.GATEWAY: HTTP_ROUTE}
LANGUAGES = {VIRTUAL_SERVICE: istio, HTTP_ROUTE: gateway}


def is_wished(scene: Scene) -> bool:
    """Whether a route was ever asked for, as against being the one that was found."""
    return scene.service is not None and bool(names.annotation(scene.service, names.ROUTE))


def steps(scene: Scene, marks: Marks) -> tuple[Write, ...]:
    """What can be written now so that the route asked for comes true; empty when the objects say so, or must wait."""
    if not is_wished(scene):
        return ()
    first = tuple(_services(scene, marks)) or tuple(_own(scene, marks))
    if first or not _reachable(scene):
        return first
    return (*_routed(scene, marks), *_astray(scene, marks))


def says(scene: Scene, marks: Marks) -> bool:
    """Whether the objects say what the route wants, and each group in it has ready endpoints."""
    return scene.service is not None and not steps(scene, marks) and _reachable(scene) and _endpoints_fit(scene)


def route_to(scene: Scene, route: Route, marks: Marks) -> tuple[Write, ...]:
    """Everything that is written on the way to `route`, as if nothing had to be waited for."""
    wanted = asked(scene, scene.wish.asking(route), marks)
    notes = {"metadata": wanted.thing["metadata"]}
    after = replace(scene, service=laid_over(scene.service or wanted.thing, notes))
    return (wanted, *_services(after, marks), *_routed(after, marks), *_astray(after, marks))


def in_effect(scene: Scene, marks: Marks, settle: timedelta, now: datetime) -> bool:
    """Whether requests go where the route says."""
    kept = scene.wish
    if not is_wished(scene):
        return True
    return says(scene, marks) and kept.set_at is not None and now - kept.set_at >= settle


def left_over(scene: Scene, *, keeps_preview: bool) -> Iterator[Remove]:
    """The Services that led to a group of which nothing is left, and the preview's unless it is kept."""
    there = {*scene.wish.route.groups(), *scene.wish.leaving, *scene.deployments, *scene.pods}
    kept = {name for group, name in scene.ways.groups.items() if group in there}
    if keeps_preview:
        kept.add(scene.place.service(scene.spec.service.name, "preview"))
    for name, live in sorted(scene.services.items()):
        if names.is_ours(live) and name not in kept:
            yield Remove(SERVICE, name, live["metadata"]["uid"])


def asked(scene: Scene, kept: Wish, marks: Marks) -> Apply:
    """The workload's own Service with the wish written on it, made if there is none."""
    place, service = scene.place, scene.spec.service
    selector = _own_selector(scene, kept.route)
    notes = {**marks, names.ROUTE: wish.write(kept)}
    base = scene.found_service
    thing = objects.service(
        place, scene.spec, name=service.name, selector=scene.selected, port=service.port, marks=notes, base=base
    )
    changed = scene.service is not None and selector != dict(scene.service["spec"].get("selector") or {})
    remembered = scene.service is not None and names.annotation(scene.service, names.FOUND)
    if changed or remembered or base is None:
        thing["spec"] = {**thing.get("spec", {}), "selector": selector}
        thing["metadata"]["annotations"][names.FOUND] = names.selector_memory(scene.selected)
    if base is not None and names.annotation(base, names.ADOPTED):
        thing["metadata"]["annotations"][names.ADOPTED] = names.annotation(base, names.ADOPTED)
    return Apply(SERVICE, objects.with_applied(thing))


def _own_selector(scene: Scene, route: Route) -> dict[str, str]:
    """By what the workload's own Service selects under `route`."""
    return _selector(scene, _heaviest(route)) if _by_selector(scene, route) else dict(scene.selected)


def _by_selector(scene: Scene, route: Route) -> bool:
    """Whether the own Service's selector decides.

    It does as well where a colour serves that another strategy has left: until the route leaves it, it must stay so;
    and where gray takes everything beside a stable track that nobody is to be led to any more.
    """
    weighted = {name for name, weight in route.weights.items() if weight > 0}
    alone = scene.medium is Medium.INSTANCES and weighted == {"gray"} and names.STABLE in scene.deployments
    return scene.medium is Medium.SELECTOR or alone or not weighted <= _TRACKS


def _heaviest(route: Route) -> str:
    """The group that most plain requests go to: a selector knows no shares."""
    weights = {name: weight for name, weight in route.weights.items() if weight > 0}
    return max(sorted(weights), key=lambda name: weights[name], default=names.STABLE)


def _selector(scene: Scene, group: str) -> dict[str, str]:
    """The labels that only this group's pods carry."""
    live = scene.deployments.get(group)
    if group == names.STABLE and (live is None or not names.is_ours(live)):
        return dict(scene.selected)
    return {names.WORKLOAD: scene.place.name, names.GROUP: group}


def _services(scene: Scene, marks: Marks) -> Iterator[Write]:
    """The Services that lead to one group alone, as far as they are not there as they should be."""
    route, place, service = scene.wish.route, scene.place, scene.spec.service
    wanted: dict[str, tuple[str, int]] = {}
    if _is_routed(scene):
        wanted = {scene.ways.groups[group]: (group, service.port) for group in route.groups() - {names.STABLE}}
    if service.preview_port is not None and route.preview is not None:
        wanted[place.service(service.name, "preview")] = (route.preview, service.preview_port)
    for name, (group, port) in sorted(wanted.items()):
        thing = objects.service(
            place,
            scene.spec,
            name=name,
            selector=_selector(scene, group),
            port=port,
            marks={},
            base=scene.found_service,
        )
        live = scene.services.get(name)
        if live is None or (objects.applied_of(live) or {}).get("spec") != thing["spec"]:
            notes = {**marks, **thing["metadata"].get("annotations", {})}
            yield Apply(
                SERVICE, objects.with_applied({**thing, "metadata": {**thing["metadata"], "annotations": notes}})
            )


def _is_routed(scene: Scene) -> bool:
    """Whether objects of a mesh or a gateway decide who gets a request."""
    return scene.medium in _ROUTERS and not _by_selector(scene, scene.wish.route)


def _reachable(scene: Scene) -> bool:
    """Whether each group that requests are to be sent to has a Service, and that its ready pods and no other."""
    apart = scene.wish.route.groups() - {names.STABLE} if _is_routed(scene) else ()
    return all(_is_reached(scene, group) for group in apart) and (_endpoints_fit(scene) or _is_moving(scene))


def _is_reached(scene: Scene, group: str) -> bool:
    service, pods = scene.services.get(scene.ways.groups[group]), scene.pods.get(group, ())
    if service is None or not any(selectors.is_ready(pod) for pod in pods):
        return False
    return selectors.in_effect(service, scene.slices, _selector(scene, group), pods)


def _endpoints_fit(scene: Scene) -> bool:
    """Whether the workload's own Service leads to the ready pods that the route means, and to no other."""
    service = scene.service
    if service is None or not _behind_own(scene):
        return True
    return selectors.in_effect(service, _ours_in(scene), _own_selector(scene, scene.wish.route), _pods_of_own(scene))


def _behind_own(scene: Scene) -> set[str]:
    """The groups that requests are to reach by the workload's own Service."""
    route = scene.wish.route
    weighted = {name for name, weight in route.weights.items() if weight > 0}
    if weighted and _by_selector(scene, route):
        return {_heaviest(route)}
    return weighted & {names.STABLE} if _is_routed(scene) else weighted


def _pods_of_own(scene: Scene) -> tuple[Json, ...]:
    """The pods that ought to be behind the own Service, and those that its selector cannot tell from them."""
    meant, wanted = _behind_own(scene), _own_selector(scene, scene.wish.route).items()
    return tuple(
        pod
        for group, pods in scene.pods.items()
        for pod in pods
        if group in meant or wanted <= (pod["metadata"].get("labels") or {}).items()
    )


def _is_moving(scene: Scene) -> bool:
    """Whether pods behind the own Service come or go, so that endpoints lag behind, and requests find others there."""
    pods = [pod for group in _behind_own(scene) for pod in scene.pods.get(group, ())]
    ready = [pod for pod in pods if selectors.is_ready(pod)]
    if scene.service is None or len(ready) == len(pods):
        return False
    selector = _own_selector(scene, scene.wish.route)
    return any(selectors.leads_to(scene.service, scene.slices, selector, pod) for pod in ready)


def _ours_in(scene: Scene) -> tuple[Json, ...]:
    """The EndpointSlices without pods that are not the workload's: a Service of others may lead to more than it."""
    known = {pod["metadata"]["name"] for pods in scene.pods.values() for pod in pods}

    def is_known(endpoint: Json) -> bool:
        return (endpoint.get("targetRef") or {}).get("name") in known

    return tuple({**one, "endpoints": list(filter(is_known, one.get("endpoints") or ()))} for one in scene.slices)


def _own(scene: Scene, marks: Marks) -> Iterator[Write]:
    """The workload's own Service, if its selector is not yet the one that the route needs."""
    service = scene.service
    if service is not None and dict(service["spec"].get("selector") or {}) != _own_selector(scene, scene.wish.route):
        yield asked(scene, replace(scene.wish, set_at=None), marks)


def _routed(scene: Scene, marks: Marks) -> Iterator[Write]:
    """The VirtualServices or HTTPRoutes that do not say yet what the route wants."""
    if scene.medium not in _ROUTERS:
        return
    kind, route, reached = _ROUTERS[scene.medium], scene.wish.route, scene.ways
    for live in scene.routers:
        if goes_home(scene, live):
            yield from _put_back(scene, kind, live)
        elif not LANGUAGES[kind].follows(live, route, reached):
            yield from shared(scene, live, route, marks)
    alone = scene.medium is Medium.ISTIO and not any(istio.serves_mesh(live, reached) for live in scene.routers)
    if alone and _is_routed(scene) and not is_home(route, reached):
        yield _router(scene, kind, istio.routed(None, route, reached), marks)


def _astray(scene: Scene, marks: Marks) -> Iterator[Write]:
    """The VirtualServices and HTTPRoutes that another strategy has left: they are put back as they were found.

    As long as nobody is to be led to the own Service, they say what the route says.
    """
    plain = Route(scene.wish.route.weights)
    late = [
        write
        for kind, live in scene.strays
        for home in (goes_home(scene, live),)
        if home or not LANGUAGES[kind].follows(live, plain, scene.ways)
        for write in (_put_back(scene, kind, live) if home else _shared(scene, kind, live, plain, marks))
    ]
    if late and scene.wish.set_at is not None:  # proxies need their time to follow what changes now
        yield asked(scene, replace(scene.wish, set_at=None), marks)
    yield from late


def again(scene: Scene, kind: Kind, live: Json, found: Json, marks: Marks) -> Iterator[Apply]:
    """One VirtualService or HTTPRoute of others as the route wants it, made anew from `found`; nothing if it must wait.

    `found` is the object as it is without a split.
    """
    if not _reachable(scene):
        return
    route, is_stray = scene.wish.route, any(each is live for _, each in scene.strays)
    if is_stray:
        route = Route(route.weights)
    yield from (
        _given_back(kind, found) if goes_home(scene, live) else _shared(scene, kind, live, route, marks, found=found)
    )


def goes_home(scene: Scene, live: Json) -> bool:
    """Whether this VirtualService or HTTPRoute is to be as it was found."""
    if any(each is live for _, each in scene.strays):
        return bool(_behind_own(scene)) or not any(scene.wish.route.weights.values())
    return is_home(scene.wish.route, scene.ways) or not _is_routed(scene)


def shared(scene: Scene, live: Json, route: Route, marks: Marks) -> Iterator[Apply]:
    """One VirtualService or HTTPRoute as `route` wants it, with what was found written down on it."""
    yield from _shared(scene, _ROUTERS[scene.medium], live, route, marks)


def _shared(
    scene: Scene, kind: Kind, live: Json, route: Route, marks: Marks, *, found: Json | None = None
) -> Iterator[Apply]:
    module = LANGUAGES[kind]
    found = None if names.is_ours(live) else found or module.remembered(live) or live
    memory = module.memory(found) if found else ""
    yield _router(scene, kind, module.routed(found, route, scene.ways), marks, live=live, memory=memory)


def _put_back(scene: Scene, kind: Kind, live: Json) -> Iterator[Write]:
    module = LANGUAGES[kind]
    if objects.workload_of(live) not in ("", scene.place.name):
        return  # in the middle of another workload's release, which puts it back
    if names.is_ours(live):
        yield Remove(kind, live["metadata"]["name"], live["metadata"]["uid"])
    elif (found := module.remembered(live)) is not None:
        yield from _given_back(kind, found)


def _given_back(kind: Kind, found: Json) -> Iterator[Apply]:
    """The object as it was found, and nothing of Sluice's on it."""
    yield Apply(kind, {"apiVersion": kind.api_version, "kind": kind.kind, **LANGUAGES[kind].restored(found)})


def _router(
    scene: Scene, kind: Kind, thing: Json, marks: Marks, *, live: Json | None = None, memory: str = ""
) -> Apply:
    """A VirtualService or HTTPRoute with what Sluice writes beside its routes."""
    labels = {names.WORKLOAD: scene.place.name}
    if live is None or names.is_ours(live):
        labels[names.MANAGED] = "sluice"
    notes = {**marks}
    if memory:
        notes[names.FOUND] = memory
    if live is not None and names.annotation(live, names.ADOPTED):
        notes[names.ADOPTED] = names.annotation(live, names.ADOPTED)
    metadata = {**thing["metadata"], "labels": labels, "annotations": notes}
    whole = {"apiVersion": kind.api_version, "kind": kind.kind, **thing, "metadata": metadata}
    return Apply(kind, objects.with_applied(whole))
