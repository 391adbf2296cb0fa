"""Ways into a real mesh, and what a team has behind one before Sluice comes: its routes, and a second workload.

They are said by a VirtualService of Istio's gateway (``istio``), by one for the mesh itself (``mesh``), or by an
HTTPRoute of a Gateway (``gateway``). Each has a route to the workload, and before and after it one that leads to the
second workload. Without any (``bare``), the mesh knows the workload by its Service.
"""

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from engine.targets.kubernetes.kinds import HTTP_ROUTE, VIRTUAL_SERVICE, Kind
from tests.support import kube_foreign as foreign
from tests.support.kube_place import Place
from tests.support.kube_promises import is_ready
from tests.support.kube_surroundings import NAME
from tests.support.visitors import Address, Errand

Json = dict[str, Any]

SHOP, CART = "/shop", "/cart"
"""The paths to the workload: a prefix, and a whole one."""
REPORTS = "reports"
"""The second workload, which always answers v3."""
FOREIGN = {"before": f"{SHOP}/{REPORTS}", "after": "/prices"}
"""Paths to it: by the route before the workload's, and by the one after."""
_FRONT = "front"
_GATEWAY = Kind("networking.istio.io", "v1beta1", "Gateway", "gateways")
_SELECTOR = "istio=ingressgateway"


@dataclass(frozen=True, slots=True)
class Front:
    """Where a proxy of the mesh is reached, for which host, and what the team has there; its routes are of `kind`."""

    address: Address
    host: str
    things: tuple[Json, ...]
    kind: Kind = VIRTUAL_SERVICE

    def errand(self, name: str, path: str = SHOP) -> Errand:
        """What visitors ask for here."""
        return Errand(name, path, {"host": self.host})

    async def ask(self, *each: Mapping[str, str], path: str = SHOP, times: int = 1) -> list[set[str]]:
        """For requests with each of these headers, made so many times: the versions that answer."""
        base = f"http://{self.address[0]}:{self.address[1]}"
        async with httpx.AsyncClient(base_url=base, timeout=10) as http:
            return [
                {await _version(http, path, {"host": self.host, **headers}) for _ in range(times)} for headers in each
            ]

    async def routes(self, place: Place) -> Json:
        """What the team's routes say now; without any, nothing."""
        if not self.things:
            return {}
        spec: Json = (await place.hands.get(self.kind, _FRONT))["spec"]
        return spec


def front_of(way: str, namespace: str) -> Front:
    """The proxy that the environment names for this way; skips the test without."""
    match way:
        case "istio":
            return _by_virtual_service(namespace)
        case "gateway":
            return _by_http_route(namespace)
        case _:
            return _within(namespace, *([] if way == "bare" else [_virtual_service([NAME])]))


async def has_team(place: Place, front: Front) -> None:
    """Have the workload, and `REPORTS` beside it, behind the gateway."""
    await place.ground.serves(front.kind.group)
    await place.has_workload(lifecycle={"preStop": {"sleep": {"seconds": 3}}})
    labels = {"app": REPORTS}
    workload, service = foreign.deployment(REPORTS, place.ground.images.pulled("v3"), 1), foreign.service(REPORTS)
    workload["spec"]["selector"] = {"matchLabels": labels}
    workload["spec"]["template"]["metadata"] = {"labels": labels}
    service["spec"]["selector"] = labels
    for thing in (workload, service, *front.things):
        await place.put(thing)
    await place.until(lambda pods: sum(map(is_ready, pods)) == 4, "the second workload is ready")


async def versions(place: Place) -> Counter[str]:
    """How many pods the workload has of each version, those that are not ready too."""
    return Counter(
        pod["spec"]["containers"][0]["image"].rpartition(":")[2] for pod in await place.pods(f"app!={REPORTS}")
    )


async def _version(http: httpx.AsyncClient, path: str, headers: dict[str, str]) -> str:
    said = await http.get(path, headers=headers)
    return str(said.json()["version"]) if said.is_success else f"{said.status_code} {said.text}"


