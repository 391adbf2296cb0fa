"""What became of one pod and of its endpoint, told around a moment: so a request that came to grief is placed in it."""

from collections.abc import Iterable, Iterator
from typing import Any

from engine.targets.kubernetes.kinds import ENDPOINT_SLICE, POD
from tests.support.kube_promises import Change

Json = dict[str, Any]

_OF_SERVICE = "kubernetes.io/service-name"


def left_at(address: str, service: str, changes: Iterable[Change]) -> float | None:
    """Since when new requests to the service no longer go to that address; None if they still do, or never did."""
    leading, left = dict[str, bool](), None
    for change in sorted(changes, key=lambda one: one.version):
        if change.kind != ENDPOINT_SLICE or not _is_of(service, change, leading):
            continue
        before = any(leading.values())
        leading[change.name] = _state(address, change).startswith("ready")
        if before != any(leading.values()):
            left = change.at if before else None
    return left


def life_of(address: str, changes: Iterable[Change], at: float) -> str:
    """What became of the pod with that address, each change with the seconds to it from `at`."""
    told, last = list[str](), dict[str, str]()
    for change in sorted(changes, key=lambda one: one.version):
        for what, state in _states(address, change, last):
            if last.get(what) != state:
                last[what] = state
                told.append(f"{change.at - at:+.3f} {what} {state}")
    return ", ".join(told)


def _is_of(service: str, change: Change, known: Iterable[str]) -> bool:
    if change.thing is None:
        return change.name in known
    return (change.thing["metadata"].get("labels") or {}).get(_OF_SERVICE) == service


def _states(address: str, change: Change, known: Iterable[str]) -> Iterator[tuple[str, str]]:
    if change.kind == POD:
        what = f"pod {change.name}"
        if change.thing is None and what in known:
            yield what, "gone"
        elif change.thing is not None and change.thing.get("status", {}).get("podIP") == address:
            yield what, _of_pod(change.thing)
    elif change.kind == ENDPOINT_SLICE:
        what, state = f"endpoint in {change.name}", _state(address, change)
        if state or what in known:
            yield what, state or "gone"


def _state(address: str, change: Change) -> str:
    """How the endpoint with that address is: empty when it is not there."""
    listed = (change.thing or {}).get("endpoints") or ()
    conditions = next((each["conditions"] for each in listed if address in each["addresses"]), None)
    if conditions is None:
        return ""
    return "+".join(name for name in ("ready", "serving", "terminating") if conditions.get(name)) or "not ready"


def _of_pod(pod: Json) -> str:
    conditions = {each["type"]: each["status"] for each in pod["status"].get("conditions") or ()}
    words = ["ready" if conditions.get("Ready") == "True" else "not ready"]
    if pod["metadata"].get("deletionTimestamp"):
        words.append("told to end")
    words += [
        f"{each['name']} {state}"
        for each in pod["status"].get("containerStatuses") or ()
        for state in each.get("state") or {}
        if state != "running"
    ]
    return " ".join(words)
