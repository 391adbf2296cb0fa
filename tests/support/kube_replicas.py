"""The ReplicaSet controller of the Kubernetes API stand-in: as many pods of one template as are asked for."""

import secrets
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.support.kube_events import Events
from tests.support.kube_kinds import POD, REPLICA_SET, Json
from tests.support.kube_verbs import Verbs
from tests.support.kube_writing import Asked

CONTROLLER = "kube-controller-manager"
_ENTRY = {"manager": CONTROLLER, "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1"}
_FIELDS = {
    "f:metadata": {"f:generateName": {}, "f:labels": {".": {}}, "f:ownerReferences": {".": {}}},
    "f:spec": {"f:containers": {}, "f:dnsPolicy": {}, "f:restartPolicy": {}, "f:schedulerName": {}},
}


@dataclass
class Replicas:
    """Every ReplicaSet's controller. `quota` is how many pods a namespace takes at most."""

    verbs: Verbs
    events: Events
    quota: dict[str, int] = field(default_factory=dict)
    is_busy: bool = False

    def step(self) -> None:
        """Let every ReplicaSet act once. `is_busy`: some ready pod has only to wait until it counts as available."""
        self.is_busy = False
        for one in self.verbs.store.all(REPLICA_SET):
            if not one["metadata"].get("deletionTimestamp"):
                self._reconcile(one)

    def pods(self, replica_set: Json) -> list[Json]:
        """Its pods that are not on their way out."""
        return [pod for pod in self.all_pods(replica_set) if not is_leaving(pod)]

    def all_pods(self, replica_set: Json) -> list[Json]:
        return [pod for kind, pod in self.verbs.store.owned_by(replica_set["metadata"]["uid"]) if kind == POD]

    def _reconcile(self, replica_set: Json) -> None:
        pods, wanted, failure = self.pods(replica_set), replica_set["spec"].get("replicas", 1), ""
        for _ in range(wanted - len(pods)):
            failure = self._refused(replica_set)
            if failure and not replica_set["status"].get("conditions"):
                self.events.say(
                    replica_set, "FailedCreate", f"Error creating: {failure}", "replicaset-controller", warning=True
                )
            if failure:
                break
            self._create(replica_set)
        for pod in sorted(pods, key=_dispensable)[: max(0, len(pods) - wanted)]:
            meta = pod["metadata"]
            self.verbs.delete(POD, meta["namespace"], meta["name"], {})
            self.events.say(replica_set, "SuccessfulDelete", f"Deleted pod: {meta['name']}", "replicaset-controller")
        self._write_status(replica_set, failure)

    def _refused(self, replica_set: Json) -> str:
        meta = replica_set["metadata"]
        most = self.quota.get(meta["namespace"])
        there = len(self.verbs.store.all(POD, meta["namespace"])) if most is not None else 0
        if most is None or there < most:
            return ""
        amounts = f"requested: pods=1, used: pods={there}, limited: pods={most}"
        return f'pods "{meta["name"]}-{meta["uid"][:5]}" is forbidden: exceeded quota: quota, {amounts}'

    def _create(self, replica_set: Json) -> None:
        meta, template = replica_set["metadata"], replica_set["spec"]["template"]
        name = f"{meta['name']}-{secrets.token_hex(3)[:5]}"
        owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": meta["name"], "uid": meta["uid"]}
        about = {
            **{key: one for key, one in template["metadata"].items() if key in ("labels", "annotations")},
            "name": name,
            "generateName": f"{meta['name']}-",
            "namespace": meta["namespace"],
            "uid": str(uuid.uuid4()),
            "generation": 1,
            "creationTimestamp": self.verbs.now,
            "ownerReferences": [{**owner, "controller": True, "blockOwnerDeletion": True}],
            "managedFields": [{**_ENTRY, "time": self.verbs.now, "fieldsV1": _FIELDS}],
        }
        status = {"phase": "Pending", "qosClass": "BestEffort"}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": about, "spec": template["spec"], "status": status}
        self.verbs.store.put(POD, pod)
        self.events.say(replica_set, "SuccessfulCreate", f"Created pod: {name}", "replicaset-controller")

    def _write_status(self, replica_set: Json, failure: str) -> None:
        pods, meta = self.pods(replica_set), replica_set["metadata"]
        ready = [pod for pod in pods if is_ready(pod)]
        wait = timedelta(seconds=replica_set["spec"].get("minReadySeconds", 0))
        counts = {"replicas": len(pods), "fullyLabeledReplicas": len(pods), "readyReplicas": len(ready)}
        counts["availableReplicas"] = sum(_is_available(pod, wait, self.verbs.clock()) for pod in ready)
        self.is_busy |= counts["availableReplicas"] < len(ready)
        status: Json = {"replicas": 0} | {name: count for name, count in counts.items() if count}
        leaving = sum(bool(pod["metadata"].get("deletionTimestamp")) for pod in self.all_pods(replica_set))
        status |= {"terminatingReplicas": leaving, "observedGeneration": meta.get("generation", 1)}
        if failure:
            known = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": failure}
            before: Json = next(iter(replica_set.get("status", {}).get("conditions", ())), {})
            since = before.get("lastTransitionTime", self.verbs.now)
            status["conditions"] = [{**known, "lastTransitionTime": since, "message": before.get("message", failure)}]
        if status != replica_set.get("status"):
            self.verbs.store.put(REPLICA_SET, {**replica_set, "status": status})

    def scale(self, replica_set: Json, count: int) -> Json:
        """Ask for another number of pods."""
        meta = replica_set["metadata"]
        new = {**replica_set, "spec": {**replica_set["spec"], "replicas": count}}
        return self.verbs.replace(REPLICA_SET, meta["namespace"], meta["name"], new, Asked(CONTROLLER))


def is_leaving(pod: Json) -> bool:
    """Whether a pod is deleted or has ended."""
    return has_ended(pod) or bool(pod["metadata"].get("deletionTimestamp"))


def has_ended(pod: Json) -> bool:
    """Whether its containers run no more, though it may still be there."""
    return pod.get("status", {}).get("phase") in ("Failed", "Succeeded")


def is_ready(pod: Json) -> bool:
    return any(
        one["type"] == "Ready" and one["status"] == "True" for one in pod.get("status", {}).get("conditions", ())
    )


def _is_available(pod: Json, wait: timedelta, now: datetime) -> bool:
    since = next(one["lastTransitionTime"] for one in pod["status"]["conditions"] if one["type"] == "Ready")
    return not wait or datetime.fromisoformat(since) + wait <= now


def _dispensable(pod: Json) -> tuple[bool, bool, float, str]:
    """In which order pods are given up: without a node, unready, the youngest."""
    born = datetime.fromisoformat(pod["metadata"]["creationTimestamp"]).timestamp()
    return bool(pod["spec"].get("nodeName")), is_ready(pod), -born, pod["metadata"]["name"]
