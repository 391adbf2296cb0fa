"""A workload that others made, as a release: what a way back leads to until one of Sluice's has taken its place.

Its manifest is the Deployment as it was found, without what the cluster itself wrote into it. A way back to it applies
the recorded pod template whole, so that exactly what was there runs again: the same template even finds the ReplicaSet
again that is still kept. Its pods carry no annotation of Sluice's; a pod without one runs what was found.
"""

import hashlib
import json
from copy import deepcopy
from datetime import datetime
from typing import Any

import yaml

from engine.deployment import FOUND, Deployment
from engine.errors import StageFailure
from engine.fields import MAX_INSTANCES
from engine.manifest import container_of
from engine.model import Json, Release, RunId
from engine.rollout.fleet import ReleaseId
from engine.targets.kubernetes import names
from engine.targets.kubernetes.kinds import DEPLOYMENT
from engine.targets.kubernetes.names import Place

_OF_THE_CLUSTER = frozenset(
    {
        *("managedFields", "uid", "resourceVersion", "generation", "creationTimestamp", "selfLink"),
        *("deletionTimestamp", "deletionGracePeriodSeconds"),
    }
)
_NOTES_OF_OTHERS = ("kubectl.kubernetes.io/last-applied-configuration", "deployment.kubernetes.io/")
_ACCESS = {"ClusterIP": "cluster", "NodePort": "node", "LoadBalancer": "balancer"}


def found_release(place: Place, live: Json, service: Json | None, spec: Deployment, at: datetime) -> Release:
    """The Deployment `live`, with `service` in front of it, as a release.

    Raises `StageFailure` for one that a controller of its own looks after: it would undo every release.
    """
    _check_free(place, live)
    workload = f"{place.cluster}/{place.namespace}/{place.name}"
    containers = live["spec"]["template"]["spec"]["containers"]
    chosen = container_of(containers, place.name, spec.image or "", spec.container or "") or containers[0]["name"]
    reference = next(str(each["image"]) for each in containers if each["name"] == chosen)
    manifest = {"apiVersion": DEPLOYMENT.api_version, "kind": DEPLOYMENT.kind, **cleaned(live)}
    return Release(
        id=template_id(workload, live),
        workload=workload,
        image=without_registry(reference),
        digest=reference.partition("@")[2],
        settings=_settings(place, live, service, spec),
        manifest=yaml.safe_dump(manifest, sort_keys=False, allow_unicode=True),
        run=RunId(""),
        variables={},
        created_at=at,
        idle=not live["spec"].get("replicas", 1),
    )


def template_id(workload: str, live: Json) -> ReleaseId:
    """What the release is called that a Deployment's pod template is, if Sluice did not write it."""
    text = json.dumps(_template(live), sort_keys=True, separators=(",", ":"))
    return ReleaseId(f"{workload}@{FOUND}-{hashlib.sha256(text.encode()).hexdigest()[:12]}")


def is_same(live: Json, release: Release) -> bool:
    """Whether the pods of `live` are made as the found `release` was recorded."""
    return _template(live) == _template(recorded(release))


def recorded(release: Release) -> dict[str, Any]:
    """The Deployment of a found release as it was recorded: `metadata` and `spec`."""
    manifest: dict[str, Any] = yaml.safe_load(release.manifest)
    return {"metadata": manifest.get("metadata", {}), "spec": manifest["spec"]}


def cleaned(live: Json) -> dict[str, Any]:
    """An object without its status and without what the cluster and the tools around it note for themselves."""
    kept = {key: deepcopy(value) for key, value in live.items() if key != "status"}
    metadata = {key: value for key, value in kept.get("metadata", {}).items() if key not in _OF_THE_CLUSTER}
    notes = {key: value for key, value in (metadata.get("annotations") or {}).items() if not _is_a_note(key)}
    metadata.pop("annotations", None)
    if notes:
        metadata["annotations"] = notes
    kept["metadata"] = metadata
    template = (kept.get("spec") or {}).get("template")
    if isinstance(template, dict):
        (template.get("metadata") or {}).pop("creationTimestamp", None)
    return kept


def without_registry(reference: str) -> str:
    """An image as people know it: without the registry's host in front, and without a digest behind a tag."""
    name, _, digest = reference.partition("@")
    head, slash, rest = name.partition("/")
    if slash and ("." in head or ":" in head or head == "localhost"):
        name = rest
    tagged = ":" in name.rpartition("/")[2]
    return name if tagged or not digest else f"{name}@{digest}"


def filled(spec: Deployment, live: Json | None, service: Json | None) -> Deployment:
    """`spec` with what it leaves to a Service and a Deployment that somebody else made: container port and access.

    Sluice's own are made from the settings and add nothing to them: a release is to be the same one the next time.
    """
    if spec.creation == "yaml":
        return spec
    left: dict[str, Any] = {}
    theirs = service if service is not None and not names.is_ours(service) else None
    port = _container_port(spec, live, theirs) or (_only_port(live, spec) if live is not None else None)
    if spec.service.container_port is None and port is not None:
        left["container_port"] = port
    if spec.service.access is None and theirs is not None:
        left["access"] = _ACCESS.get(theirs["spec"].get("type", "ClusterIP"))
    return spec.model_copy(update={"service": spec.service.model_copy(update=left)}) if left else spec


