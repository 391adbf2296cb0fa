"""What a failing probe says, in words: readiness, liveness and startup."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from engine.model import Json
from engine.targets.kubernetes.happenings import Happening
from engine.targets.kubernetes.lines import moment, one_line, sentence

_FAILED = re.compile(r"(Readiness|Liveness|Startup) probe (?:failed|errored|warning):?\s*(.*)", re.DOTALL)
_KILLED = re.compile(r"failed (liveness|startup) probe")
_STATUS = re.compile(r"HTTP probe failed with statuscode: (\d+)")
_REFUSED = re.compile(r"dial tcp \S+?:(\d+): (?:connect: )?connection refused")
_STOPPED = (0, 137, 143)
"""Exit codes of a program that was told to end."""
_LATE = re.compile(r"deadline exceeded|Client\.Timeout|i/o timeout|timed out")


@dataclass(frozen=True, slots=True)
class Failure:
    """One probe that fails: ``readiness``, ``liveness`` or ``startup``, and what came of it."""

    kind: str
    output: str


def failure(container: Json, said: Sequence[Happening], since: datetime | None, kinds: Sequence[str]) -> Failure | None:
    """The last failure of one of `kinds` of probes that is told of `container` since then."""
    for each in reversed(said):
        found = _FAILED.match(each.message) if each.reason in ("Unhealthy", "ProbeWarning") else None
        if found is None or each.container not in ("", container["name"]) or (since and each.at < since):
            continue
        kind = found[1].lower()
        if kind in kinds:
            return Failure(kind, _words(found[2], container.get(f"{kind}Probe") or {}))
    return None


def killer(container: Json, said: Sequence[Happening], ended: Json) -> str:
    """Which probe had `container` stopped when it `ended`; empty when none had.

    A kubelet that has said much about a pod says no more for minutes. So an earlier stop by a probe counts as well when
    the container ended as one does that is stopped.
    """
    began, stopped = moment(ended.get("startedAt")), ended.get("exitCode") in _STOPPED
    for each in reversed(said):
        found = _KILLED.search(each.message) if each.reason == "Killing" else None
        if found is not None and each.container in ("", container["name"]):
            return found[1] if stopped or began is None or each.at >= began else ""
    return ""


def described(probe: Json) -> str:
    """What a probe asks: ``GET /healthz on port 8080``."""
    if http := probe.get("httpGet"):
        return one_line(f"GET {http.get('path', '/')} on port {http.get('port')}")
    if tcp := probe.get("tcpSocket"):
        return one_line(f"port {tcp.get('port')} open")
    if grpc := probe.get("grpc"):
        return one_line(f"gRPC on port {grpc.get('port')}")
    return one_line(" ".join((probe.get("exec") or {}).get("command") or ["no question"]), 60)


def _words(output: str, probe: Json) -> str:
    path = (probe.get("httpGet") or {}).get("path", "")
    at = f" at {path}" if path else ""
    if found := _STATUS.search(output):
        return one_line(f"answers {found[1]}{at}")
    if found := _REFUSED.search(output):
        return f"nothing listens on port {found[1]}"
    if _LATE.search(output):
        return one_line(f"no answer within {probe.get('timeoutSeconds', 1)} s{at}")
    return sentence(output.rpartition('": ')[2] if output.startswith("Get ") else output) or "says nothing"
