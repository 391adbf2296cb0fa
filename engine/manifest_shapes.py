"""What the fields of a manifest hold: the mistakes that an API server would refuse, found before there is a release.

This is no schema. It knows the places where people slip: a number where Kubernetes wants a text (`version: 1.0`, an
environment variable of 8080), a port that is none, a key that is nearly one. A key that resembles nothing known is left
to the cluster, which may be newer than this list.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from engine.complaints import Path
from engine.fields import shown
from engine.manifest import Document, Fault

_ALMOST = 0.85
_MOST_PORTS = 65_535
_LONGEST_LABEL = 63
_LONGEST_NAME = 253
_LABEL = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)?", re.ASCII)
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*", re.ASCII)
_Words = tuple[str, str]


def shape_faults(document: Document) -> Iterator[Fault]:
    """Say which fields of one object hold what they cannot, and which keys are spelled wrongly."""
    kind = document.data.get("kind")
    shapes = {**_EVERYWHERE, **_SHAPES.get(kind if isinstance(kind, str) else "", {})}
    for pattern, check in shapes.items():
        for path, value in _at(document.data, tuple(pattern.split("."))):
            words = check(value)
            if words is not None:
                yield document.fault(path, f"{'.'.join(map(str, path))} {words[0]}", words[1])
    for pattern, keys in _KEYS.get(kind if isinstance(kind, str) else "", {}).items():
        for path, value in _at(document.data, tuple(pattern.split("."))):
            yield from _misspelled(document, path, value, keys.split())


def is_name(value: object) -> bool:
    """Whether an object can be called so."""
    return isinstance(value, str) and len(value) <= _LONGEST_NAME and _NAME.fullmatch(value) is not None


def _at(data: Any, pattern: tuple[str, ...], path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value that there is at `pattern`; ``*`` stands for each item of a list and each value of a mapping."""
    if not pattern:
        if data is not None:
            yield path, data
    elif pattern[0] != "*":
        if isinstance(data, dict) and pattern[0] in data:
            yield from _at(data[pattern[0]], pattern[1:], (*path, pattern[0]))
    elif isinstance(data, list):
        for position, item in enumerate(data):
            yield from _at(item, pattern[1:], (*path, position))
    elif isinstance(data, dict):
        for key, item in data.items():
            yield from _at(item, pattern[1:], (*path, key))


def _misspelled(document: Document, path: Path, value: Any, known: list[str]) -> Iterator[Fault]:
    for key in value if isinstance(value, dict) else ():
        near = get_close_matches(key[:_LONGEST_LABEL], known, n=1, cutoff=_ALMOST) if key not in known else []
        if near:
            problem = f"{shown(key)} is no key of {'.'.join(map(str, path))}"
            yield document.fault((*path, key), problem, near[0], of_key=True)


def _text(value: Any) -> _Words | None:
    if isinstance(value, str):
        return None
    if isinstance(value, bool):
        return "is no text: YAML takes it for true or false", "it in quotes"
    if isinstance(value, int | float):
        return f"is no text: YAML takes it for the number {value}", "it in quotes"
    return "is no text", "one text"


def _label(value: Any) -> _Words | None:
    if isinstance(value, str) and (len(value) > _LONGEST_LABEL or not _LABEL.fullmatch(value)):
        return f"is {shown(value)}, which no label can be", "at most 63 letters, digits, dashes, dots and underscores"
    return _text(value)


def _mapping(value: Any) -> _Words | None:
    return None if isinstance(value, dict) else ("holds no keys", "key: value lines, indented, without a dash")


def _list(value: Any) -> _Words | None:
    return None if isinstance(value, list) else ("is no list", "lines that begin with a dash")


def _count(value: Any) -> _Words | None:
    good = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return None if good else (f"is {shown(value)}, which is no count", "a whole number")


def _port(value: Any) -> _Words | None:
    good = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _MOST_PORTS
    return None if good else (f"is {shown(value)}, which is no port", "a number from 1 to 65535, without quotes")


def _one_of(*words: str) -> Callable[[Any], _Words | None]:
    def check(value: Any) -> _Words | None:
        listed = f"one of {', '.join(words)}"
        return None if value in words else (f"is {shown(value)}", listed)

    return check


