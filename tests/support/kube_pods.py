"""The scheduler and the kubelets of the Kubernetes API stand-in: pods come to a node, start, get ready, and end.

A pod takes one step to its node and one to start; what comes then is up to the behaviour of its image. A pod that is
deleted goes on as it was, as one does that drains; in step `ends_after` its containers end, and then it is gone.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.support.kube_behaviour import Behaviours, Does, Seen, behaviour_of, seen
from tests.support.kube_events import KUBELET, SCHEDULER, Events
from tests.support.kube_kinds import POD, Json
from tests.support.kube_refusals import Refusal
from tests.support.kube_verbs import Verbs

_NO_ROOM = (
    "0/{0} nodes are available: {0} Insufficient cpu. no new claims to deallocate, preemption: 0/{0} nodes are"
    " available: {0} Preemption is not helpful for scheduling."
)


@dataclass(slots=True)
class Life:
    """What is remembered of a pod beside the API. `told` is the state that was written last, `settled`
    what it was of when nothing was left to come.
    """

    turn: int
    address: str = ""
    node: str = ""
    age: int = -1
    ending: int = 0
    told: object = None
    settled: object = None
    changed: dict[str, tuple[bool, str]] = field(default_factory=dict)


@dataclass
class Kubelet:
    """Every node at once. `images` says how pods behave, `nodes` where they can run."""

    verbs: Verbs
    events: Events
    images: Behaviours = field(default_factory=dict)
    nodes: list[str] = field(default_factory=lambda: ["node-1", "node-2", "node-3"])
    ends_after: int = 2
    _lives: dict[tuple[str, str, str], Life] = field(default_factory=dict)
    _turns: Counter[str] = field(default_factory=Counter)
    is_busy: bool = False
    _seen: int = 0
    _addresses: int = 1

    def step(self) -> None:
        """Let every pod go one step."""
        self._notice()
        self.is_busy = False
        for key, life in list(self._lives.items()):
            pod = self.verbs.store.get(POD, key[0], key[1])
            if pod is None or pod["metadata"]["uid"] != key[2]:
                del self._lives[key]
            elif pod["metadata"].get("deletionTimestamp"):
                self._end(pod, life)
            else:
                self._go(pod, life)

    def _notice(self) -> None:
        """Find the pods that came since the last step."""
        try:
            came = [one.now for one in self.verbs.store.since(POD, self._seen)]
        except Refusal:
            came = self.verbs.store.all(POD)
        self._seen = self.verbs.store.version
        for pod in came:
            meta = pod["metadata"]
            key = (meta["namespace"], meta["name"], meta["uid"])
            if key not in self._lives and pod.get("status", {}).get("phase", "Pending") == "Pending":
                image = pod["spec"]["containers"][0]["image"]
                self._lives[key] = Life(self._turns[image])
                self._turns[image] += 1

    def _end(self, pod: Json, life: Life) -> None:
        life.ending += 1
        is_up = pod.get("status", {}).get("phase") == "Running"
        if life.ending == 1 and is_up:
            name = pod["spec"]["containers"][0]["name"]
            self.events.say(pod, "Killing", f"Stopping container {name}", KUBELET, container=name)
        if life.ending == self.ends_after and is_up:
            pod = self.verbs.store.put(POD, {**pod, "status": _ended(pod, self.verbs.now)})
        if pod["metadata"].get("finalizers"):
            return
        if life.ending > self.ends_after or not is_up:
            self.verbs.store.remove(POD, pod)
        self.is_busy = True

    def _go(self, pod: Json, life: Life) -> None:
        image = pod["spec"]["containers"][0]["image"]
        behaviour = behaviour_of(self.images, image, life.turn)
        if not life.node and (behaviour.does is Does.UNSCHEDULABLE or not self.nodes):
            self._leave(pod, life)
            return
        if not life.node:
            life.node = pod["spec"].get("nodeName") or self.nodes[life.turn % len(self.nodes)]
        life.age += 1
        if life.settled == (behaviour, image):
            return
        self.is_busy |= behaviour.does is Does.READY and life.age < behaviour.after
        sight = seen(behaviour, life.age, image)
        if life.told != (sight, image):
            self._write(pod, life, sight)
            life.told = (sight, image)
        life.settled = (behaviour, image) if behaviour.does is Does.READY and sight.ready else None

    def _leave(self, pod: Json, life: Life) -> None:
        """Say that no node takes it."""
        if life.told == "left":
            return
        said = _NO_ROOM.format(len(self.nodes))
        condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": said}
        status = {"phase": "Pending", "conditions": [{**condition, "lastTransitionTime": self.verbs.now}]}
        self.verbs.store.put(POD, {**pod, "status": {**status, "qosClass": "BestEffort"}})
        self.events.say(pod, "FailedScheduling", said, SCHEDULER, warning=True)
        life.told = "left"

    def _write(self, pod: Json, life: Life, sight: Seen) -> None:
        if sight.waiting != "ContainerCreating" and not life.address:
            self._addresses += 1
            life.address = f"10.244.{self._addresses // 250}.{self._addresses % 250 + 1}"
        self._tell(pod, life, sight)
        spec = pod["spec"] if pod["spec"].get("nodeName") else {**pod["spec"], "nodeName": life.node}
        self.verbs.store.put(POD, {**pod, "spec": spec, "status": self._status(pod, life, sight)})

    def _status(self, pod: Json, life: Life, sight: Seen) -> Json:
        containers = [_container(one, sight, self.verbs.now) for one in pod["spec"]["containers"]]
        is_up = not sight.waiting or bool(sight.ended)
        started = pod.get("status", {}).get("startTime", self.verbs.now)
        status: Json = {"phase": "Running" if is_up else "Pending", "conditions": self._conditions(pod, life, sight)}
        status |= {"hostIP": "192.0.2.1", "hostIPs": [{"ip": "192.0.2.1"}], "startTime": started}
        status |= {"podIP": life.address, "podIPs": [{"ip": life.address}]} if life.address else {}
        return {**status, "containerStatuses": containers, "qosClass": "BestEffort"}

    def _conditions(self, pod: Json, life: Life, sight: Seen) -> list[Json]:
        names = ", ".join(one["name"] for one in pod["spec"]["containers"])
        unready = {"reason": "ContainersNotReady", "message": f"containers with unready status: [{names}]"}
        wanted = {"PodReadyToStartContainers": bool(life.address), "Initialized": True}
        wanted |= {"Ready": sight.ready, "ContainersReady": sight.ready, "PodScheduled": True}
        conditions = []
        for kind, holds in wanted.items():
            if kind not in life.changed or life.changed[kind][0] != holds:
                life.changed[kind] = (holds, self.verbs.now)
            why = unready if not holds and kind in ("Ready", "ContainersReady") else {}
            words = {"type": kind, "status": str(holds), "lastProbeTime": None}
            conditions.append({**words, "lastTransitionTime": life.changed[kind][1], **why})
        return conditions

    def _tell(self, pod: Json, life: Life, sight: Seen) -> None:
        """Say in events what is new."""
        if sight.waiting == "ContainerCreating":
            where = f"{pod['metadata']['namespace']}/{pod['metadata']['name']} to {life.node}"
            self.events.say(pod, "Scheduled", f"Successfully assigned {where}", SCHEDULER)
            return
        container, is_bad = pod["spec"]["containers"][0], bool(sight.waiting) or not sight.ready
        for reason, message in _news(pod, container, life, sight):
            warning = is_bad and reason != "Started"
            self.events.say(pod, reason, message, KUBELET, warning=warning, container=container["name"])


def _news(pod: Json, container: Json, life: Life, sight: Seen) -> Iterator[tuple[str, str]]:
    """What a kubelet says of a container: each event's reason and message."""
    if sight.waiting == "ErrImagePull":
        yield "Failed", f'Failed to pull image "{container["image"]}": {sight.message}'
    if sight.waiting in ("ErrImagePull", "ImagePullBackOff"):
        yield "Failed", f"Error: {sight.waiting}"
    elif sight.waiting == "CreateContainerConfigError":
        yield "Failed", f"Error: {sight.message}"
    elif sight.waiting:
        meta = pod["metadata"]
        known = f"{meta['name']}_{meta['namespace']}({meta['uid']})"
        yield "BackOff", f"Back-off restarting failed container {container['name']} in pod {known}"
    elif life.age == 1:
        yield "Started", "Container started"
    if not sight.waiting and not sight.ready:
        yield "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503"


