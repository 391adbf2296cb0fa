"""Pods, events and Deployments as the API gives them, for tests that only read."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
NODE = "node-1"


def ago(seconds: float) -> str:
    """A moment before `NOW`, as the API writes it."""
    return (NOW - timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def condition(kind: str, *, on: bool, reason: str = "", message: str = "", since: float = 60) -> dict[str, Any]:
    said = {"type": kind, "status": "True" if on else "False", "lastTransitionTime": ago(since)}
    return said | ({"reason": reason} if reason else {}) | ({"message": message} if message else {})


def container(name: str = "web", **more: Any) -> dict[str, Any]:
    return {"name": name, "image": "org/web:v2", "ports": [{"containerPort": 8080, "protocol": "TCP"}], **more}


def running(name: str = "web", *, ready: bool = True, since: float = 60, **more: Any) -> dict[str, Any]:
    state = {"running": {"startedAt": ago(since)}}
    return {"name": name, "ready": ready, "started": True, "restartCount": 0, "state": state, "lastState": {}, **more}


def waiting(reason: str, message: str = "", *, name: str = "web", **more: Any) -> dict[str, Any]:
    state = {"waiting": {"reason": reason} | ({"message": message} if message else {})}
    return {"name": name, "ready": False, "started": False, "restartCount": 0, "state": state, "lastState": {}, **more}


def ended(code: int, reason: str = "Error", message: str = "", *, since: float = 5) -> dict[str, Any]:
    said = {"exitCode": code, "reason": reason, "startedAt": ago(since + 2), "finishedAt": ago(since)}
    return {"terminated": said | ({"message": message} if message else {})}


def crashed(how: Mapping[str, Any], *, times: int = 5, name: str = "web") -> dict[str, Any]:
    """A container that is kept from being started again for a while."""
    return waiting(
        "CrashLoopBackOff",
        f"back-off 2m40s restarting failed container={name} pod=web-1",
        name=name,
        restartCount=times,
        lastState=how,
    )


def pod(
    name: str = "web-1",
    *statuses: Mapping[str, Any],
    ready: bool = False,
    containers: Sequence[Mapping[str, Any]] = (),
    conditions: Sequence[Mapping[str, Any]] = (),
    metadata: Mapping[str, Any] | None = None,
    spec: Mapping[str, Any] | None = None,
    status: Mapping[str, Any] | None = None,
    inits: Sequence[Mapping[str, Any]] = (),
    since: float = 60,
) -> dict[str, Any]:
    """A pod on a node. `conditions` come before those that `ready` says."""
    said = statuses or (running(ready=ready),)
    usual = [
        condition("Ready", on=ready, reason="" if ready else "ContainersNotReady", since=since),
        condition("ContainersReady", on=ready, since=since),
        condition("PodScheduled", on=True, since=since),
    ]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "shop",
            "uid": f"uid-{name}",
            "creationTimestamp": ago(since),
            **(metadata or {}),
        },
        "spec": {"nodeName": NODE, "containers": list(containers or [container()]), **(spec or {})},
        "status": {
            "phase": "Running",
            "podIP": "10.1.2.3",
            "startTime": ago(since),
            "conditions": [*conditions, *usual],
            "containerStatuses": list(said),
            "initContainerStatuses": list(inits),
            **(status or {}),
        },
    }


def unscheduled(message: str, *, reason: str = "Unschedulable", **spec: Any) -> dict[str, Any]:
    """A pod without a node."""
    made = pod(spec=spec)
    del made["spec"]["nodeName"]
    made["status"] = {
        "phase": "Pending",
        "conditions": [condition("PodScheduled", on=False, reason=reason, message=message)],
    }
    return made


def happened(
    reason: str, message: str, *, about: str = "web-1", part: str = "", seconds: float = 10, times: int = 1
) -> dict[str, Any]:
    """An event; `part` is the container that it is about."""
    where = {"fieldPath": f"spec.containers{{{part}}}"} if part else {}
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{about}.{reason}", "namespace": "shop"},
        "involvedObject": {"kind": "Pod", "name": about, "uid": f"uid-{about}", **where},
        "reason": reason,
        "message": message,
        "type": "Warning",
        "count": times,
        "firstTimestamp": ago(seconds + 30),
        "lastTimestamp": ago(seconds),
    }


def deployment(name: str = "web", *, replicas: int = 2, **parts: Mapping[str, Any]) -> dict[str, Any]:
    """A Deployment that its controller has seen as it is. `parts` are added to metadata, spec and status."""
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container()]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": name,
            "namespace": "shop",
            "uid": f"uid-{name}",
            "generation": 3,
            "creationTimestamp": ago(600),
            **parts.get("metadata", {}),
        },
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": template,
            **parts.get("spec", {}),
        },
        "status": {
            "observedGeneration": 3,
            "replicas": replicas,
            "updatedReplicas": replicas,
            **parts.get("status", {}),
        },
    }
