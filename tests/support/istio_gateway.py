"""A gateway of a real Istio, and what a team has behind it before Sluice comes: its routes, and a second workload."""

import os
from collections import Counter
from dataclasses import dataclass
from typing import Any, Self

import httpx
import pytest

from engine.targets.kubernetes.kinds import VIRTUAL_SERVICE, Kind
from tests.support import kube_foreign as foreign
from tests.support.kube_place import Place
from tests.support.kube_promises import is_ready
from tests.support.kube_surroundings import NAME
from tests.support.visitors import Address, Errand

Json = dict[str, Any]

ROUTES = "front"
"""The name of the team's Gateway and of its VirtualService."""
SHOP = "/shop"
"""The path to the workload."""
REPORTS = "reports"
"""The second workload, which always answers v3."""
_GATEWAY = Kind("networking.istio.io", "v1beta1", "Gateway", "gateways")
_SELECTOR = "istio=ingressgateway"


@dataclass(frozen=True, slots=True)
class Ingress:
    """Where the gateway is, which labels its pods have, and the host that the team has there."""

    address: Address
    selector: dict[str, str]
    host: str

    @classmethod
    def given(cls, namespace: str) -> Self:
        """The one that the environment names; skips the test without."""
        address, _, port = os.environ.get("SLUICE_TEST_ISTIO_GATEWAY", "").rpartition(":")
        if not address:
            pytest.skip(
                "SLUICE_TEST_ISTIO_GATEWAY names no gateway: set it to HOST:PORT, where port 80 of Istio's ingress "
                f"gateway is reached, and SLUICE_TEST_ISTIO_SELECTOR to its labels if they are not {_SELECTOR}."
            )
        said = os.environ.get("SLUICE_TEST_ISTIO_SELECTOR", _SELECTOR)
        labels = dict(each.split("=", 1) for each in said.split(","))
        return cls((address, int(port)), labels, f"{namespace}.example.com")

    def errand(self, name: str, path: str = SHOP, **headers: str) -> Errand:
        """What visitors ask for here."""
        return Errand(name, path, {"host": self.host, **headers})

    async def ask(self, *each: dict[str, str], path: str = SHOP, times: int = 1) -> list[set[str]]:
        """The versions that answer requests with these headers, each made so many times."""
        base = f"http://{self.address[0]}:{self.address[1]}"
        async with httpx.AsyncClient(base_url=base, timeout=10) as http:
            return [
                {await _version(http, path, {"host": self.host, **headers}) for _ in range(times)} for headers in each
            ]


async def _version(http: httpx.AsyncClient, path: str, headers: dict[str, str]) -> str:
    said = await http.get(path, headers=headers)
    return str(said.json()["version"]) if said.is_success else f"{said.status_code} {said.text}"


async def has_team(place: Place, ingress: Ingress) -> Json:
    """Have the workload and `REPORTS` beside it behind the gateway. Returns the team's routes."""
    await place.ground.serves(VIRTUAL_SERVICE.group)
    await place.has_workload(lifecycle={"preStop": {"sleep": {"seconds": 3}}})
    for thing in (_reports(place.ground.images.pulled("v3")), _reports_service(), _gateway(ingress), routes(ingress)):
        await place.put(thing)
    await place.until(lambda pods: sum(map(is_ready, pods)) == 4, "the second workload is ready")
    return routes_of(await place.hands.get(VIRTUAL_SERVICE, ROUTES))


def routes_of(live: Json) -> Json:
    """What a VirtualService says."""
    spec: Json = live["spec"]
    return spec


async def versions(place: Place) -> Counter[str]:
    """How many pods the workload has of each version, those that are not ready too."""
    return Counter(
        pod["spec"]["containers"][0]["image"].rpartition(":")[2] for pod in await place.pods(f"app!={REPORTS}")
    )


def routes(ingress: Ingress) -> Json:
    """The team's VirtualService: a route to the workload, and one to the others before and after it."""
    others = [{"destination": {"host": REPORTS, "port": {"number": foreign.PORT}}}]
    return {
        "apiVersion": VIRTUAL_SERVICE.api_version,
        "kind": VIRTUAL_SERVICE.kind,
        "metadata": {"name": ROUTES, "labels": {"team": "shop"}},
        "spec": {
            "hosts": [ingress.host],
            "gateways": [ROUTES],
            "http": [
                {
                    "name": "reports",
                    "match": [{"uri": {"prefix": f"{SHOP}/reports"}}],
                    "rewrite": {"uri": "/"},
                    "route": others,
                    "timeout": "9s",
                },
                {
                    "name": "shop",
                    "match": [{"uri": {"prefix": SHOP}}, {"uri": {"exact": "/"}, "method": {"exact": "GET"}}],
                    "rewrite": {"uri": "/"},
                    "route": [{"destination": {"host": NAME, "port": {"number": foreign.PORT}}}],
                },
                {"name": "rest", "rewrite": {"uri": "/"}, "route": others},
            ],
        },
    }


def _gateway(ingress: Ingress) -> Json:
    server = {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": [ingress.host]}
    return {
        "apiVersion": _GATEWAY.api_version,
        "kind": _GATEWAY.kind,
        "metadata": {"name": ROUTES},
        "spec": {"selector": ingress.selector, "servers": [server]},
    }


def _reports(image: str) -> Json:
    made = foreign.deployment(REPORTS, image, 1)
    made["spec"]["selector"] = {"matchLabels": {"app": REPORTS}}
    made["spec"]["template"]["metadata"] = {"labels": {"app": REPORTS}}
    return made


def _reports_service() -> Json:
    made = foreign.service(REPORTS)
    made["spec"]["selector"] = {"app": REPORTS}
    return made
