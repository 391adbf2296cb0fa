"""Why one container of a pod does not run or does not serve, in words.

A kubelet tells of a container by its state (waiting, running, terminated), by how it ended last, and by events. The
state says *that* it is in a loop; how it ended last says *why*. And when the kubelet itself stopped it, as
after a failing probe, only the events say so.
"""

import re
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.model import Json
from engine.targets.kubernetes import probes, pulls
from engine.targets.kubernetes.happenings import Happening
from engine.targets.kubernetes.lines import last_line, lasting, moment, one_line, sentence

_STARTS = frozenset({"CreateContainerError", "RunContainerError", "StartError", "ContainerCannotRun"})
PATIENCE = timedelta(seconds=30)
"""How long anything at the beginning may take before it is worth a word."""
_RECENT = timedelta(minutes=10)
_MISSING = re.compile(r'\b(configmap|secret) "([^"]+)" not found')
_NO_KEY = re.compile(r"couldn't find key (\S+) in (ConfigMap|Secret) (?:[^/\s]+/)?(\S+)")
_KINDS = {"configmap": "ConfigMap", "secret": "Secret"}
_SIGNALLED = 128
_UNDER_WAY = frozenset({"", "ContainerCreating", "PodInitializing"})


@dataclass(frozen=True, slots=True)
class Container:
    """One container: its place in the pod's spec, its status, and every event about the pod."""

    spec: Json
    status: Json
    said: Sequence[Happening]
    now: datetime

    @property
    def name(self) -> str:
        """As its pod calls it."""
        return str(self.spec["name"])

    @property
    def last(self) -> Json:
        """How it ended, now or the last time; empty when it never did."""
        ended = (self.status.get("state") or {}).get("terminated") or (self.status.get("lastState") or {}).get(
            "terminated"
        )
        return ended or {}

    @property
    def restarts(self) -> int:
        """How often it has been started again."""
        return int(self.status.get("restartCount") or 0)


def trouble(one: Container) -> str:
    """Say what is wrong with a container that is not ready; empty when nothing is known to be."""
    state = one.status.get("state") or {}
    if waiting := state.get("waiting"):
        return _kept_waiting(one, str(waiting.get("reason") or ""), str(waiting.get("message") or ""))
    if "terminated" in state:
        return crash(one)
    return _silent(one, state.get("running") or {}) if "running" in state else ""


def crash(one: Container) -> str:
    """Say how the container ended last and why."""
    ended, again = one.last, f", restarted {_times(one.restarts)}" if one.restarts else ""
    began = moment(ended.get("startedAt"))
    if (by := probes.killer(one.spec, one.said, ended)) and ended.get("reason") != "OOMKilled":
        failed = probes.failure(one.spec, one.said, None, (by,))
        return f"does not pass its {by} probe{again}" + (f": {failed.output}" if failed else "")
    hook = any(each.reason == "FailedPostStartHook" and began and each.at >= began for each in one.said)
    if hook:
        return f"is ended because its post-start command fails{again}"
    if ended.get("reason") == "OOMKilled":
        return f"ran out of memory ({_limit(one.spec)}){again}"
    if ended.get("reason") in _STARTS:
        return f"cannot be started{again}: {_start_error(str(ended.get('message') or ''))}"
    words = last_line(ended.get("message") or "")
    return f"{_ending(ended)}{again}" + (f": {words}" if words else "")


def missing(message: str) -> str:
    """Name what a configuration or a volume lacks; empty when `message` names nothing missing."""
    if found := _NO_KEY.search(message):
        return sentence(f"{found[2]} {found[3]} has no key {found[1]}")
    if found := _MISSING.search(message):
        return sentence(f"{_KINDS[found[1]]} {found[2]} is missing")
    return ""


def _kept_waiting(one: Container, reason: str, message: str) -> str:
    if reason in _WAITING:
        return _WAITING[reason](one, message)
    return "" if reason in _UNDER_WAY else one_line(f"waits: {reason} {message}")