def _check_free(place: Place, live: Json) -> None:
    owners = [each for each in live["metadata"].get("ownerReferences") or () if each.get("controller")]
    if owners:
        raise StageFailure(
            f"The Deployment {place.namespace}/{place.name} belongs to the {owners[0]['kind']} {owners[0]['name']}, "
            "which would undo every release of it.",
            "Release another workload, or take it out of that one's hands first.",
        )


def _settings(place: Place, live: Json, service: Json | None, spec: Deployment) -> dict[str, Any]:
    """What the rest of Sluice needs to know of it, as the settings of a definition."""
    strategy = live["spec"].get("strategy") or {}
    rolling = strategy.get("rollingUpdate") or {}
    recreate = strategy.get("type") == "Recreate"
    settings = {
        "creation": FOUND,
        "target": "kubernetes",
        "cluster": place.cluster,
        "namespace": place.namespace,
        "workload": place.name,
        "container": _named(spec, live),
        "strategy": spec.strategy,
        "instances": min(MAX_INSTANCES, max(1, live["spec"].get("replicas", 1))),
        "max_unavailable": 0 if recreate else _missing(rolling.get("maxUnavailable", "25%")),
        "upgrade": "recreate" if recreate else "rolling",
        "service": _service(place, spec, live, service),
        "readiness": spec.readiness.model_dump(mode="json", exclude_none=True, exclude={"http"}),
        "drain": spec.model_dump(mode="json")["drain"],
    }
    return Deployment.model_validate(settings).model_dump(mode="json", exclude_none=True)


def _named(spec: Deployment, live: Json) -> str | None:
    """The container that the definition names, if there is one of that name."""
    there = {str(each["name"]) for each in live["spec"]["template"]["spec"]["containers"]}
    return spec.container if spec.container in there else None


def _service(place: Place, spec: Deployment, live: Json, service: Json | None) -> dict[str, Any]:
    wanted = filled(spec, live, service).service.model_dump(mode="json", exclude_none=True)
    entry = _entry(spec, service)
    if service is None or entry is None:
        return wanted
    kind, protocol = service["spec"].get("type", "ClusterIP"), str(entry.get("protocol", "TCP"))
    if kind not in _ACCESS or protocol not in ("TCP", "UDP"):
        raise StageFailure(
            f"No release can stand behind the Service {place.namespace}/{wanted['name']} ({kind}, {protocol}).",
            "Write another service: name, or release under another workload name.",
        )
    if (protocol == "UDP") != (wanted["protocol"] == "udp"):
        wanted["protocol"] = protocol.lower()
    wanted |= {"port": entry["port"], "access": _ACCESS[kind]}
    port = _container_port(spec, live, service)
    if port is not None:
        wanted["container_port"] = port
    return {key: value for key, value in wanted.items() if key != "preview_port" or value != entry["port"]}


def _missing(amount: Any) -> Any:
    return min(amount, MAX_INSTANCES) if isinstance(amount, int) else amount


def _entry(spec: Deployment, service: Json | None) -> Json | None:
    """The port of the Service that the definition means, or its only one."""
    ports: list[Json] = (service or {}).get("spec", {}).get("ports") or []
    meant = next((each for each in ports if each["port"] == spec.service.port), None)
    return meant or (ports[0] if len(ports) == 1 else None)


def _container_port(spec: Deployment, live: Json | None, service: Json | None) -> int | None:
    """The number of the port that the Service leads to; it may call it by a name that a container gives it."""
    entry = _entry(spec, service)
    if entry is None:
        return None
    target = entry.get("targetPort", entry["port"])
    if isinstance(target, int):
        return target or int(entry["port"])
    containers: list[Json] = live["spec"]["template"]["spec"]["containers"] if live is not None else []
    ports = [port for each in containers for port in each.get("ports") or ()]
    return next((int(port["containerPort"]) for port in ports if port.get("name") == target), None)


def _only_port(live: Json, spec: Deployment) -> int | None:
    """The port that a Deployment of somebody else's says it listens on, if it is one.

    What stands beside the container that the definition names has ports for others.
    """
    containers: list[Json] = [] if names.is_ours(live) else live["spec"]["template"]["spec"]["containers"]
    meant = [each for each in containers if spec.container in (None, each["name"])]
    ports = [port for each in meant for port in each.get("ports") or ()]
    return int(ports[0]["containerPort"]) if len(ports) == 1 else None


def _template(live: Json) -> dict[str, Any]:
    template: dict[str, Any] = deepcopy(dict(live["spec"]["template"]))
    metadata = template.get("metadata") or {}
    metadata.pop("creationTimestamp", None)
    template["metadata"] = metadata
    return template


def _is_a_note(key: str) -> bool:
    return key.startswith((*_NOTES_OF_OTHERS, f"{names.DOMAIN}/"))
