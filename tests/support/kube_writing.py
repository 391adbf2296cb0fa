"""The pure parts of a write to the Kubernetes API stand-in: what the server itself decides about an object."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from tests.support.kube_defaults import skeleton
from tests.support.kube_kinds import NAMESPACE, POD, Json, Resource

_KEPT_META = (
    "name",
    "uid",
    "creationTimestamp",
    "generation",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "namespace",
)
_GENERATIONS = ("deployments.apps", "replicasets.apps", "statefulsets.apps", "daemonsets.apps", "jobs.batch", "pods")
_OWN_STATUS = ("deployments.apps", "replicasets.apps", "pods", "services", "namespaces", "nodes")
ADDRESSED = {"ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"}


@lru_cache(maxsize=8)
def written_time(moment: datetime) -> str:
    """A moment as objects hold it: to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class Asked:
    """How a write was asked for."""

    manager: str = "unknown"
    dry: bool = False
    force: bool = False
    strict: bool = False
    subresource: str = ""
    may_create: Callable[[], None] = field(default=lambda: None)


def after(resource: Resource, thing: Json, old: Json, asked: Asked) -> Json:
    """`thing` with what no writer decides, and without what this write may not touch."""
    kept = {key: old["metadata"][key] for key in _KEPT_META if key in old["metadata"]}
    meta = {**(thing.get("metadata") or {}), **kept, "resourceVersion": old["metadata"]["resourceVersion"]}
    if asked.subresource == "status":
        annotations = (thing.get("metadata") or {}).get("annotations")
        meta = {**old["metadata"], **({"annotations": annotations} if annotations else {})}
        return {**old, "metadata": meta, "status": thing.get("status", {})}
    after = {**thing, "metadata": meta}
    if resource.plural == "services":
        address = {key: old["spec"][key] for key in ("clusterIP", "clusterIPs", *ADDRESSED) if key in old["spec"]}
        after["spec"] = {**address, **(thing.get("spec") or {})}
    return {**after, "status": old.get("status", {})} if resource.name in _OWN_STATUS else after


def unmanaged(thing: Json) -> Json:
    return {**thing, "metadata": {key: one for key, one in thing["metadata"].items() if key != "managedFields"}}


def keeps_status(resource: Resource, asked: Asked) -> bool:
    return resource.name in _OWN_STATUS and asked.subresource != "status"


def ending(resource: Resource, there: Json, finalizers: list[str], at: str, grace: int) -> Json:
    """An object that is on its way out."""
    more = {"deletionTimestamp": at, "deletionGracePeriodSeconds": grace}
    more |= {"finalizers": finalizers} if finalizers else {}
    if "generation" in there["metadata"]:
        more["generation"] = there["metadata"]["generation"] + 1
    ends = {**there, "metadata": {**there["metadata"], **more}}
    return {**ends, "status": {"phase": "Terminating"}} if resource == NAMESPACE else ends


def born(resource: Resource, thing: Json, now: str) -> Json:
    """A new object with what the server gives to one."""
    meta = {key: one for key, one in thing["metadata"].items() if key not in ("resourceVersion", "managedFields")}
    meta |= {"uid": str(uuid.uuid4()), "creationTimestamp": now}
    if resource.custom or resource.name in _GENERATIONS:
        meta["generation"] = 1
    made = {**thing, "metadata": meta}
    if resource.name in _OWN_STATUS:
        made["status"] = skeleton(resource).get("status", {})
    if resource == NAMESPACE:
        made |= {"spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}
        meta["labels"] = {"kubernetes.io/metadata.name": meta["name"], **(meta.get("labels") or {})}
    return made


def timeless(thing: Json) -> Json:
    """An object without the times at which its owners wrote."""
    entries = [
        {key: one for key, one in entry.items() if key != "time"}
        for entry in thing["metadata"].get("managedFields", ())
    ]
    return {**thing, "metadata": {**thing["metadata"], "managedFields": entries}}


def bumps(resource: Resource, old: Json, new: Json, asked: Asked) -> bool:
    """Whether a write begins a new generation. Of a Deployment the annotations count as well."""
    if resource.custom:
        parts = [{key: one for key, one in thing.items() if key not in ("metadata", "status")} for thing in (old, new)]
        return parts[0] != parts[1]
    is_noted = resource.name == "deployments.apps" and not asked.subresource and _annotations(old) != _annotations(new)
    return is_noted or (resource.name in _GENERATIONS and old.get("spec") != new.get("spec"))


def _annotations(thing: Json) -> Json:
    return thing["metadata"].get("annotations") or {}


def with_finalizer(there: list[str], policy: str) -> list[str]:
    more = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}.get(policy)
    return [*there, more] if more and more not in there else there


def grace_of(resource: Resource, there: Json, options: Mapping[str, Any]) -> int:
    """How many seconds a pod gets to end; nothing else gets any."""
    spec = there.get("spec") or {}
    if resource != POD or not spec.get("nodeName") or there.get("status", {}).get("phase") in ("Failed", "Succeeded"):
        return 0
    asked = options.get("gracePeriodSeconds")
    return int(spec.get("terminationGracePeriodSeconds", 30) if asked is None else asked)
