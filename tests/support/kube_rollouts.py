"""The Deployment controller of the Kubernetes API stand-in: one ReplicaSet for each template, rolled over step by step.

A rolling update never has more pods than `maxSurge` allows and never fewer available than `maxUnavailable` allows;
Recreate ends every old pod before it begins a new one. The status says what is there, and whether it still goes on.
"""

import hashlib
import json
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tests.support.kube_events import Events
from tests.support.kube_kinds import DEPLOYMENT, REPLICA_SET, Json
from tests.support.kube_replicas import CONTROLLER, Replicas, has_ended
from tests.support.kube_verbs import Verbs
from tests.support.kube_writing import Asked

HASH = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
_SOURCE = "deployment-controller"


@dataclass
class Rollouts:
    """Every Deployment's controller."""

    verbs: Verbs
    events: Events
    replicas: Replicas

    def step(self) -> None:
        for one in self.verbs.store.all(DEPLOYMENT):
            if not one["metadata"].get("deletionTimestamp"):
                self._reconcile(one)

    def _reconcile(self, deployment: Json) -> None:
        sets = self._sets(deployment)
        new = next((one for one in sets if _template(one) == deployment["spec"]["template"]), None)
        old = [one for one in sets if one is not new]
        if not deployment["spec"].get("paused"):
            if deployment["spec"]["strategy"]["type"] == "Recreate":
                new = self._recreate(deployment, new, old)
            else:
                new = self._roll(deployment, new or self._create(deployment, old, 0), old)
            self._tidy(deployment, old)
        self._write_status(deployment, new)

    def _sets(self, deployment: Json) -> list[Json]:
        owned = self.verbs.store.owned_by(deployment["metadata"]["uid"])
        return [one for kind, one in owned if kind == REPLICA_SET]

    def _create(self, deployment: Json, old: list[Json], count: int) -> Json:
        meta, template = deployment["metadata"], deployment["spec"]["template"]
        digest = _hash(template)
        revision = max((int(one["metadata"]["annotations"][REVISION]) for one in old), default=0) + 1
        labels = {**template["metadata"].get("labels", {}), HASH: digest}
        owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": meta["name"], "uid": meta["uid"]}
        about = {
            "name": f"{meta['name']}-{digest}",
            "namespace": meta["namespace"],
            "uid": str(uuid.uuid4()),
            "generation": 1,
            "creationTimestamp": self.verbs.now,
            "labels": labels,
            "annotations": {**_copied(meta.get("annotations") or {}), REVISION: str(revision)},
            "ownerReferences": [{**owner, "controller": True, "blockOwnerDeletion": True}],
        }
        spec = {
            "replicas": count,
            "selector": {"matchLabels": {**deployment["spec"]["selector"].get("matchLabels", {}), HASH: digest}},
            "template": {**template, "metadata": {**template["metadata"], "labels": labels}},
        }
        spec |= {"minReadySeconds": wait} if (wait := deployment["spec"].get("minReadySeconds")) else {}
        made = {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": about,
            "spec": spec,
            "status": {"replicas": 0},
        }
        return self.verbs.store.put(REPLICA_SET, made)

    def _scale(self, deployment: Json, one: Json, count: int) -> Json:
        there = one["spec"]["replicas"]
        if there == count:
            return one
        word = "up" if count > there else "down"
        said = f"Scaled {word} replica set {one['metadata']['name']} from {there} to {count}"
        self.events.say(deployment, "ScalingReplicaSet", said, _SOURCE)
        return self.replicas.scale(one, count)

    def _roll(self, deployment: Json, new: Json, old: list[Json]) -> Json:
        wanted = deployment["spec"]["replicas"]
        surge, missing = _fences(deployment["spec"])
        total = sum(one["spec"]["replicas"] for one in [new, *old])
        there = new["spec"]["replicas"]
        count = wanted if there > wanted else min(wanted, there + max(0, wanted + surge - total))
        new = self._scale(deployment, new, count)
        self._give_up(deployment, new, old, wanted - missing)
        return new

    def _give_up(self, deployment: Json, new: Json, old: list[Json], fewest: int) -> None:
        """Scale old ReplicaSets down, first what is not available anyway, and never below `fewest` available."""
        total = sum(one["spec"]["replicas"] for one in [new, *old])
        unavailable = new["spec"]["replicas"] - _count(new, "availableReplicas")
        spare = total - fewest - unavailable
        available = sum(_count(one, "availableReplicas") for one in [new, *old])
        for one in old:
            useless = min(max(0, spare), one["spec"]["replicas"] - _count(one, "availableReplicas"))
            useful = max(0, min(spare - useless, available - fewest, one["spec"]["replicas"] - useless))
            spare, available = spare - useless - useful, available - useful
            self._scale(deployment, one, one["spec"]["replicas"] - useless - useful)

    def _recreate(self, deployment: Json, new: Json | None, old: list[Json]) -> Json | None:
        for one in old:
            self._scale(deployment, one, 0)
        if any(not has_ended(pod) for one in old for pod in self.replicas.all_pods(one)):
            return new
        return self._scale(deployment, new or self._create(deployment, old, 0), deployment["spec"]["replicas"])

    def _tidy(self, deployment: Json, old: list[Json]) -> None:
        """Delete the oldest empty ReplicaSets that are more than the history keeps."""
        empty = [one for one in old if not one["spec"]["replicas"] and not _count(one, "replicas")]
        empty.sort(key=lambda one: int(one["metadata"]["annotations"][REVISION]))
        for one in empty[: max(0, len(empty) - deployment["spec"]["revisionHistoryLimit"])]:
            self.verbs.delete(REPLICA_SET, one["metadata"]["namespace"], one["metadata"]["name"], {})

    def _write_status(self, deployment: Json, new: Json | None) -> None:
        sets = self._sets(deployment)
        new = next((one for one in sets if new and one["metadata"]["uid"] == new["metadata"]["uid"]), None)
        counts = {
            "replicas": sum(_count(one, "replicas") for one in sets),
            "updatedReplicas": _count(new, "replicas") if new else 0,
            "readyReplicas": sum(_count(one, "readyReplicas") for one in sets),
            "availableReplicas": sum(_count(one, "availableReplicas") for one in sets),
        }
        asked = sum(one["spec"]["replicas"] for one in sets)
        counts["unavailableReplicas"] = max(0, asked - counts["availableReplicas"])
        status: Json = {"observedGeneration": deployment["metadata"]["generation"]}
        status |= {name: count for name, count in counts.items() if count}
        status["terminatingReplicas"] = sum(_count(one, "terminatingReplicas") for one in sets)
        status["conditions"] = Conditions(self.verbs, deployment, status, new).all()
        self._put_status(deployment, status, new)

    def _put_status(self, deployment: Json, status: Json, new: Json | None) -> None:
        meta = deployment["metadata"]
        revision = {REVISION: new["metadata"]["annotations"][REVISION]} if new else {}
        annotations = {**(meta.get("annotations") or {}), **revision}
        if status == deployment.get("status") and annotations == (meta.get("annotations") or {}):
            return
        about = {**meta, "annotations": annotations}
        written = {**deployment, "metadata": about, "status": status}
        asked = Asked(CONTROLLER, subresource="status")
        self.verbs.replace(DEPLOYMENT, meta["namespace"], meta["name"], written, asked)


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a Deployment's conditions are now."""

    verbs: Verbs
    deployment: Json
    status: Json
    new: Json | None

    def all(self) -> list[Json]:
        made = [self._available(), self._progressing()]
        failed = [one for one in (self.new or {}).get("status", {}).get("conditions", ()) if one["status"] == "True"]
        made += [self._since("ReplicaFailure", "True", one["reason"], one["message"]) for one in failed]
        return made

    def _available(self) -> Json:
        wanted, missing = self.deployment["spec"]["replicas"], _fences(self.deployment["spec"])[1]
        if self.status.get("availableReplicas", 0) >= wanted - missing:
            said = "Deployment has minimum availability."
            return self._since("Available", "True", "MinimumReplicasAvailable", said)
        said = "Deployment does not have minimum availability."
        return self._since("Available", "False", "MinimumReplicasUnavailable", said)

    def _progressing(self) -> Json:
        before, name = self._before("Progressing"), self.new["metadata"]["name"] if self.new else ""
        wanted, status = self.deployment["spec"]["replicas"], self.status
        reached = [status.get(word, 0) == wanted for word in ("updatedReplicas", "replicas", "availableReplicas")]
        done = f'ReplicaSet "{name}" has successfully progressed.'
        if self.new is not None and all(reached):
            return self._since("Progressing", "True", "NewReplicaSetAvailable", done)
        if before.get("reason") == "NewReplicaSetAvailable" and before.get("message") == done:
            return before
        if f'"{name}"' not in before.get("message", ""):
            said = f'Created new replica set "{name}"'
            return {
                **self._since("Progressing", "True", "NewReplicaSetCreated", said),
                "lastUpdateTime": self.verbs.now,
            }
        if self._moved():
            said = f'ReplicaSet "{name}" is progressing.'
            return {**self._since("Progressing", "True", "ReplicaSetUpdated", said), "lastUpdateTime": self.verbs.now}
        if self._is_late(before):
            said = f'ReplicaSet "{name}" has timed out progressing.'
            return self._since("Progressing", "False", "ProgressDeadlineExceeded", said)
        return before

    def _moved(self) -> bool:
        """Whether there is more of the new, or less of the old, than was written last."""
        before, now = self.deployment.get("status", {}), self.status
        words = ("updatedReplicas", "readyReplicas", "availableReplicas")
        olds = [one.get("replicas", 0) - one.get("updatedReplicas", 0) for one in (before, now)]
        return any(now.get(word, 0) > before.get(word, 0) for word in words) or olds[1] < olds[0]

    def _is_late(self, before: Json) -> bool:
        within = timedelta(seconds=self.deployment["spec"]["progressDeadlineSeconds"])
        return self.verbs.clock() > datetime.fromisoformat(before["lastUpdateTime"]) + within

    def _before(self, kind: str) -> Json:
        known = self.deployment.get("status", {}).get("conditions", ())
        return next((one for one in known if one["type"] == kind), {})

    def _since(self, kind: str, status: str, reason: str, message: str) -> Json:
        """A condition; its times change with what it says."""
        before, now = self._before(kind), self.verbs.now
        words = {"type": kind, "status": status, "reason": reason, "message": message}
        if before and all(before[key] == one for key, one in words.items()):
            return before
        turned = now if before.get("status") != status else before["lastTransitionTime"]
        times = {"lastUpdateTime": now, "lastTransitionTime": turned}
        return {"type": kind, "status": status, **times, "reason": reason, "message": message}


