"""Pods of somebody else, as many as a test wants: they share everything but their names."""

import uuid

from tests.support.kube_kinds import POD, Json
from tests.support.kube_store import Store


def crowd(store: Store, namespace: str, count: int, at: str) -> None:
    """Put so many running pods into a namespace."""
    spec: Json = {"containers": [{"name": "other", "image": "other/thing:1"}], "nodeName": "node-1"}
    status: Json = {"phase": "Running", "podIP": "10.99.0.1", "conditions": [{"type": "Ready", "status": "True"}]}
    for number in range(count):
        name = f"other-{number:05}"
        meta: Json = {"name": name, "namespace": namespace, "uid": str(uuid.uuid4()), "creationTimestamp": at}
        meta |= {"labels": {"app": "other"}, "resourceVersion": ""}
        store.put(POD, {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec, "status": status})