def _ended(pod: Json, now: str) -> Json:
    """The status of a pod whose containers have ended in peace."""
    status = pod["status"]
    done = {"Ready", "ContainersReady", "PodReadyToStartContainers"}
    conditions = [
        {**one, "status": "False", "lastTransitionTime": now, "reason": "PodCompleted"} if one["type"] in done else one
        for one in status["conditions"]
    ]
    state = {"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": now, "finishedAt": now}}
    containers = [{**one, "state": state, "ready": False, "started": False} for one in status["containerStatuses"]]
    return {**status, "phase": "Succeeded", "conditions": conditions, "containerStatuses": containers}


def _container(container: Json, sight: Seen, now: str) -> Json:
    """A container's status."""
    state: Json = {"running": {"startedAt": now}}
    if sight.waiting:
        state = {"waiting": {"reason": sight.waiting, **({"message": sight.message} if sight.message else {})}}
    ended = {"exitCode": sight.code, "reason": sight.ended, "startedAt": now, "finishedAt": now}
    known = "" if sight.waiting and not sight.ended else "containerd://" + _digest(container["name"] + now)
    return {
        "name": container["name"],
        "state": state,
        "lastState": {"terminated": ended} if sight.ended else {},
        "ready": sight.ready,
        "restartCount": sight.restarts,
        "image": container["image"],
        "imageID": f"{container['image'].split('@')[0].rsplit(':', 1)[0]}@sha256:{_digest(container['image'])}"
        if known
        else "",
        **({"containerID": known} if known else {}),
        "started": not sight.waiting,
    }


def _digest(text: str) -> str:
    return text.rsplit("@sha256:", 1)[1] if "@sha256:" in text else hashlib.sha256(text.encode()).hexdigest()