_Shapes = Mapping[str, Callable[[Any], _Words | None]]
_EVERYWHERE: _Shapes = {
    "metadata": _mapping,
    "metadata.labels": _mapping,
    "metadata.labels.*": _label,
    "metadata.annotations": _mapping,
    "metadata.annotations.*": _text,
}
_POD = "spec.template.spec"
_EACH = f"{_POD}.containers.*"
_SHAPES: Mapping[str, _Shapes] = {
    "Deployment": {
        "spec": _mapping,
        "spec.replicas": _count,
        "spec.minReadySeconds": _count,
        "spec.progressDeadlineSeconds": _count,
        "spec.revisionHistoryLimit": _count,
        "spec.strategy": _mapping,
        "spec.strategy.type": _one_of("RollingUpdate", "Recreate"),
        "spec.selector": _mapping,
        "spec.selector.matchLabels": _mapping,
        "spec.selector.matchLabels.*": _label,
        "spec.selector.matchExpressions": _list,
        "spec.template": _mapping,
        "spec.template.metadata": _mapping,
        "spec.template.metadata.labels": _mapping,
        "spec.template.metadata.labels.*": _label,
        "spec.template.metadata.annotations": _mapping,
        "spec.template.metadata.annotations.*": _text,
        _POD: _mapping,
        f"{_POD}.containers": _list,
        f"{_POD}.volumes": _list,
        f"{_POD}.restartPolicy": _one_of("Always"),
        f"{_POD}.terminationGracePeriodSeconds": _count,
        _EACH: _mapping,
        f"{_EACH}.name": _text,
        f"{_EACH}.image": _text,
        f"{_EACH}.imagePullPolicy": _one_of("Always", "IfNotPresent", "Never"),
        f"{_EACH}.command": _list,
        f"{_EACH}.command.*": _text,
        f"{_EACH}.args": _list,
        f"{_EACH}.args.*": _text,
        f"{_EACH}.env": _list,
        f"{_EACH}.env.*.value": _text,
        f"{_EACH}.ports": _list,
        f"{_EACH}.ports.*.containerPort": _port,
        f"{_EACH}.volumeMounts": _list,
    },
    "Service": {
        "spec": _mapping,
        "spec.type": _one_of("ClusterIP", "NodePort", "LoadBalancer"),
        "spec.selector": _mapping,
        "spec.selector.*": _label,
        "spec.ports": _list,
        "spec.ports.*": _mapping,
        "spec.ports.*.port": _port,
        "spec.ports.*.protocol": _one_of("TCP", "UDP", "SCTP"),
    },
    "ConfigMap": {"data": _mapping, "data.*": _text},
}
_KEYS: Mapping[str, Mapping[str, str]] = {
    "Deployment": {
        "metadata": "name namespace labels annotations",
        "spec": "minReadySeconds paused progressDeadlineSeconds replicas revisionHistoryLimit selector strategy"
        " template",
        "spec.strategy": "rollingUpdate type",
        "spec.strategy.rollingUpdate": "maxSurge maxUnavailable",
        "spec.selector": "matchExpressions matchLabels",
        _POD: "affinity containers dnsConfig dnsPolicy hostNetwork hostname hostnameOverride imagePullSecrets"
        " initContainers nodeName nodeSelector priorityClassName restartPolicy runtimeClassName schedulerName"
        " securityContext serviceAccount serviceAccountName terminationGracePeriodSeconds tolerations"
        " topologySpreadConstraints volumes",
        _EACH: "args command env envFrom image imagePullPolicy lifecycle livenessProbe name ports readinessProbe"
        " resources securityContext startupProbe stdin stdinOnce tty volumeDevices volumeMounts workingDir",
        f"{_EACH}.env.*": "name value valueFrom",
        f"{_EACH}.ports.*": "containerPort hostIP hostPort name protocol",
        f"{_EACH}.resources": "claims limits requests",
        f"{_EACH}.volumeMounts.*": "mountPath mountPropagation name readOnly recursiveReadOnly subPath subPathExpr",
    },
    "Service": {
        "metadata": "name namespace labels annotations",
        "spec": "allocateLoadBalancerNodePorts clusterIP clusterIPs externalIPs externalName externalTrafficPolicy"
        " internalTrafficPolicy ipFamilies ipFamilyPolicy loadBalancerClass loadBalancerIP loadBalancerSourceRanges"
        " ports publishNotReadyAddresses selector sessionAffinity sessionAffinityConfig trafficDistribution type",
        "spec.ports.*": "appProtocol name nodePort port protocol targetPort",
    },
}
