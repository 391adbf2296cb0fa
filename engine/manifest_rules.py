"""What a manifest must hold so that it can be released beside itself: one Deployment and one Service that fit.

Only the image, the labels and the number of instances are set on what the author wrote. So the author's text has to
agree with the definition around it: the names, the port, the namespace. Everything that is wrong is told at once, each
with its row.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.complaints import listed, nearest
from engine.fields import shown
from engine.manifest import Document, Fault, container_of, objects, read
from engine.manifest_shapes import is_name, shape_faults

WORKLOAD = "Deployment"
SERVICE = "Service"
BESIDE = {
    "ConfigMap": "v1",
    "Ingress": "networking.k8s.io/v1",
    "NetworkPolicy": "networking.k8s.io/v1",
    "PersistentVolumeClaim": "v1",
    "PodDisruptionBudget": "policy/v1",
    "ServiceAccount": "v1",
}
"""The kinds that may stand beside the workload and its service, with their versions."""
VERSIONS = {WORKLOAD: "apps/v1", SERVICE: "v1", **BESIDE}
_OF_ONE_COPY = frozenset(
    {"StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Pod", "Job", "CronJob", "Rollout"}
)
_BEFOREHAND = "it in the cluster beforehand"
_WHY_NOT = (
    (_OF_ONE_COPY, "a {kind} cannot be released in two copies beside each other", "a Deployment of apps/v1"),
    (("Secret",), "a Secret here is read by everybody who may see the pipeline", f"{_BEFOREHAND}, and its name here"),
    (("HorizontalPodAutoscaler",), "a {kind} decides on the instances, as a release does", "instances: and a number"),
    (
        ("VirtualService", "DestinationRule", "HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute"),
        "a {kind} decides who gets requests, as a release does",
        f"{_BEFOREHAND}: a release adopts it",
    ),
    (
        ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"),
        "a {kind} gives rights, and Sluice has none to give",
        _BEFOREHAND,
    ),
    (
        (
            *("Namespace", "CustomResourceDefinition", "PersistentVolume", "StorageClass", "PriorityClass", "Node"),
            *("IngressClass", "RuntimeClass", "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"),
        ),
        "a {kind} belongs to the whole cluster and not to one workload",
        _BEFOREHAND,
    ),
    (("List",), "a List hides its objects", "each object as a document of its own, with --- between them"),
)
_PROTOCOLS = {"http": "TCP", "tcp": "TCP", "udp": "UDP"}
_OURS = "sluice.dev/"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the definition around a manifest says; empty or None where it says nothing that can be read."""

    workload: str = ""
    service: str = ""
    namespace: str = ""
    port: int | None = None
    protocol: str = "http"
    instances: int | None = None
    upgrade: str = "rolling"
    image: str = ""
    container: str = ""


def manifest_faults(text: str, wanted: Wanted) -> Iterator[Fault]:
    """Say everything that is wrong with a manifest."""
    documents, faults = read(text)
    if faults:
        yield from faults
        return
    for document in documents:
        yield from _identity(document, wanted)
        yield from shape_faults(document)
    yield from _twice(documents)
    deployments, services = _of_kind(documents, WORKLOAD), _of_kind(documents, SERVICE)
    yield from _exactly_one(deployments, WORKLOAD, "a workload in one Deployment", documents)
    yield from _exactly_one(services, SERVICE, "the one Service in front of it", documents)
    if len(deployments) == 1:
        yield from _workload(deployments[0], wanted)
        if len(services) == 1:
            yield from _service(services[0], wanted, _labels(deployments[0]))


