"""The controllers of the Kubernetes API stand-in, one step at a time: everything acts once on what it finds.

So a test says how fast the cluster goes, and sees each state between two. A step is: namespaces that end, orphans,
Deployments, ReplicaSets, pods, endpoints.
"""

from tests.support.kube_endpoints import Endpoints
from tests.support.kube_events import Events
from tests.support.kube_kinds import NAMESPACE, NODE, RESOURCES, Json, Resource, resource_of
from tests.support.kube_pods import Kubelet
from tests.support.kube_replicas import Replicas
from tests.support.kube_rollouts import Rollouts
from tests.support.kube_verbs import Verbs

_FOREGROUND, _ORPHAN = "foregroundDeletion", "orphan"


class Controllers:
    """Everything that moves in a cluster."""

    def __init__(self, verbs: Verbs) -> None:
        events = Events(verbs)
        self._verbs = verbs
        self.kubelet = Kubelet(verbs, events)
        self.replicas = Replicas(verbs, events)
        self.rollouts = Rollouts(verbs, events, self.replicas)
        self.endpoints = Endpoints(verbs)
        for name in self.kubelet.nodes:
            about = {"name": name, "uid": name, "creationTimestamp": verbs.now}
            verbs.store.put(NODE, {"apiVersion": "v1", "kind": "Node", "metadata": about})

    @property
    def is_busy(self) -> bool:
        """Whether something goes on by itself, though nothing of it can be seen yet."""
        return self.kubelet.is_busy or self.replicas.is_busy

    def step(self) -> None:
        """Let everything act once."""
        self._end_namespaces()
        self._collect()
        self.rollouts.step()
        self.replicas.step()
        self.kubelet.step()
        self.endpoints.step()

    def _end_namespaces(self) -> None:
        ending = [one for one in self._verbs.store.all(NAMESPACE) if one["metadata"].get("deletionTimestamp")]
        for one in ending:
            name = one["metadata"]["name"]
            inside = [
                (kind, thing) for kind in RESOURCES if kind.namespaced for thing in self._verbs.store.all(kind, name)
            ]
            for kind, thing in inside:
                if not thing["metadata"].get("deletionTimestamp"):
                    self._verbs.delete(kind, name, thing["metadata"]["name"], {})
            if not inside:
                self._verbs.store.remove(NAMESPACE, one)

    def _collect(self) -> None:
        """Delete what belongs to nobody any more, and end owners whose last dependent is gone."""
        for uid in self._verbs.store.owners():
            dependents = self._verbs.store.owned_by(uid)
            owner = self._owner(uid, dependents[0][1]) if dependents else None
            finalizers = (owner or {}).get("metadata", {}).get("finalizers") or ()
            if _ORPHAN in finalizers:
                self._set_free(uid, dependents)
            elif owner is None or _FOREGROUND in finalizers:
                self._delete(dependents, "Background" if owner is None else "Foreground")
        for kind in (one for one in RESOURCES if one.group == "apps"):
            for thing in self._verbs.store.all(kind):
                self._finish(kind, thing)

    def _owner(self, uid: str, dependent: Json) -> Json | None:
        said = next(one for one in dependent["metadata"]["ownerReferences"] if one["uid"] == uid)
        kind = resource_of(said)
        namespace = dependent["metadata"].get("namespace", "") if kind.namespaced else ""
        there = self._verbs.store.get(kind, namespace, said["name"])
        return there if there is not None and there["metadata"]["uid"] == uid else None

    def _delete(self, dependents: list[tuple[Resource, Json]], policy: str) -> None:
        for kind, thing in dependents:
            meta = thing["metadata"]
            if not meta.get("deletionTimestamp"):
                said = policy if self._verbs.store.owned_by(meta["uid"]) else "Background"
                self._verbs.delete(kind, meta.get("namespace", ""), meta["name"], {"propagationPolicy": said})

    def _set_free(self, uid: str, dependents: list[tuple[Resource, Json]]) -> None:
        for kind, thing in dependents:
            left = [one for one in thing["metadata"]["ownerReferences"] if one["uid"] != uid]
            self._verbs.store.put(kind, {**thing, "metadata": {**thing["metadata"], "ownerReferences": left}})

    def _finish(self, kind: Resource, thing: Json) -> None:
        """End an owner that waited for its dependents."""
        meta = thing["metadata"]
        waits = [one for one in meta.get("finalizers") or () if one in (_FOREGROUND, _ORPHAN)]
        if not meta.get("deletionTimestamp") or not waits or self._verbs.store.owned_by(meta["uid"]):
            return
        left = [one for one in meta["finalizers"] if one not in waits]
        ended = self._verbs.store.put(kind, {**thing, "metadata": {**meta, "finalizers": left}})
        if not left:
            self._verbs.store.remove(kind, ended)