def _silent(one: Container, running: Json) -> str:
    """It runs and is not ready: it came back from a crash, or a probe says no, or nobody has said anything yet."""
    since, ended = moment(running.get("startedAt")), moment(one.last.get("finishedAt"))
    failed = probes.failure(one.spec, one.said, since, ("readiness", "startup"))
    if ended is not None and one.now - ended < _RECENT:
        return crash(one)
    if failed is not None:
        return f"does not pass its {failed.kind} probe: {failed.output}"
    started = one.status.get("started") is not False
    kind = "readiness" if started or not one.spec.get("startupProbe") else "startup"
    probe = one.spec.get(f"{kind}Probe")
    if probe is None or one.status.get("ready") or since is None or one.now - since < PATIENCE:
        return ""
    return f"has not passed its {kind} probe ({probes.described(probe)}) in {lasting(one.now - since)}"


def _pull(one: Container, message: str) -> str:
    heard = [each.message for each in reversed(one.said) if _of_a_pull(each, one.name)]
    return pulls.not_pulled(one.spec.get("image", ""), (message, *heard))


def _of_a_pull(each: Happening, container: str) -> bool:
    return each.container == container and each.reason == "Failed" and each.message.startswith("Failed to pull image")


def _config_error(message: str) -> str:
    if "runAsNonRoot" in message and "root" in message:
        return "its image runs as root, and runAsNonRoot forbids that"
    return missing(message) or sentence(message) or "its node does not say why"


def _start_error(message: str) -> str:
    tail = message.rpartition("unable to start container process: ")[2].removesuffix(": unknown")
    return sentence(tail.removeprefix("exec: ")) or "its node does not say why"


def _hook_error(message: str) -> str:
    words = message.rpartition(" failed - error: ")[2]
    head, _, output = words.partition(", message: ")
    code = head.rpartition("exited with ")[2].strip(" :,")
    said = last_line(output.strip('"').replace("\\n", "\n"), 100)
    return sentence((f"exit code {code}" if code.isdigit() else head) + (f": {said}" if said else ""))


def _ending(ended: Json) -> str:
    code = int(ended.get("exitCode") or 0)
    number = int(ended.get("signal") or 0) or (code - _SIGNALLED if code > _SIGNALLED else 0)
    if number:
        return f"is killed by {_signal(number)} (exit code {code})"
    return f"ends with exit code {code}" if code else "ends by itself with exit code 0"


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _limit(spec: Json) -> str:
    limit = ((spec.get("resources") or {}).get("limits") or {}).get("memory")
    return f"limit {sentence(limit, 40)}" if limit else "it has no limit, its node had no more"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _loop(one: Container, message: str) -> str:  # noqa: ARG001 - the message tells of the waiting, not of its cause
    return crash(one) if one.last else f"ends again and again, restarted {_times(one.restarts)}"


def _never_pulled(one: Container, message: str) -> str:  # noqa: ARG001
    image = pulls.reference(one.spec.get("image"))
    return f"cannot use image {image}: it is not on the node, and its pull policy is Never"


_WAITING: Mapping[str, Callable[[Container, str], str]] = {
    **dict.fromkeys(("ErrImagePull", "ImagePullBackOff", "RegistryUnavailable", "SignatureValidationFailed"), _pull),
    "ErrImageNeverPull": _never_pulled,
    "InvalidImageName": lambda one, message: pulls.invalid_name(one.spec.get("image"), message),
    "CreateContainerConfigError": lambda _, message: f"cannot be set up: {_config_error(message)}",
    "PostStartHookError": lambda _, message: f"is ended because its post-start command fails: {_hook_error(message)}",
    **dict.fromkeys(_STARTS, lambda _, message: f"cannot be started: {_start_error(message)}"),
    "CrashLoopBackOff": _loop,
}
"""What a container waits for, by the reason that its status gives."""
