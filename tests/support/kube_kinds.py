"""The kinds of objects that the Kubernetes API stand-in serves, and how an object of one is named in answers."""

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

ISTIO = "networking.istio.io"
GATEWAY = "gateway.networking.k8s.io"


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind as the API serves it. `custom`: it comes from a CustomResourceDefinition, so nothing is defaulted."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True
    custom: bool = False

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def name(self) -> str:
        """As it stands in sentences: ``deployments.apps``."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def kind_name(self) -> str:
        """As it stands in complaints about an object: ``Deployment.apps``."""
        return f"{self.kind}.{self.group}" if self.group else self.kind

    @property
    def schema(self) -> str:
        """The name of its definition among the published schemas; empty when there is none."""
        if self.custom:
            return ""
        return f"io.k8s.api.{self.group.split('.')[0] or 'core'}.{self.version}.{self.kind}"


NAMESPACE = Resource("", "v1", "Namespace", "namespaces", namespaced=False)
NODE = Resource("", "v1", "Node", "nodes", namespaced=False)
POD = Resource("", "v1", "Pod", "pods")
SERVICE = Resource("", "v1", "Service", "services")
EVENT = Resource("", "v1", "Event", "events")
DEPLOYMENT = Resource("apps", "v1", "Deployment", "deployments")
REPLICA_SET = Resource("apps", "v1", "ReplicaSet", "replicasets")
ENDPOINT_SLICE = Resource("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices")
REVIEW = Resource("authorization.k8s.io", "v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews", namespaced=False)

RESOURCES = (
    NAMESPACE,
    NODE,
    POD,
    SERVICE,
    EVENT,
    Resource("", "v1", "ConfigMap", "configmaps"),
    Resource("", "v1", "Secret", "secrets"),
    Resource("", "v1", "ServiceAccount", "serviceaccounts"),
    Resource("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
    Resource("", "v1", "ResourceQuota", "resourcequotas"),
    DEPLOYMENT,
    REPLICA_SET,
    Resource("apps", "v1", "StatefulSet", "statefulsets"),
    Resource("apps", "v1", "DaemonSet", "daemonsets"),
    REVIEW,
    Resource("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
    Resource("batch", "v1", "Job", "jobs"),
    Resource("coordination.k8s.io", "v1", "Lease", "leases"),
    ENDPOINT_SLICE,
    Resource("networking.k8s.io", "v1", "Ingress", "ingresses"),
    Resource("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies"),
    Resource("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets"),
    Resource("rbac.authorization.k8s.io", "v1", "Role", "roles"),
    Resource("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings"),
    Resource(ISTIO, "v1", "VirtualService", "virtualservices", custom=True),
    Resource(ISTIO, "v1", "DestinationRule", "destinationrules", custom=True),
    Resource(ISTIO, "v1", "Gateway", "gateways", custom=True),
    Resource(GATEWAY, "v1", "HTTPRoute", "httproutes", custom=True),
    Resource(GATEWAY, "v1", "Gateway", "gateways", custom=True),
)


def resource_at(group: str, version: str, plural: str) -> Resource | None:
    return next((one for one in RESOURCES if (one.group, one.version, one.plural) == (group, version, plural)), None)


def resource_of(thing: Json) -> Resource:
    """The kind of an object by its own words."""
    words = (thing["apiVersion"], thing["kind"])
    return next(one for one in RESOURCES if (one.api_version, one.kind) == words)


def named(word: str) -> Resource:
    """The kind that tests call by its plural, with its group where two kinds share the plural."""
    return next(one for one in RESOURCES if word in (one.plural, one.name, one.kind))