def _by_virtual_service(namespace: str) -> Front:
    told = os.environ.get("SLUICE_TEST_ISTIO_GATEWAY")
    if not told:
        pytest.skip(
            "SLUICE_TEST_ISTIO_GATEWAY names no gateway: set it to HOST:PORT, where port 80 of Istio's ingress gateway "
            f"is reached, and SLUICE_TEST_ISTIO_SELECTOR to the labels of its pods if they are not {_SELECTOR}."
        )
    labels = os.environ.get("SLUICE_TEST_ISTIO_SELECTOR", _SELECTOR).split(",")
    host = f"{namespace}.example.com"
    server = {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": [host]}
    gateway = {"selector": dict(each.split("=", 1) for each in labels), "servers": [server]}
    things = _thing(_GATEWAY, gateway), _virtual_service([host], gateways=[_FRONT])
    return Front(_address(told), host, things)


def _within(namespace: str, *things: Json) -> Front:
    told = os.environ.get("SLUICE_TEST_ISTIO_PROXY")
    if not told:
        pytest.skip(
            "SLUICE_TEST_ISTIO_PROXY names no proxy: set it to HOST:PORT, where a sidecar of the mesh takes requests "
            "as an HTTP proxy (Istio's proxyHttpPort)."
        )
    return Front(_address(told), f"{NAME}.{namespace}.svc.cluster.local", things)


def _virtual_service(hosts: list[str], **said: Any) -> Json:
    reports = {"rewrite": {"uri": "/"}, "route": [_destination(REPORTS)]}
    shop = [{"uri": {"prefix": SHOP}}, {"uri": {"exact": CART}, "method": {"exact": "GET"}}]
    routes = [
        {"name": "reports", "match": [{"uri": {"prefix": FOREIGN["before"]}}], **reports, "timeout": "9s"},
        {"name": "shop", "match": shop, "rewrite": {"uri": "/"}, "route": [_destination(NAME)]},
        {"name": "rest", **reports},
    ]
    return _thing(VIRTUAL_SERVICE, {"hosts": hosts, **said, "http": routes})


def _by_http_route(namespace: str) -> Front:
    named = os.environ.get("SLUICE_TEST_GATEWAY")
    if not named:
        pytest.skip(
            "SLUICE_TEST_GATEWAY names no gateway: set it to NAMESPACE/NAME@HOST:PORT, the Gateway of the Gateway API "
            "that takes HTTPRoutes of every namespace, and where its listener for HTTP is reached."
        )
    gateway, _, address = named.partition("@")
    where, _, name = gateway.partition("/")
    host = f"{namespace}.example.com"
    told = {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "x-front", "value": "team"}]}}
    reports = {"backendRefs": [{"name": REPORTS, "port": foreign.PORT}]}
    shop = {"filters": [told], "backendRefs": [{"name": NAME, "port": foreign.PORT}]}
    cart = {"path": {"type": "Exact", "value": CART}, "method": "GET"}
    rules = [
        {"matches": [_path(FOREIGN["before"])], **reports},
        {"matches": [_path(SHOP), cart], **shop},
        {"matches": [_path("/")], **reports},
    ]
    spec = {"parentRefs": [{"name": name, "namespace": where}], "hostnames": [host], "rules": rules}
    return Front(_address(address), host, (_thing(HTTP_ROUTE, spec),), HTTP_ROUTE)


def _address(told: str) -> Address:
    host, _, port = told.rpartition(":")
    return host, int(port)


def _destination(service: str) -> Json:
    return {"destination": {"host": service, "port": {"number": foreign.PORT}}}


def _path(prefix: str) -> Json:
    return {"path": {"type": "PathPrefix", "value": prefix}}


def _thing(kind: Kind, spec: Json) -> Json:
    metadata = {"name": _FRONT, "labels": {"team": "shop"}}
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, "spec": spec}