def _template(replica_set: Json) -> Json:
    """A ReplicaSet's template as its Deployment has it."""
    template = replica_set["spec"]["template"]
    labels = {key: one for key, one in template["metadata"]["labels"].items() if key != HASH}
    return {**template, "metadata": {**template["metadata"], "labels": labels}}


def _hash(template: Json) -> str:
    digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()
    return "".join("bcdfghjklmnpqrst"[int(one, 16)] for one in digest[:10])


def _copied(annotations: dict[str, str]) -> dict[str, str]:
    return {key: one for key, one in annotations.items() if key != "kubectl.kubernetes.io/last-applied-configuration"}


def _count(one: Json, word: str) -> int:
    return int(one.get("status", {}).get(word, 0))


def _fences(spec: Json) -> tuple[int, int]:
    """How many pods may be too many, and how many missing."""
    if spec["strategy"]["type"] == "Recreate":
        return 0, spec["replicas"]
    rolling, wanted = spec["strategy"]["rollingUpdate"], spec["replicas"]
    surge = _amount(rolling["maxSurge"], wanted, up=True)
    missing = _amount(rolling["maxUnavailable"], wanted, up=False)
    return (surge, missing) if surge or missing else (0, 1)


def _amount(said: Any, whole: int, *, up: bool) -> int:
    if isinstance(said, int):
        return said
    hundredths = int(str(said).rstrip("%")) * whole
    return -(-hundredths // 100) if up else hundredths // 100
