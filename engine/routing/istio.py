"""What Istio is told: VirtualServices, our own or those that were found, as values. Pure.

The danger: a VirtualService is one ordered list for all requests to a host, and the first match wins. Written anew, it
loses what others wrote; a rule put on top of it takes requests that never were this workload's; one VirtualService
left out (that of the ingress) lets its visitors go past the split; and a request to a port that no route speaks of is
answered with 404.

The promise: exactly the destinations that name the own Service, on its routed port, get the split. A route with such
destinations becomes two: in front, the same route for the requests that pass a rule (each of its matches together with
each of ours); behind, itself with weights. As the first stands directly before the second and takes only requests that
the second would have taken, every other route keeps its requests. When everything goes to the own Service, the list is
the one that was found.

Names of Services: Istio completes a short host with the namespace of the VirtualService, not of the workload, so
``web`` in another namespace is another Service. ``web.shop`` is no name that Istio completes, but nobody else's
either. Hosts with a wildcard say nothing by themselves: who is meant is said by the destinations. A delegate has no
hosts at all, and is found by its destinations, too.

On the mesh, a match's port is one of the Service; on a gateway it is one of the gateway. Where the own Service has
further ports, ours is asked for in each match, and the route as it was found follows for the others. One limit: a
VirtualService for the mesh and a gateway at once, whose destination names no port, shares requests to all of them.

Weights are shares of their sum. They sum to 100, unless a route leads to others as well in parts that whole numbers of
a hundred cannot give.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from copy import deepcopy
from functools import partial

from engine.errors import StageFailure
from engine.model import Json
from engine.rollout.fleet import Route
from engine.routing import ways as kept
from engine.routing.header_matches import conditions, joined
from engine.routing.split_lists import SplitList
from engine.routing.ways import Made, Ways, is_home, matched_service, outline, shares, spread

__all__ = [
    "Made",
    "Ways",
    "effective",
    "follows",
    "is_for",
    "is_split",
    "memory",
    "remembered",
    "restored",
    "routed",
    "serves_mesh",
    "split_list",
]

API_VERSION = "networking.istio.io/v1"
KIND = "VirtualService"
_MESH = "mesh"
_LISTS = ("http", "tcp")
_SHOWN = ("hosts", "gateways", *_LISTS)
_EVERYTHING = {"uri": {"prefix": "/"}}


def is_for(virtual_service: Json, ways: Ways) -> bool:
    """Whether this VirtualService speaks for the own Service: by a host of its own, or by where it sends requests.

    Or by where it sent them before all of them were sent elsewhere.
    """
    return _has_host(virtual_service, ways) or any(
        _is_ours(destination, entry, one, ways)
        for one in (virtual_service, remembered(virtual_service))
        if one is not None
        for key in _LISTS
        for entry in _entries(one, key)
        for destination in entry.get("route", ())
    )


def serves_mesh(virtual_service: Json, ways: Ways) -> bool:
    """Whether it decides for requests from within the mesh. If none does, one of our own has to, beside those found.

    Istio follows one VirtualService for a host there, so a second one must not be made.
    """
    spec = virtual_service.get("spec", {})
    if _MESH not in (spec.get("gateways") or [_MESH]):
        return False
    full = f"{ways.service}.{ways.namespace}.svc.cluster.local"
    wild = (host[1:] for host in spec.get("hosts", ()) if host.startswith("*"))
    return _has_host(virtual_service, ways) or any(full.endswith(part) for part in wild)


def routed(found: Json | None, route: Route, ways: Ways) -> Made:
    """The object to apply so that `route` holds; without one that was found, one of our own, for the mesh only."""
    key = _list_of(route, ways)
    base = found or _own(ways, key)
    sent = deepcopy(_entries(base, key))
    if not is_home(route, ways):
        whole = sent or (_default(ways) if _is_all_about_us(base, ways) else [])
        sent = [one for each in whole for one in _sent(base, each, route, ways)]
    around = {} if found else base["spec"]
    return {**outline(base), "spec": {**around, **({key: sent} if sent else {})}}


def restored(found: Json) -> Made:
    """What puts back the routes that were found."""
    return {**outline(found), "spec": {key: deepcopy(found["spec"][key]) for key in _LISTS if key in found["spec"]}}


def follows(live: Json | None, route: Route, ways: Ways) -> bool:
    """Whether the live object sends requests exactly so. Without one they go to the own Service.

    One that leads nowhere of ours (its delegate does) follows every route.
    """
    if live is None:
        return is_home(route, ways)
    found = remembered(live)
    if found is None and _leads_apart(live, ways):
        return bool(live["spec"] == routed(None, route, ways)["spec"])
    wanted = routed(live if found is None else found, route, ways)["spec"]
    key = _list_of(route, ways)
    return bool(live.get("spec", {}).get(key, []) == wanted.get(key, []))


def effective(live: Iterable[Json]) -> str:
    """Which requests these objects speak for and where they send them, as YAML for people."""
    return kept.for_people(live, _SHOWN)


def memory(found: Json) -> str:
    """What to write down of `found` in the annotation `engine.routing.ways.FOUND`, before it is changed."""
    return kept.memory(found, _LISTS)


def remembered(live: Json) -> Made | None:
    """`live` as it was found, from what was written down on it."""
    return kept.remembered(live, _LISTS)


def is_split(live: Json, ways: Ways) -> bool:
    """Whether it leads to a Service of one group alone, as against being as its owners write it."""
    return _leads_apart(live, ways)


def split_list(live: Json, said: Json, ways: Ways) -> SplitList | None:
    """What is split of `live`, of which `said` was written last; None when what was found is not written down on it."""

    def is_ours(entry: Json) -> bool:
        return _speaks_of(entry, live, ways, {ways.service, *ways.apart})

    found = remembered(live)
    if found is None:
        return None
    return SplitList(ways.protocol, "route", found, said, live, is_ours, is_split(live, ways))


def _list_of(route: Route, ways: Ways) -> str:
    if ways.protocol == "udp":
        raise StageFailure(
            f"Istio leads UDP past its proxies, so {ways.namespace}/{ways.service} cannot be shared by it.",
            hint="Write strategy: canary or strategy: blue_green.",
        )
    if ways.protocol == "tcp" and matched_service(route, ways):
        raise StageFailure(
            f"{ways.namespace}/{ways.service} speaks TCP, whose connections have no headers to tell testers by.",
            hint="Leave content out of the policy and give a ratio, or write protocol: http.",
        )
    return ways.protocol


def _own(ways: Ways, key: str) -> Made:
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": ways.service, "namespace": ways.namespace},
        "spec": {"hosts": [ways.service], "gateways": [_MESH], key: _default(ways)},
    }


def _is_all_about_us(found: Json, ways: Ways) -> bool:
    """Whether it speaks for no other host, and for the mesh alone: what it does not say is then Istio's default."""
    hosts = found.get("spec", {}).get("hosts") or []
    return bool(hosts) and _mesh_only(found) and all(_names(host, ways.service, found, ways) for host in hosts)


