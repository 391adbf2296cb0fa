"""The EndpointSlice controller of the Kubernetes API stand-in: which pods a Service leads to, a hundred in a slice."""

import secrets
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest

from tests.support.kube_kinds import ENDPOINT_SLICE, POD, SERVICE, Json
from tests.support.kube_replicas import is_leaving, is_ready
from tests.support.kube_selectors import matches
from tests.support.kube_verbs import Verbs

SERVICE_NAME = "kubernetes.io/service-name"
_MANAGED = "endpointslice.kubernetes.io/managed-by"
_BY = "endpointslice-controller.k8s.io"
_MOST = 100


@dataclass
class Endpoints:
    """Every Service's endpoints. An endpoint stays in its slice as long as it is one."""

    verbs: Verbs
    _looked: int = -1

    def step(self) -> None:
        if self._looked == self.verbs.store.version:
            return
        pods: dict[str, list[Json]] = {}
        services = [one for one in self.verbs.store.all(SERVICE) if (one.get("spec") or {}).get("selector")]
        for service in services:
            namespace = service["metadata"]["namespace"]
            if namespace not in pods:
                pods[namespace] = self.verbs.store.all(POD, namespace)
            self._reconcile(service, pods[namespace])
        self._looked = self.verbs.store.version

    def _reconcile(self, service: Json, pods: list[Json]) -> None:
        selector = service["spec"]["selector"]
        chosen = [pod for pod in pods if matches(selector, pod["metadata"].get("labels") or {}) and _has_address(pod)]
        wanted = {pod["metadata"]["uid"]: _endpoint(service, pod) for pod in chosen}
        ports = _ports(service, chosen)
        slices = self._slices(service)
        for one, endpoints in zip_longest(slices, list(_spread(slices, wanted)) or ([] if slices else [[]])):
            self._write(service, one, endpoints, ports)

    def _slices(self, service: Json) -> list[Json]:
        owned = self.verbs.store.owned_by(service["metadata"]["uid"])
        return [one for kind, one in owned if kind == ENDPOINT_SLICE]

    def _write(self, service: Json, there: Json | None, endpoints: list[Json] | None, ports: list[Json]) -> None:
        store = self.verbs.store
        if there is not None and endpoints is None:
            store.remove(ENDPOINT_SLICE, there)
            return
        told: Json = {"endpoints": endpoints or None, "ports": ports or None}
        if there is None:
            store.put(ENDPOINT_SLICE, {**self._made(service), **told})
        elif any(there[key] != one for key, one in told.items()):
            meta = {**there["metadata"], "generation": there["metadata"]["generation"] + 1}
            store.put(ENDPOINT_SLICE, {**there, **told, "metadata": meta})

    def _made(self, service: Json) -> Json:
        meta = service["metadata"]
        owner = {"apiVersion": "v1", "kind": "Service", "name": meta["name"], "uid": meta["uid"]}
        about = {
            "name": f"{meta['name']}-{secrets.token_hex(3)[:5]}",
            "generateName": f"{meta['name']}-",
            "namespace": meta["namespace"],
            "uid": str(uuid.uuid4()),
            "generation": 1,
            "creationTimestamp": self.verbs.now,
            "labels": {**(meta.get("labels") or {}), _MANAGED: _BY, SERVICE_NAME: meta["name"]},
            "ownerReferences": [{**owner, "controller": True, "blockOwnerDeletion": True}],
        }
        kind = {"apiVersion": ENDPOINT_SLICE.api_version, "kind": "EndpointSlice"}
        return {**kind, "metadata": about, "addressType": "IPv4"}


def _has_address(pod: Json) -> bool:
    status = pod.get("status", {})
    return bool(status.get("podIP")) and status.get("phase") not in ("Failed", "Succeeded")


def _endpoint(service: Json, pod: Json) -> Json:
    meta, leaving, serves = pod["metadata"], is_leaving(pod), is_ready(pod)
    ready = (serves and not leaving) or bool(service["spec"].get("publishNotReadyAddresses"))
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {"ready": ready, "serving": serves, "terminating": leaving},
        "targetRef": {"kind": "Pod", "namespace": meta["namespace"], "name": meta["name"], "uid": meta["uid"]},
        "nodeName": pod["spec"].get("nodeName", ""),
    }


def _spread(slices: list[Json], wanted: dict[str, Json]) -> Iterator[list[Json]]:
    """The endpoints of each slice: those that were in it stay, new ones fill what has room."""
    placed: list[list[Json]] = []
    for one in slices:
        uids = [endpoint["targetRef"]["uid"] for endpoint in one["endpoints"] or ()]
        placed.append([wanted[uid] for uid in uids if uid in wanted])
    there = {endpoint["targetRef"]["uid"] for endpoints in placed for endpoint in endpoints}
    left = [one for uid, one in wanted.items() if uid not in there]
    for endpoints in placed:
        room = _MOST - len(endpoints)
        endpoints.extend(left[:room])
        left = left[room:]
    placed += [left[start : start + _MOST] for start in range(0, len(left), _MOST)]
    kept = [one for one in placed if one]
    yield from kept or placed[:1]


def _ports(service: Json, pods: list[Json]) -> list[Json]:
    if not pods:
        return []
    return [
        {"name": one.get("name", ""), "protocol": one["protocol"], "port": _number(one, pods[0])}
        | ({"appProtocol": one["appProtocol"]} if "appProtocol" in one else {})
        for one in service["spec"].get("ports") or ()
    ]


def _number(port: Json, pod: Json) -> int:
    """The number of a target port that may be a name."""
    target = port["targetPort"]
    if isinstance(target, int):
        return target
    known = (one for container in pod["spec"]["containers"] for one in container.get("ports") or ())
    return next((int(one["containerPort"]) for one in known if one.get("name") == target), 0)