def _identity(document: Document, wanted: Wanted) -> Iterator[Fault]:
    kind, version = document.data.get("kind"), document.data.get("apiVersion")
    if not isinstance(kind, str) or not kind:
        yield document.fault(("kind",), "has an object without a kind", "kind: Deployment, for example")
        return
    known = VERSIONS.get(kind)
    if known is None:
        yield document.fault(("kind",), *_refused(kind))
        return
    if version != known:
        near = "is missing" if version is None else f"is {shown(version)}"
        yield document.fault(("apiVersion",), f"apiVersion of the {kind} {near}", f"apiVersion: {known}")
    metadata = _mapping(document.data, "metadata")
    if not is_name(metadata.get("name")):
        problem = f"the {kind} has no name" if not metadata.get("name") else f"{shown(metadata['name'])} is no name"
        yield document.fault(("metadata", "name"), problem, "metadata: {name: ...} in small letters, digits and dashes")
    namespace = metadata.get("namespace")
    if namespace is not None and namespace != wanted.namespace:
        problem = f"{shown(namespace)} is not the namespace of the release, {wanted.namespace}"
        yield document.fault(("metadata", "namespace"), problem, "namespace: in the definition, and none here")


def _refused(kind: str) -> tuple[str, str]:
    """Say why an object of this kind cannot stand in a manifest, and what to do instead."""
    for kinds, problem, instead in _WHY_NOT:
        if kind in kinds:
            return problem.format(kind=kind), instead
    return f"an object of the kind {shown(kind)} cannot stand here", nearest(kind, VERSIONS) or listed(VERSIONS)


def _twice(documents: Sequence[Document]) -> Iterator[Fault]:
    seen: set[tuple[str, str]] = set()
    for document in documents:
        name = _mapping(document.data, "metadata").get("name")
        named = (str(document.data.get("kind")), str(name))
        if name is not None and named in seen:
            yield document.fault(("metadata", "name"), f"{named[0]} {named[1]} stands twice", "each object once")
        seen.add(named)


def _exactly_one(found: Sequence[Document], kind: str, what: str, every: Sequence[Document]) -> Iterator[Fault]:
    for extra in found[1:]:
        yield extra.fault(("kind",), f"holds {len(found)} objects of the kind {kind}", f"{what} and no other")
    if not found and not any(document.data.get("kind") in _OF_ONE_COPY for document in every):
        yield Fault(0, f"holds no {kind}", f"{what}: kind: {kind}")


def _workload(document: Document, wanted: Wanted) -> Iterator[Fault]:
    name = _mapping(document.data, "metadata").get("name")
    if is_name(name) and wanted.workload and name != wanted.workload:
        problem = f"the Deployment is called {name}, and the workload {wanted.workload}"
        yield document.fault(
            ("metadata", "name"), problem, f"workload: {name} in the definition, or the same name here"
        )
    spec = _mapping(document.data, "spec")
    replicas = spec.get("replicas")
    if isinstance(replicas, int) and wanted.instances is not None and replicas != wanted.instances:
        problem = f"replicas is {replicas}, and instances in the definition is {wanted.instances}"
        yield document.fault(("spec", "replicas"), problem, f"instances: {replicas}, and no replicas here")
    if spec.get("paused"):
        yield document.fault(("spec", "paused"), "a paused Deployment starts nothing", "paused: false, or no such line")
    yield from _upgrade(document, spec, wanted)
    yield from _selection(document, spec)
    yield from _containers(document, spec, wanted)


def _upgrade(document: Document, spec: Mapping[str, Any], wanted: Wanted) -> Iterator[Fault]:
    said = {"Recreate": "recreate", "RollingUpdate": "rolling"}.get(str(_mapping(spec, "strategy").get("type")))
    if (said or "rolling") != wanted.upgrade:
        problem = f"the Deployment's upgrade is {said or 'rolling'}, and the definition's {wanted.upgrade}"
        yield document.fault(("spec", "strategy", "type"), problem, f"upgrade: {said or 'rolling'} in the definition")


def _selection(document: Document, spec: Mapping[str, Any]) -> Iterator[Fault]:
    path = ("spec", "selector", "matchLabels")
    selector = _mapping(spec, "selector")
    wanted, labels = _mapping(selector, "matchLabels"), _labels(document)
    if not wanted:
        yield document.fault(path, "the Deployment selects by no labels", "selector: {matchLabels: {app: ...}}")
    for key, value in wanted.items():
        if key.startswith(_OURS):
            yield document.fault((*path, key), f"{key} is a label that Sluice sets", "another label")
        elif labels.get(key) != value:
            problem = f"the selector wants {key}: {value}, which the labels of the template do not have"
            yield document.fault((*path, key), problem, "the same label under template: {metadata: {labels: ...}}")


