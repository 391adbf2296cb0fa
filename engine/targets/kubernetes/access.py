"""What Sluice needs to be allowed to do in a namespace, and why: the one list of it.

`deploy/kubernetes/role.yaml` gives exactly this, `sluice doctor` asks the cluster for each of them, and a test holds
the list against the requests of real releases. There is no right for Secrets, for running commands in pods, or for
giving rights, and none that reaches beyond a namespace.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from engine.model import Json
from engine.targets.kubernetes.kinds import (
    ACCESS_REVIEW,
    AUTHORIZATION_POLICY,
    AUTOSCALER,
    BUDGET,
    DEPLOYMENT,
    ENDPOINT_SLICE,
    EVENT,
    HTTP_ROUTE,
    NETWORK_POLICY,
    POD,
    SERVICE,
    VIRTUAL_SERVICE,
    Kind,
)


class For(StrEnum):
    """Which releases need a right."""

    ALL = "every release"
    ISTIO = "strategy: istio"
    GATEWAY = "an HTTPRoute in front of the service"
    MANIFESTS = "creation: yaml, with other objects beside the workload"


@dataclass(frozen=True, slots=True)
class Right:
    """One verb on one resource. `group` is empty for the core API."""

    verb: str
    group: str
    resource: str
    why: str
    part: For = For.ALL

    def __str__(self) -> str:
        """As people say it: ``patch deployments.apps``."""
        return f"{self.verb} {self.resource}" + (f".{self.group}" if self.group else "")


_WRITTEN = ("get", "list", "watch", "create", "patch", "delete")
"""What an object that Sluice makes and changes needs. One that is applied is patched; if it was not there, created."""
_SEEN = ("list", "watch")


def _of(kind: Kind, verbs: Iterable[str], why: str, part: For = For.ALL) -> tuple[Right, ...]:
    return tuple(Right(verb, kind.group, kind.plural, why, part) for verb in verbs)


_BESIDE = (
    ("", "configmaps"),
    ("", "persistentvolumeclaims"),
    ("", "serviceaccounts"),
    ("networking.k8s.io", "ingresses"),
    ("networking.k8s.io", "networkpolicies"),
    ("policy", "poddisruptionbudgets"),
)
"""Group and resource of `engine.manifest_rules.BESIDE`."""
RIGHTS: tuple[Right, ...] = (
    *_of(DEPLOYMENT, _WRITTEN, "each group of instances is a Deployment"),
    *_of(SERVICE, _WRITTEN, "a Service leads to the workload, and one to each group"),
    *_of(POD, _SEEN, "which instances are ready, and why one is not"),
    *_of(EVENT, ("list",), "why an instance is not ready"),
    *_of(ENDPOINT_SLICE, _SEEN, "whether a Service leads to the instances that it should"),
    *_of(AUTOSCALER, ("list",), "an autoscaler of a workload and a release would undo each other's work"),
    *_of(NETWORK_POLICY, ("list",), "a plan names those that do not cover the pods beside the workload's own"),
    *_of(BUDGET, ("list",), "a plan names those that do not cover the pods beside the workload's own"),
    *_of(VIRTUAL_SERVICE, _WRITTEN, "who gets which version is said in VirtualServices", For.ISTIO),
    *_of(AUTHORIZATION_POLICY, ("list",), "a plan names those that do not cover the pods of gray", For.ISTIO),
    *_of(HTTP_ROUTE, _WRITTEN, "who gets which version is said in HTTPRoutes", For.GATEWAY),
    *(
        Right(verb, group, resource, "objects that a pipeline's manifest brings along", For.MANIFESTS)
        for group, resource in _BESIDE
        for verb in ("get", "create", "patch")
    ),
)
_ANYBODYS = frozenset({ACCESS_REVIEW.plural})
"""What every account may do."""


@dataclass(frozen=True, slots=True)
class Compared:
    """The list beside what was done: `missing` was done and is not in the list, `unused` the other way round."""

    missing: tuple[str, ...]
    unused: tuple[str, ...]


def compared(used: Iterable[tuple[str, str]]) -> Compared:
    """Hold the list against (verb, resource) pairs: the keys of `Cluster.calls`, or `Cluster.rights`.

    Paths of the API itself (discovery, its version) need no right. Applying what was not there needs ``create``, which
    a count of requests does not show, so whoever patches uses both.
    """
    done = {(verb, resource) for verb, resource in used if not resource.startswith("/") and resource not in _ANYBODYS}
    known = {(right.verb, right.resource) for right in RIGHTS}
    touched = {("create", resource) for verb, resource in done if verb == "patch"}
    unused = (right for right in RIGHTS if (right.verb, right.resource) not in done | touched)
    return Compared(tuple(f"{verb} {resource}" for verb, resource in sorted(done - known)), tuple(map(str, unused)))


def review_of(right: Right, namespace: str) -> Json:
    """Return the question whether Sluice has the right in a namespace, as an object to create."""
    asked = {"namespace": namespace, "verb": right.verb, "group": right.group, "resource": right.resource}
    return {
        "apiVersion": ACCESS_REVIEW.api_version,
        "kind": ACCESS_REVIEW.kind,
        "spec": {"resourceAttributes": asked},
    }


def is_granted(answer: Json) -> bool:
    """Read the answer to it."""
    status = answer.get("status")
    return isinstance(status, Mapping) and status.get("allowed") is True


def rules_of(parts: Iterable[For]) -> list[Json]:
    """Return the rules of a Role that gives the rights of these parts: one for each resource, in the list's order."""
    wanted = set(parts)
    verbs: dict[tuple[str, str], list[str]] = {}
    for right in RIGHTS:
        if right.part in wanted:
            verbs.setdefault((right.group, right.resource), []).append(right.verb)
    return [{"apiGroups": [group], "resources": [resource], "verbs": said} for (group, resource), said in verbs.items()]
