"""What Sluice calls its objects in a cluster, and what it writes on them so that it finds them again.

An existing workload keeps its own names: its Deployment is the group ``stable``, its Service is the one visitors use.
Everything beside it is Sluice's: ``NAME-gray``, ``NAME-blue``, ``NAME-green`` as Deployments, and the Services that
lead to one group alone.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from engine.model import Json
from engine.rollout.fleet import ReleaseId

DOMAIN = "sluice.dev"
MANAGED = "app.kubernetes.io/managed-by"
"""Label; its value is ``sluice`` on every object that Sluice made (not on those that it found)."""
WORKLOAD = f"{DOMAIN}/workload"
"""Label on every object and pod that Sluice made, and on those that it adopted: the workload's name."""
GROUP = f"{DOMAIN}/group"
"""Label on Deployments and pods that Sluice made: stable, gray, blue or green."""
RELEASE = f"{DOMAIN}/release"
"""Annotation on Deployments and in pod templates: the id of the release."""
PIPELINE = f"{DOMAIN}/pipeline"
"""Annotation: whose workload it is."""
RUN = f"{DOMAIN}/run"
"""Annotation: the run that wrote the object last."""
COUNT = f"{DOMAIN}/count"
"""Annotation on Deployments: how many instances were asked for last."""
APPLIED = f"{DOMAIN}/applied"
"""Annotation: what was applied last, as JSON without this annotation."""
ROUTE = f"{DOMAIN}/route"
"""Annotation on the workload's Service: the route asked for last, as JSON."""
UNROUTED = f"{DOMAIN}/unrouted-since"
"""Annotation on Deployments: since when no route has led to the group, ISO 8601."""
FOUND = f"{DOMAIN}/found"
"""Annotation on adopted objects: what they held before Sluice changed it, as JSON; what a restoration puts back."""
ADOPTED = f"{DOMAIN}/adopted"
"""Annotation on adopted objects: the managers whose fields may be taken over, and who said so, as JSON."""
HOTFIX = f"{DOMAIN}/hotfix"
"""Annotation on Deployments: which of their pods are a release that others made and Sluice adopted, as JSON.

Their template names the release before, and cannot be changed without restarting them.
"""

CONTAINER = f"{DOMAIN}/container"
"""Annotation in pod templates: the container that a release replaces, where the definition names it."""
LOG_PATH = f"{DOMAIN}/log-path"
"""Annotation in pod templates: the file or directory that a collector of logs is to read."""
APP = "app.kubernetes.io/name"
"""Label by which the Service of a workload that is wholly Sluice's selects."""
TEMPLATE_HASH = "pod-template-hash"
"""Label that the cluster puts on pods: the same for all of one template of a Deployment, and no other."""
STABLE = "stable"
_LONGEST = 63


@dataclass(frozen=True, slots=True)
class Place:
    """A workload's name taken apart."""

    cluster: str
    namespace: str
    name: str

    @property
    def labels(self) -> str:
        """The label selector that finds everything Sluice made for this workload."""
        return f"{WORKLOAD}={self.name}"

    def deployment(self, group: str) -> str:
        """The Deployment of one group."""
        return self.name if group == STABLE else short(f"{self.name}-{group}")

    def service(self, service: str, group: str) -> str:
        """The Service that leads to one group alone."""
        return short(f"{service}-{group}")


def place_of(workload: str) -> Place:
    """Take ``CLUSTER/NAMESPACE/NAME`` apart."""
    cluster, namespace, name = workload.split("/")
    return Place(cluster, namespace, name)


def short(name: str) -> str:
    """`name` within the 63 characters that a label takes; one that is longer keeps its beginning and a hash."""
    if len(name) <= _LONGEST:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: _LONGEST - 9].rstrip('-')}-{digest}"


def label(thing: Json, key: str) -> str:
    """One label of an object; empty when it has none."""
    return str((thing["metadata"].get("labels") or {}).get(key, ""))


def annotation(thing: Json, key: str) -> str:
    """One annotation of an object; empty when it has none."""
    return str((thing["metadata"].get("annotations") or {}).get(key, ""))


def is_ours(thing: Json) -> bool:
    """Whether Sluice made the object, as against having found it."""
    return label(thing, MANAGED) == "sluice"


@dataclass(frozen=True, slots=True)
class Hot:
    """What a Deployment's pods of the template `pods` (its hash) are: `release`, in the place of `instead`.

    `changed_by` has put it there, `adopted_by` has adopted it.
    """

    release: ReleaseId
    instead: ReleaseId
    pods: str
    changed_by: str = ""
    adopted_by: str = ""

    def is_on(self, pod: Json) -> bool:
        """Whether the pod is one of them."""
        return label(pod, TEMPLATE_HASH) == self.pods

    def noted(self) -> dict[str, str]:
        """The annotation that says so."""
        return {HOTFIX: json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))}


def hotfix_of(live: Json | None) -> Hot | None:
    """What was adopted on a Deployment; None if nothing was, or if the note cannot be read."""
    try:
        said = json.loads((annotation(live, HOTFIX) if live is not None else "") or "null")
        if not said:
            return None
        by = (str(said.get(key, "")) for key in ("changed_by", "adopted_by"))
        return Hot(ReleaseId(said["release"]), ReleaseId(said["instead"]), str(said["pods"]), *by)
    except (ValueError, KeyError, TypeError):
        return None


def selector_text(selector: Json) -> str:
    """A workload's selector as a query for lists and watches."""
    parts = [f"{key}={value}" for key, value in sorted(selector.get("matchLabels", {}).items())]
    parts += [_expression(each) for each in selector.get("matchExpressions", ())]
    return ",".join(parts)


def _expression(each: Json) -> str:
    key, values = each["key"], ",".join(each.get("values") or ())
    match each["operator"]:
        case "In":
            return f"{key} in ({values})"
        case "NotIn":
            return f"{key} notin ({values})"
        case "Exists":
            return str(key)
        case _:
            return f"!{key}"


def remembered_selector(service: Json) -> dict[str, str]:
    """By what a Service selects when nothing is being released: as it was found, or as it is."""
    kept = annotation(service, FOUND)
    if kept:
        return dict(json.loads(kept)["selector"])
    present = service.get("spec", {}).get("selector") or {}
    return {} if GROUP in present else dict(present)


def selector_memory(selector: Mapping[str, str]) -> str:
    """What a Service selected by, as `remembered_selector` reads it."""
    return json.dumps({"selector": dict(selector)}, sort_keys=True, separators=(",", ":"))


def adopted_from(thing: Json | None) -> frozenset[str]:
    """The managers whose fields of this object may be taken over."""
    kept = annotation(thing, ADOPTED) if thing is not None else ""
    return frozenset(json.loads(kept)["from"]) if kept else frozenset()


def let(thing: Json, managers: Iterable[str], by: str) -> dict[str, str]:
    """The annotation that allows to take over what `managers` hold of `thing`, as `by` has decided."""
    every = sorted(adopted_from(thing) | set(managers))
    return {ADOPTED: json.dumps({"from": every, "by": by}, sort_keys=True, separators=(",", ":"))}