def _containers(document: Document, spec: Mapping[str, Any], wanted: Wanted) -> Iterator[Fault]:
    path = ("spec", "template", "spec", "containers")
    pod = _mapping(_mapping(spec, "template"), "spec")
    containers = pod.get("containers")
    if not isinstance(containers, list) or not containers:
        yield document.fault(path, "the Deployment has no containers", "containers: and at least one of them")
        return
    if not all(isinstance(each, dict) and isinstance(each.get("name"), str) for each in containers):
        yield document.fault(path, "a container has no name", "name: before each image")
        return
    chosen = container_of(containers, wanted.workload, wanted.image, wanted.container)
    if not chosen:
        named = listed([each["name"] for each in containers])
        problem = f"nobody can tell which of the containers {named} the release replaces"
        if wanted.container:
            problem = f"no container here is called {wanted.container}, as container: in the definition says"
        yield document.fault(path, problem, f"container: in the definition, and one of {named}")
    for position, each in enumerate(containers):
        if chosen and each["name"] != chosen and not each.get("image"):
            yield document.fault((*path, position), f"the container {each['name']} has no image", "image: of its own")


def _service(document: Document, wanted: Wanted, labels: Mapping[str, Any]) -> Iterator[Fault]:
    name = _mapping(document.data, "metadata").get("name")
    if is_name(name) and wanted.service and name != wanted.service:
        problem = f"the Service is called {name}, and the service of the definition {wanted.service}"
        yield document.fault(
            ("metadata", "name"), problem, f"service: {{name: {name}}} in the definition, or the same name"
        )
    spec = _mapping(document.data, "spec")
    selector = _mapping(spec, "selector")
    if not selector:
        yield document.fault(("spec", "selector"), "the Service selects no pods", "selector: {app: ...}")
    for key, value in selector.items():
        if labels.get(key) != value:
            problem = f"the Service selects {key}: {value}, which the labels of the template do not have"
            yield document.fault(("spec", "selector", key), problem, "a label of the Deployment's template")
    yield from _ports(document, spec.get("ports"), wanted)


def _ports(document: Document, ports: Any, wanted: Wanted) -> Iterator[Fault]:
    every = [each for each in ports if isinstance(each, dict)] if isinstance(ports, list) else []
    found = [each for each in every if each.get("port") == wanted.port]
    if wanted.port is not None and not found:
        said = ", ".join(str(each.get("port")) for each in every) or "none"
        problem = f"the Service has the ports {said}, and not {wanted.port}, which the definition's service has"
        yield document.fault(("spec", "ports"), problem, f"port: {wanted.port} among them")
    protocol = _PROTOCOLS.get(wanted.protocol)
    if found and protocol and protocol not in [each.get("protocol") or "TCP" for each in found]:
        problem = f"the port {wanted.port} is not {protocol}, as the definition's protocol {wanted.protocol} is"
        yield document.fault(("spec", "ports"), problem, f"protocol: {protocol}")


def _of_kind(documents: Sequence[Document], kind: str) -> list[Document]:
    return [document for document in documents if document.data.get("kind") == kind]


def _labels(document: Document) -> Mapping[str, Any]:
    template = _mapping(_mapping(document.data, "spec"), "template")
    return _mapping(_mapping(template, "metadata"), "labels")


def _mapping(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = data.get(key)
    return found if isinstance(found, dict) else {}


def beside_of(text: str) -> tuple[str, ...]:
    """What a manifest brings along beside its workload and its service: ``ConfigMap settings``."""
    found = (each for each in objects(text) if each.get("kind") in BESIDE)
    return tuple(f"{each['kind']} {_mapping(each, 'metadata').get('name', '')}" for each in found)