def _default(ways: Ways) -> list[Json]:
    """What Istio does without any VirtualService."""
    return [{"route": [{"destination": {"host": ways.service}}]}]


def _sent(found: Json, entry: Json, route: Route, ways: Ways) -> list[Json]:
    """`entry` with the split: for our port, and, where that is not all that it is about, for the others."""
    is_ours = partial(_is_ours, entry=entry, found=found, ways=ways)
    portless = (each for each in entry.get("route", ()) if is_ours(each) and _is_portless(each))
    if ways.alone or not _mesh_only(found) or not any(_counts(each, entry) for each in portless):
        return _shared(entry, is_ours, route, ways)
    here = {**entry, "match": _on_our_port(entry, ways)}
    made = _shared(here, is_ours, route, ways)
    if here["match"] == entry.get("match"):
        return made
    return made + _shared(entry, lambda each: is_ours(each) and not _is_portless(each), route, ways)


def _shared(entry: Json, is_ours: Callable[[Json], bool], route: Route, ways: Ways) -> list[Json]:
    """`entry` with weights, after its copy for those who pass a rule. As it is, if nothing of ours gets a request."""
    if not any(is_ours(each) and _counts(each, entry) for each in entry.get("route", ())):
        return [entry]

    def split(parts: Mapping[str, int]) -> list[Made]:
        return spread(entry["route"], parts, is_ours, partial(_twin, ways=ways), unweighted=0)

    plain = {**entry, "route": split(shares(route, ways))}
    service = matched_service(route, ways)
    if service is None:
        return [plain]
    matches = entry.get("match") or [{}]
    both = [joined(match, wanted) or _EVERYTHING for wanted in conditions(route.rules) for match in matches]
    name = f"{entry['name']}-{route.matched}" if "name" in entry else service
    return [{**entry, "name": name, "match": both, "route": split({service: 100})}, plain]


