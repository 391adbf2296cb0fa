"""Whether a cluster can do what a definition asks for, said before anything is touched; and what is left to it."""

import difflib
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import TypeVar

from engine.definition import Gray
from engine.deployment import DEFAULT_CLUSTER, Deployment
from engine.errors import StageFailure
from engine.manifest import QUIETLY, has_stop_hook
from engine.model import Json
from engine.routing import gateway, selectors
from engine.routing.ways import Ways
from engine.targets.kubernetes import found, names
from engine.targets.kubernetes.kinds import AUTOSCALER, DEPLOYMENT, HTTP_ROUTE, SERVICE, VIRTUAL_SERVICE
from engine.targets.kubernetes.names import Place
from engine.targets.kubernetes.site import Site

_BEGUN = timedelta(minutes=1)
"""For how long a gray release that stood counts as one that is on its way to everybody."""
T = TypeVar("T")


def named(sites: Mapping[str, T], cluster: str) -> T:
    """What is known of the cluster of that name. A definition that names none means ``default``, or the only one."""
    if cluster in sites:
        return sites[cluster]
    if cluster == DEFAULT_CLUSTER and len(sites) == 1:
        return sites[next(iter(sites))]
    if not sites:
        raise StageFailure(
            "Sluice knows no cluster.", 'Name one in its settings: SLUICE_CLUSTERS={"default": {"context": "..."}}.'
        )
    near = difflib.get_close_matches(cluster, sites, n=1)
    meant = f"Did you mean {near[0]}? " if near else ""
    raise StageFailure(
        f"There is no cluster {cluster}.", f"{meant}Write cluster: and one of {', '.join(sorted(sites))}."
    )


async def fit(site: Site, place: Place, spec: Deployment) -> Deployment:
    """`spec` with the service's name and the strategy filled in where they were left out.

    Raises `StageFailure` when the cluster cannot do it.
    """
    if "name" not in spec.service.model_fields_set:
        spec = spec.model_copy(update={"service": spec.service.model_copy(update={"name": place.name})})
    has_istio = await site.cluster.serves(VIRTUAL_SERVICE)
    if "strategy" not in spec.model_fields_set and has_istio:
        spec = spec.model_copy(update={"strategy": "istio"})
    if spec.strategy == "istio" and not has_istio:
        raise StageFailure(
            f"The cluster {site.name} has no Istio.", "Write strategy: canary or blue_green, or install Istio there."
        )
    await _check_scaling(site, place)
    service = await site.looking.standing(SERVICE, place.namespace, spec.service.name)
    if service is not None:
        _check_service(place, spec, service)
    live = await site.looking.standing(DEPLOYMENT, place.namespace, place.name)
    if live is not None and spec.strategy != "blue_green" and spec.upgrade == "recreate":
        _check_recreating(place, live)
    spec = found.filled(spec, live, service)
    if isinstance(spec, Gray):
        await _check_split(site, place, spec)
    return spec


async def _check_scaling(site: Site, place: Place) -> None:
    """Two that decide on the number of instances would undo each other's work."""
    listed = await site.cluster.list(AUTOSCALER, place.namespace)
    for scaler in listed.items:
        aim = scaler["spec"]["scaleTargetRef"]
        if (aim["kind"], aim["name"]) == ("Deployment", place.name):
            raise StageFailure(
                f"The HorizontalPodAutoscaler {place.namespace}/{scaler['metadata']['name']} decides how many "
                f"instances {place.name} has, and a release needs to.",
                "Remove it, or release under another workload name.",
            )


def _check_recreating(place: Place, live: Json) -> None:
    """Nobody can apply a Deployment's `rollingUpdate` away that somebody else has set, and beside it none recreates."""
    if names.is_ours(live) or not (live["spec"].get("strategy") or {}).get("rollingUpdate"):
        return
    patch = '{"spec":{"strategy":{"type":"Recreate","rollingUpdate":null}}}'
    raise StageFailure(
        f"The Deployment {place.namespace}/{place.name} is somebody else's and replaces its pods step by step; the "
        "cluster lets only its owner make that upgrade: recreate.",
        f"kubectl -n {place.namespace} patch deployment {place.name} -p '{patch}', or leave upgrade out.",
    )


def _check_service(place: Place, spec: Deployment, live: Json) -> None:
    service = spec.service
    ports = [each["port"] for each in live["spec"].get("ports", ())]
    if service.port not in ports:
        listed = ", ".join(str(port) for port in ports) or "none"
        raise StageFailure(
            f"The Service {place.namespace}/{service.name} is there already, and its ports are {listed}, "
            f"not {service.port}.",
            "Write the port that it has under service: port, or another service: name.",
        )
    if not live["spec"].get("selector") and live["spec"].get("type") != "ExternalName":
        raise StageFailure(
            f"The Service {place.namespace}/{service.name} selects no pods: somebody else keeps its endpoints.",
            "Give the workload a Service with a selector, or another service: name.",
        )


async def _check_split(site: Site, place: Place, spec: Gray) -> None:
    if spec.strategy == "istio":
        return
    content, ratio = spec.policy.content, spec.policy.ratio
    if spec.strategy == "blue_green" and (content or ratio):
        raise StageFailure(
            "blue_green switches everybody at once here: a Service can give nobody a share.",
            "Leave policy out (the preview port leads to the new version), or write strategy: istio.",
        )
    if spec.strategy != "canary" or await _has_routes(site, place, spec):
        return
    if content:
        raise StageFailure(
            f"Nothing in {site.name} looks into requests for {place.name}: there is no HTTPRoute that leads to it.",
            "Write policy: with a ratio alone, or put an HTTPRoute in front of the service.",
        )
    if ratio is not None:
        await _check_ratio(site, place, spec, ratio)


async def _check_ratio(site: Site, place: Place, spec: Gray, ratio: int) -> None:
    """Instances give shares: gray's part of all, or beside all where those that run now do not make room for it."""
    live = await site.looking.standing(DEPLOYMENT, place.namespace, place.name)
    staying = max(spec.instances, int(live["spec"].get("replicas", 1))) if live is not None else spec.instances
    beside = selectors.feasible(ratio, spec.gray_count, spec.instances, staying)
    if live is not None and not _is_quiet(place, spec, live):
        said = beside
    else:
        said = selectors.feasible(ratio, spec.gray_count, spec.instances)
        begun = place.deployment("gray")
        if said and not beside and await site.looking.standing(DEPLOYMENT, place.namespace, begun, _BEGUN):
            return  # it was beside the ones that are being replaced now
    if said:
        raise StageFailure(said, "")


def _is_quiet(place: Place, spec: Gray, live: Json) -> bool:
    said = names.annotation(live, QUIETLY)
    if said:
        return said == "true"
    return has_stop_hook(live["spec"]["template"], place.name, spec.image or "", spec.container or "")


async def _has_routes(site: Site, place: Place, spec: Deployment) -> bool:
    if not await site.cluster.serves(HTTP_ROUTE):
        return False
    there = await site.watching.seen(HTTP_ROUTE, place.namespace)
    ways = Ways(place.namespace, spec.service.name, spec.service.port, {names.STABLE: spec.service.name})
    return _any_for(there.values(), ways)


def _any_for(routes: Iterable[Json], ways: Ways) -> bool:
    return any(gateway.is_for(one, ways) for one in routes)
