"""What the API server fills in that an object leaves open, for the fields that a release reads or writes."""

from collections.abc import Callable
from typing import Any

from tests.support.kube_kinds import Json, Resource
from tests.support.kube_quantities import canonical, canonical_resources


def defaulted(resource: Resource, thing: Json) -> Json:
    """`thing` with defaults filled in; custom kinds have none."""
    fill = _FILLS.get(resource.name)
    return {**thing, "spec": fill(thing.get("spec") or {})} if fill else thing


def _deployment(spec: Json) -> Json:
    strategy = spec.get("strategy") or {}
    strategy = {"type": "RollingUpdate", **strategy}
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.get("rollingUpdate") or {}
        strategy["rollingUpdate"] = {"maxUnavailable": "25%", "maxSurge": "25%", **rolling}
    filled = {"replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600, **spec, "strategy": strategy}
    return _templated(filled)


def _replica_set(spec: Json) -> Json:
    return _templated({"replicas": 1, **spec})


def _templated(spec: Json) -> Json:
    template = spec.get("template") or {}
    filled = {**template, "metadata": template.get("metadata") or {}, "spec": _pod(template.get("spec") or {})}
    return {**spec, "template": filled}


def _pod(spec: Json) -> Json:
    filled = {
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "securityContext": {},
        "schedulerName": "default-scheduler",
        **spec,
    }
    for name in ("containers", "initContainers"):
        if spec.get(name):
            filled[name] = [_container(one) for one in spec[name]]
    if spec.get("volumes"):
        filled["volumes"] = [_volume(one) for one in spec["volumes"]]
    return filled


def _container(container: Json) -> Json:
    image = container.get("image", "")
    filled = {
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "imagePullPolicy": "IfNotPresent" if _is_pinned(image) else "Always",
        **container,
        "resources": canonical_resources(container.get("resources") or {}),
    }
    if container.get("env"):
        filled["env"] = [_env(one) for one in container["env"]]
    if container.get("ports"):
        filled["ports"] = [{"protocol": "TCP", **one} for one in container["ports"]]
    for name in ("readinessProbe", "livenessProbe", "startupProbe"):
        if container.get(name):
            filled[name] = _probe(container[name])
    if container.get("lifecycle"):
        filled["lifecycle"] = {when: _action(what) for when, what in container["lifecycle"].items()}
    return filled


def _is_pinned(image: str) -> bool:
    tag = image.rsplit("/", 1)[-1].partition(":")[2]
    return "@" in image or (bool(tag) and tag != "latest")


def _env(env: Json) -> Json:
    field = (env.get("valueFrom") or {}).get("fieldRef")
    return {**env, "valueFrom": {**env["valueFrom"], "fieldRef": {"apiVersion": "v1", **field}}} if field else env


def _probe(probe: Json) -> Json:
    timing = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
    return {**timing, **_action(probe)}


def _action(action: Json) -> Json:
    http = action.get("httpGet")
    return {**action, "httpGet": {"path": "/", "scheme": "HTTP", **http}} if http else action


def _volume(volume: Json) -> Json:
    filled = dict(volume) if set(volume) - {"name"} else {**volume, "emptyDir": {}}
    for name, more in (
        ("configMap", {"defaultMode": 420}),
        ("secret", {"defaultMode": 420}),
        ("hostPath", {"type": ""}),
    ):
        if name in volume:
            filled[name] = {**more, **volume[name]}
    if (volume.get("emptyDir") or {}).get("sizeLimit"):
        filled["emptyDir"] = {**volume["emptyDir"], "sizeLimit": canonical(volume["emptyDir"]["sizeLimit"])}
    return filled


def _service(spec: Json) -> Json:
    filled: Json = {"type": "ClusterIP", "sessionAffinity": "None", **spec}
    if filled["type"] != "ExternalName":
        filled = {"internalTrafficPolicy": "Cluster", **filled}
    if filled["type"] in ("NodePort", "LoadBalancer"):
        filled = {"externalTrafficPolicy": "Cluster", **filled}
    if filled["type"] == "LoadBalancer":
        filled = {"allocateLoadBalancerNodePorts": True, **filled}
    filled["ports"] = [_port(one) for one in spec.get("ports") or ()]
    return filled


def _port(port: Json) -> Json:
    return {"protocol": "TCP", **port, "targetPort": port.get("targetPort", port.get("port"))}


_FILLS: dict[str, Callable[[Json], Json]] = {
    "deployments.apps": _deployment,
    "replicasets.apps": _replica_set,
    "pods": _pod,
    "services": _service,
}


def skeleton(resource: Resource) -> Json:
    """What an object of a kind has before anybody wrote it: parts that are always there have no owner."""
    if resource.custom:
        return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {}}
    empty: Json = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {}, "spec": {}, "status": {}}
    if resource.name in ("deployments.apps", "replicasets.apps"):
        template: dict[str, Any] = {"metadata": {}, "spec": {"containers": None}}
        empty["spec"] = {"selector": None, "template": template}
        if resource.name == "deployments.apps":
            empty["spec"]["strategy"] = {}
    elif resource.name == "pods":
        empty["spec"] = {"containers": None}
    elif resource.name == "services":
        empty["status"] = {"loadBalancer": {}}
    elif resource.plural in ("configmaps", "secrets", "serviceaccounts", "events", "endpointslices"):
        del empty["spec"], empty["status"]
    return empty