def _twin(found: Json, service: str, ways: Ways) -> Json:
    """The destination that leads to `service` instead. Its subset, made for the pods of the own one, falls away."""
    if service == ways.service:
        return found
    _, dot, rest = found["destination"]["host"].partition(".")
    return {**found, "destination": {"host": f"{service}{dot}{rest}", "port": {"number": ways.port}}}


def _is_ours(destination: Json, entry: Json, found: Json, ways: Ways) -> bool:
    to = destination.get("destination", {})
    port = to.get("port", {}).get("number", ways.port)
    if port != ways.port or not _names(to.get("host", ""), ways.service, found, ways):
        return False
    return bool(_on_our_port(entry, ways)) or not (_is_portless(destination) and _mesh_only(found))


def _on_our_port(entry: Json, ways: Ways) -> list[Json]:
    """The matches of `entry` as far as they are about the routed port, which each of them then names."""
    matches = entry.get("match") or [{}]
    return [{**match, "port": ways.port} for match in matches if match.get("port", ways.port) == ways.port]


def _is_portless(destination: Json) -> bool:
    return "number" not in destination.get("destination", {}).get("port", {})


def _counts(destination: Json, entry: Json) -> bool:
    """Whether any request takes it: a single destination needs no weight."""
    return len(entry["route"]) == 1 or destination.get("weight", 0) > 0


def _leads_apart(live: Json, ways: Ways) -> bool:
    return any(_speaks_of(each, live, ways, ways.apart) for key in _LISTS for each in _entries(live, key))


def _speaks_of(entry: Json, live: Json, ways: Ways, services: Collection[str]) -> bool:
    """Whether the route names one of `services` as a destination, with whatever weight."""
    hosts = [each.get("destination", {}).get("host", "") for each in entry.get("route", ())]
    return any(_names(host, service, live, ways) for host in hosts for service in services)


def _has_host(virtual_service: Json, ways: Ways) -> bool:
    hosts = virtual_service.get("spec", {}).get("hosts", ())
    return any(_names(host, ways.service, virtual_service, ways) for host in hosts)


def _names(host: str, service: str, found: Json, ways: Ways) -> bool:
    """Whether `host`, written in `found`, is the Service of that name beside the workload."""
    if host == service:
        return bool(found["metadata"].get("namespace", ways.namespace) == ways.namespace)
    full = f"{service}.{ways.namespace}"
    return host in (full, f"{full}.svc") or host.startswith(f"{full}.svc.")


def _mesh_only(virtual_service: Json) -> bool:
    return set(virtual_service.get("spec", {}).get("gateways") or [_MESH]) == {_MESH}


def _entries(virtual_service: Json, key: str) -> list[Json]:
    entries: list[Json] = virtual_service.get("spec", {}).get(key) or []
    return entries
