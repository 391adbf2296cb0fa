"""Events about objects, as controllers, kubelets and the scheduler write them.

The scheduler writes the newer kind, whose times stand in `eventTime` and whose `firstTimestamp` is null.
"""

import secrets
from dataclasses import dataclass, field

from tests.support.kube_kinds import EVENT, Json
from tests.support.kube_verbs import Verbs

SCHEDULER, KUBELET = "default-scheduler", "kubelet"


@dataclass(frozen=True, slots=True)
class Events:
    """Writes events. The same said again of the same object counts up."""

    verbs: Verbs
    _said: dict[tuple[str, str, str], str] = field(default_factory=dict)

    def say(
        self, thing: Json, reason: str, message: str, source: str, *, warning: bool = False, container: str = ""
    ) -> None:
        """Write one down, or count it."""
        meta = thing["metadata"]
        key = (meta["uid"], reason, message)
        there = self.verbs.store.get(EVENT, meta["namespace"], self._said.get(key, ""))
        if there is not None and source != SCHEDULER:
            more = {"count": there["count"] + 1, "lastTimestamp": self.verbs.now}
            self.verbs.store.put(EVENT, {**there, **more})
            return
        self._said[key] = f"{meta['name']}.{secrets.token_hex(8)}"
        where = {"fieldPath": f"spec.containers{{{container}}}"} if container else {}
        self.verbs.store.put(
            EVENT,
            {
                "apiVersion": "v1",
                "kind": "Event",
                "metadata": {
                    "name": self._said[key],
                    "namespace": meta["namespace"],
                    "uid": secrets.token_hex(16),
                    "creationTimestamp": self.verbs.now,
                },
                "involvedObject": {
                    "kind": thing["kind"],
                    "namespace": meta["namespace"],
                    "name": meta["name"],
                    "uid": meta["uid"],
                    "apiVersion": thing["apiVersion"],
                    "resourceVersion": meta["resourceVersion"],
                    **where,
                },
                "reason": reason,
                "message": message,
                "type": "Warning" if warning else "Normal",
                "reportingComponent": source,
                **(self._bound() if source == SCHEDULER else self._timed(source)),
            },
        )

    def _timed(self, source: str) -> Json:
        now = self.verbs.now
        times = {"firstTimestamp": now, "lastTimestamp": now, "eventTime": None, "count": 1}
        host = {"host": "node-1"} if source == KUBELET else {}
        return {**times, "source": {"component": source, **host}, "reportingInstance": ""}

    def _bound(self) -> Json:
        precise = self.verbs.now.replace("Z", ".000000Z")
        times = {"firstTimestamp": None, "lastTimestamp": None, "eventTime": precise}
        return {**times, "source": {}, "action": "Binding", "reportingInstance": "default-scheduler-1"}
