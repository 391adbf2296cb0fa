"""How a pod is, in words for a person at three in the morning.

A pod that is not ready has one cause that matters and many symptoms. So the places where a cause can stand are looked
at in the order in which a pod comes to life, and the first that says something is the answer: has it a node, does the
node live, have its init containers ended, has it its volumes and its network, do its containers run, do they pass their
probes, do others allow it to be ready. What is merely slow gets a word after half a minute.

Everything quoted has passed `engine.targets.kubernetes.lines`: what kubelets, registries and programs say is not ours.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.model import Json
from engine.targets.kubernetes import containers, hosting
from engine.targets.kubernetes.containers import PATIENCE, Container
from engine.targets.kubernetes.happenings import Happening, happenings
from engine.targets.kubernetes.lines import clock, lasting, moment, one_line, sentence

_OVER = ("Succeeded", "Failed")
_REMEMBERED = timedelta(hours=1)
OVERDUE = timedelta(seconds=10)
"""How long after its grace period a pod may still be there: its node reports a little late, and clocks differ."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A pod in words.

    `status` is starting, ready, unready, draining or ended. `event` is the latest thing about it. `trouble` is empty,
    or says why it is not as it should be, as the rest of a sentence that begins with the pod's name.
    """

    status: str
    event: str
    trouble: str = ""


def state_of(pod: Json, events: Iterable[Json], now: datetime) -> Seen:
    """See one pod; `events` may be about others, too."""
    status = pod.get("status") or {}
    if status.get("phase") in _OVER:
        return _ended(pod)
    if pod["metadata"].get("deletionTimestamp"):
        return _leaving(pod, now)
    said = happenings(pod, events)
    every = _containers(pod, said, now)
    if is_ready(pod):
        return Seen("ready", _past(every, now))
    trouble = next((words for words in _troubles(pod, every, said, now) if words), "")
    if trouble:
        return Seen("unready", trouble, trouble)
    return Seen("unready" if _was_ready(pod) else "starting", _progress(pod, every, said))


def is_ready(pod: Json) -> bool:
    """Whether the pod gets requests: it is ready and nobody has asked it to end."""
    condition = condition_of(pod, "Ready")
    over = (pod.get("status") or {}).get("phase") in _OVER
    return condition.get("status") == "True" and not over and not pod["metadata"].get("deletionTimestamp")


def is_over(pod: Json, now: datetime) -> bool:
    """Whether nothing of the pod runs any more, or can be expected to: it ended, or should have ended a while ago."""
    if (pod.get("status") or {}).get("phase") in _OVER:
        return True
    due = moment(pod["metadata"].get("deletionTimestamp"))
    return due is not None and now > due + OVERDUE


def condition_of(thing: Json, kind: str) -> Json:
    """One condition of an object's status; empty when it has none of that kind."""
    every = (thing.get("status") or {}).get("conditions") or ()
    return next((each for each in every if each.get("type") == kind), {})


def _containers(pod: Json, said: Sequence[Happening], now: datetime) -> list[Container]:
    """The containers that go on running, those of them included that stand among the init containers."""
    beside = [each for each in pod["spec"].get("initContainers") or () if each.get("restartPolicy") == "Always"]
    return [
        Container(each, _status(pod, each["name"]), said, now) for each in (*beside, *pod["spec"].get("containers", ()))
    ]


def _status(pod: Json, name: str) -> Json:
    status = pod.get("status") or {}
    every = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    return next((each for each in every if each.get("name") == name), {})


def _troubles(pod: Json, every: Sequence[Container], said: Sequence[Happening], now: datetime) -> Iterator[str]:
    yield hosting.unscheduled(pod, condition_of(pod, "PodScheduled"), now)
    yield hosting.lost(pod, condition_of(pod, "Ready"), said)
    yield _first(pod, said, now)
    if any(_is_waited_for(each) for each in every):
        yield hosting.unprepared(pod, said, now)
    for each in every:
        if not each.status.get("ready"):
            words = containers.trouble(each)
            yield f"container {each.name}: {words}" if words and len(every) > 1 else words
    yield _gated(pod)


