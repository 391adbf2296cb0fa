"""Releases for a cluster and the objects made of them, held against the API's own schemas."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import kubernetes_validate

from engine.deployment import Deployment
from engine.model import Json, Release, RunId
from engine.rollout.fleet import ReleaseId
from engine.targets.kubernetes import objects
from engine.targets.kubernetes.names import Place
from engine.targets.kubernetes.overlay import laid_over

NOW = datetime(2026, 11, 23, 4, 15, tzinfo=UTC)
PLACE = Place("production", "shop", "web")
MARKS = {"sluice.dev/pipeline": "web", "sluice.dev/run": "web-7"}
DIGEST = f"sha256:{'ab' * 32}"
SELECTED = {"app": "web"}
NEWEST = kubernetes_validate.latest_version()


def settings(**given: Any) -> Deployment:
    """Settings of a workload in a cluster, with what a test says of them."""
    given.setdefault("service", {"name": "web", "port": 80})
    return Deployment.model_validate({"target": "kubernetes", "namespace": "shop", "workload": "web", **given})


def release(spec: Deployment, *, image: str = "shop/web:v2", digest: str = "", number: int = 2) -> Release:
    """A release with these settings, as they are stored."""
    stored = spec.model_dump(mode="json", exclude_none=True)
    name, run = ReleaseId(f"production/shop/web@{number:012x}"), RunId(f"web-{number}")
    return Release(name, "production/shop/web", image, digest, stored, "", run, {}, NOW)


def deployment(
    spec: Deployment,
    group: str = "stable",
    *,
    count: int = 4,
    base: Json | None = None,
    of: Release | None = None,
    selected: Mapping[str, str] | None = None,
    apart: bool = False,
    registry: str = "",
    place: Place = PLACE,
    max_unavailable: int = 1,
    recreate: bool = False,
) -> dict[str, Any]:
    """What is applied for a group."""
    return objects.deployment(
        place,
        group,
        of or release(spec),
        count,
        spec=spec,
        base=base,
        registry=registry,
        selected=SELECTED if selected is None else selected,
        apart=apart,
        max_unavailable=max_unavailable,
        recreate=recreate,
        marks=MARKS,
    )


def pod(thing: Json) -> dict[str, Any]:
    """The pods' specification of a Deployment."""
    found: dict[str, Any] = thing["spec"]["template"]["spec"]
    return found


def container(thing: Json, name: str = "web") -> dict[str, Any]:
    """One container of a Deployment."""
    found: dict[str, Any] = next(each for each in pod(thing)["containers"] if each["name"] == name)
    return found


def valid(thing: Json) -> bool:
    """Whether the newest API takes the object, which raises what is wrong with it, and says everything it must."""
    kubernetes_validate.validate(dict(thing), NEWEST, strict=True)
    return True


def adopted(**pod_fields: Any) -> dict[str, Any]:
    """A Deployment as `kubectl create` leaves it in a cluster, live, with defaults and managed fields."""
    labels = {"app": "web"}
    main = {
        "name": "main",
        "image": "registry.example.com/shop/web:v1",
        "imagePullPolicy": "IfNotPresent",
        "resources": {},
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "env": [{"name": "GREETING", "value": "hello"}],
        "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
    }
    template_spec = {
        "containers": [main],
        "restartPolicy": "Always",
        "dnsPolicy": "ClusterFirst",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "terminationGracePeriodSeconds": 30,
        **pod_fields,
    }
    rolling = {"maxUnavailable": "25%", "maxSurge": "25%"}
    made = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "web",
            "namespace": "shop",
            "uid": "0f0e",
            "resourceVersion": "812",
            "generation": 3,
            "creationTimestamp": "2026-01-02T03:04:05Z",
            "labels": {**labels, "app.kubernetes.io/instance": "shop"},
            "annotations": {"deployment.kubernetes.io/revision": "3", "owner": "ann"},
        },
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": dict(labels)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": rolling},
            "minReadySeconds": 7,
            "revisionHistoryLimit": 10,
            "progressDeadlineSeconds": 600,
            "template": {"metadata": {"creationTimestamp": None, "labels": dict(labels)}, "spec": template_spec},
        },
        "status": {"replicas": 3, "readyReplicas": 3, "observedGeneration": 3},
    }
    return with_fields(made, owned(made, "kubectl-create", "Update"))


def with_fields(live: Json, *entries: Json) -> dict[str, Any]:
    """A live object with these managed fields."""
    return {**live, "metadata": {**live["metadata"], "managedFields": list(entries)}}


def owned(thing: Json, manager: str, operation: str) -> dict[str, Any]:
    """The managed fields of one manager who has written all of `thing`."""
    written = {key: thing[key] for key in ("metadata", "spec") if key in thing}
    metadata = {key: value for key, value in written["metadata"].items() if key in ("labels", "annotations")}
    fields = _fields({**written, "metadata": metadata})
    return {"manager": manager, "operation": operation, "apiVersion": thing["apiVersion"], "fieldsV1": fields}


_KEYS = {
    "containers": ("name",),
    "env": ("name",),
    "ports": ("containerPort", "protocol"),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
}
_WHOLE = ("selector", "nodeSelector")


def _fields(value: Json) -> dict[str, Any]:
    return {f"f:{key}": _field(key, item) for key, item in value.items()}


def _field(key: str, item: Any) -> dict[str, Any]:
    if isinstance(item, dict) and item and key not in _WHOLE:
        return _fields(item)
    if key in _KEYS and isinstance(item, list):
        return {_named(key, each): {".": {}, **_fields(each)} for each in item}
    return {}


def _named(key: str, item: Json) -> str:
    pairs = (f'"{name}":{_written(item.get(name, "TCP"))}' for name in _KEYS[key])
    return f"k:{{{','.join(pairs)}}}"


def _written(value: Any) -> str:
    return str(value) if isinstance(value, int) else f'"{value}"'


def taken_over(live: Json, applied: Json) -> dict[str, Any]:
    """`live` after `applied` was forced upon it: what differs is Sluice's from then on, what is equal is both's."""
    noted = objects.with_applied(applied)
    after = laid_over(live, noted)
    theirs = owned(_common(live, after), "kubectl-create", "Update")
    return with_fields(after, theirs, owned(noted, "sluice", "Apply"))


def _common(before: Any, after: Any) -> Any:
    if isinstance(before, dict) and isinstance(after, dict):
        shared = {key: _common(item, after[key]) for key, item in before.items() if key in after}
        return {key: item for key, item in shared.items() if item is not None}
    if isinstance(before, list) and isinstance(after, list) and all(isinstance(each, dict) for each in before):
        return [_common(one, next((other for other in after if _alike(one, other)), None)) for one in before]
    return before if before == after else None


def _alike(one: Json, other: Json) -> bool:
    return all(one.get(key) == other.get(key) for key in ("name", "containerPort", "mountPath"))
