"""What keeps a pod from getting ready before any of its containers runs: no node, a dead node, volumes, the network."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from engine.model import Json
from engine.targets.kubernetes import containers, pulls, scheduling
from engine.targets.kubernetes.containers import PATIENCE
from engine.targets.kubernetes.happenings import Happening, latest
from engine.targets.kubernetes.lines import lasting, moment, sentence

_VOLUMES = ("FailedMount", "FailedAttachVolume", "FailedMapVolume")
_STARTED = ("Pulling", "Pulled", "Created", "Started")
_VOLUME = re.compile(r'for volume "([^"]+)"\s*:?\s*')
_UNMOUNTED = re.compile(r"unmounted volumes=\[([^\]]*)\]")
_IDENTIFIER = re.compile(r'(?: (?:for|of) (?:pod )?sandbox)? "?[0-9a-f]{64}"?')
_NETWORK = re.compile(r"network|cni|CNI|IP address")
_IMAGE = re.compile(r'Pulling image "([^"]*)"')
_SOON = timedelta(minutes=1)


def unscheduled(pod: Json, condition: Json, now: datetime) -> str:
    """Say why the pod has no node; empty when it has one, or when that is only a matter of seconds."""
    if pod["spec"].get("nodeName") or condition.get("status") == "True":
        return ""
    if condition.get("reason") == "SchedulingGated":
        gates = ", ".join(each["name"] for each in pod["spec"].get("schedulingGates") or ())
        return f"is held back by its scheduling gate {sentence(gates)}"
    if condition.get("message"):
        return scheduling.no_node(pod, str(condition["message"]))
    made = moment(pod["metadata"].get("creationTimestamp"))
    if made is None or now - made < PATIENCE:
        return ""
    return f"no scheduler has looked for a node for it in {lasting(now - made)}"


def lost(pod: Json, ready: Json, said: Sequence[Happening]) -> str:
    """Say that the pod's node does not answer, if that is why it is not ready."""
    status, node = pod.get("status") or {}, sentence(pod["spec"].get("nodeName") or "a node")
    statuses = status.get("containerStatuses") or ()
    told, changed = latest(said, ("NodeNotReady",)), moment(ready.get("lastTransitionTime"))
    gone = status.get("reason") == "NodeLost" or status.get("phase") == "Unknown"
    silent = told is not None and changed is not None and told.at >= changed - _SOON
    if gone or (silent and statuses and all(each.get("ready") for each in statuses)):
        return f"is on {node}, which does not answer"
    return ""


def unprepared(pod: Json, said: Sequence[Happening], now: datetime) -> str:
    """Say what keeps the pod's containers from being made: a volume, the network, a long pull, a silent node."""
    begun = latest(said, _STARTED)
    rest = [each for each in said if begun is None or each.at >= begun.at]
    if words := _volume(rest):
        return words
    node = sentence(pod["spec"].get("nodeName") or "its node")
    if failed := latest(rest, ("FailedCreatePodSandBox", "FailedPodSandBoxStatus", "NetworkNotReady")):
        what = "a network" if _NETWORK.search(failed.message) else "a sandbox"
        return f"cannot get {what} on {node}: {_reason(failed.message)}"
    if (image := pulling(said)) and now - image[1] >= PATIENCE:
        return f"has been pulling image {image[0]} for {lasting(now - image[1])}"
    since = moment((pod.get("status") or {}).get("startTime") or pod["metadata"].get("creationTimestamp"))
    if not said and since is not None and now - since >= PATIENCE and not pod["spec"].get("initContainers"):
        return f"is being made on {node} for {lasting(now - since)}, and nothing is said about it"
    return ""


def pulling(said: Sequence[Happening]) -> tuple[str, datetime] | None:
    """The image that is being pulled now, and since when."""
    last = latest(said, ("Pulling", "Pulled", "Failed", "BackOff", "Created"))
    found = _IMAGE.search(last.message) if last is not None and last.reason == "Pulling" else None
    return (pulls.reference(found[1]), last.at) if last is not None and found is not None else None


def _volume(said: Sequence[Happening]) -> str:
    failed = [each for each in said if each.reason in _VOLUMES]
    exact = [each for each in failed if _VOLUME.search(each.message)]
    for each in (*reversed(exact), *reversed(failed)):
        named, waited = _VOLUME.search(each.message), _UNMOUNTED.search(each.message)
        name = sentence(named[1] if named else waited[1] if waited else "", 60)
        words = each.message[named.end() :] if named else each.message.rpartition(": ")[2]
        return f"cannot mount its volume {name}: {containers.missing(each.message) or _reason(words)}"
    return ""


def _reason(message: str) -> str:
    words = message.rpartition("desc = ")[2].removeprefix("Failed to create pod sandbox: ")
    words = words.rpartition("failed (add): ")[2]
    return sentence(_IDENTIFIER.sub("", words)) or "no reason given"