def _first(pod: Json, said: Sequence[Happening], now: datetime) -> str:
    """What the init container says that the others wait for."""
    for spec in pod["spec"].get("initContainers") or ():
        one = Container(spec, _status(pod, spec["name"]), said, now)
        state = one.status.get("state") or {}
        if spec.get("restartPolicy") == "Always" or (state.get("terminated") or {}).get("exitCode") == 0:
            continue
        words = containers.trouble(one)
        since = moment((state.get("running") or {}).get("startedAt"))
        if not words and since is not None and now - since >= PATIENCE:
            words = f"has been running for {lasting(now - since)}, and the others wait for it to end"
        return f"init container {one.name}: {words}" if words else ""
    return ""


def _is_waited_for(one: Container) -> bool:
    waiting = (one.status.get("state") or {}).get("waiting")
    return not one.status or (waiting or {}).get("reason") in ("ContainerCreating", "PodInitializing")


def _gated(pod: Json) -> str:
    """Say which of the pod's own readiness gates is closed, once its containers are ready."""
    if condition_of(pod, "ContainersReady").get("status") != "True":
        return ""
    for gate in pod["spec"].get("readinessGates") or ():
        if condition_of(pod, gate["conditionType"]).get("status") != "True":
            return f"waits for its readiness gate {sentence(gate['conditionType'])}"
    message = condition_of(pod, "Ready").get("message")
    return f"is kept from being ready: {sentence(message)}" if message else ""


def _was_ready(pod: Json) -> bool:
    """Whether it has been ready before: the condition changed after the containers had been started."""
    changed = moment(condition_of(pod, "Ready").get("lastTransitionTime"))
    every = (pod.get("status") or {}).get("containerStatuses") or ()
    started = [moment(((each.get("state") or {}).get("running") or {}).get("startedAt")) for each in every]
    known = [each for each in started if each is not None]
    return changed is not None and len(known) == len(every) > 0 and changed > max(known)


def _progress(pod: Json, every: Sequence[Container], said: Sequence[Happening]) -> str:
    """How far a pod is that nothing is wrong with."""
    if not pod["spec"].get("nodeName"):
        return "waits for a node"
    if image := hosting.pulling(said):
        return f"pulls image {image[0]}"
    for spec in pod["spec"].get("initContainers") or ():
        if "running" in (_status(pod, spec["name"]).get("state") or {}) and spec.get("restartPolicy") != "Always":
            return one_line(f"runs init container {spec['name']}")
    if any(_is_waited_for(each) for each in every):
        return one_line(f"is being made on {pod['spec']['nodeName']}")
    return "is no longer ready" if _was_ready(pod) else "runs, and is not ready yet"


def _past(every: Sequence[Container], now: datetime) -> str:
    """What a pod that serves has behind it."""
    for each in every:
        ended = moment(each.last.get("finishedAt"))
        if each.restarts and ended is not None and now - ended < _REMEMBERED:
            return f"serves; {lasting(now - ended)} ago: {containers.crash(each)}"
    return "serves"


def _leaving(pod: Json, now: datetime) -> Seen:
    due = moment(pod["metadata"]["deletionTimestamp"]) or now
    why = sentence(condition_of(pod, "DisruptionTarget").get("message", ""))
    because = f" ({why})" if why else ""
    if not is_over(pod, now):
        return Seen("draining", f"is being ended, until {clock(due)} at the latest{because}")
    node = sentence(pod["spec"].get("nodeName") or "its node")
    late = f"should have ended {lasting(now - due)} ago, and {node} has not said that it did{because}"
    return Seen("draining", late, late)


def _ended(pod: Json) -> Seen:
    status = pod["status"]
    reason, message = sentence(status.get("reason") or ""), sentence(status.get("message") or "")
    if status["phase"] == "Succeeded":
        return Seen("ended", "ended by itself")
    if reason == "Evicted":
        node = sentence(pod["spec"].get("nodeName") or "its node")
        words = f"was evicted from {node}: {message or 'no reason given'}"
    else:
        words = f"failed: {': '.join(each for each in (reason, message) if each)}" if reason or message else "failed"
    return Seen("ended", words, words)
