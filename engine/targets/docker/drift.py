"""What somebody else has changed on a container of Sluice's (`docker update`), and how it is put back. Pure.

A container that was stopped, paused or removed needs no decision: it is started or made again at once, because it is
missing. Limits and restarts are another matter: whoever changed them had a reason, so the release stands still until a
person says whose value stays.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from engine.deployment import Deployment
from engine.model import Json
from engine.ports import Dispute
from engine.targets.docker.containers import RESTART, limits
from engine.targets.docker.endings import written_bytes

MANAGER = "docker update"
_FIELDS = {
    "Memory": "memory limit",
    "MemoryReservation": "memory request",
    "NanoCpus": "cpu limit",
    "CpuShares": "cpu request",
}
_RESTART_FIELD = "restart policy"
_SHARES = 1024


@dataclass(frozen=True, slots=True)
class Change:
    """One field of one container, changed by somebody: what Docker calls it, and both values as Docker has them."""

    instance: str
    key: str
    ours: Any
    theirs: Any

    @property
    def dispute(self) -> Dispute:
        """It in people's words."""
        field = _FIELDS.get(self.key, _RESTART_FIELD)
        return Dispute(
            thing_of(self.instance), field, MANAGER, _shown(self.key, self.ours), _shown(self.key, self.theirs)
        )


def thing_of(instance: str) -> str:
    """What the container of an instance is called in a dispute."""
    return f"Container {instance}"


def changes(instance: str, inspected: Json, spec: Deployment) -> Iterator[Change]:
    """Every field that is not as the release wants it."""
    found, wanted = inspected.get("HostConfig", {}), limits(spec)
    for key in _FIELDS:
        ours, theirs = wanted.get(key, 0), int(found.get(key) or 0)
        if ours != theirs:
            yield Change(instance, key, ours, theirs)
    policy = str((found.get("RestartPolicy") or {}).get("Name") or "no")
    if policy != RESTART:
        yield Change(instance, "RestartPolicy", RESTART, policy)


def mended(found: list[Change]) -> Mapping[str, Any]:
    """What Docker's API takes to put these back, all of one container."""
    told: dict[str, Any] = {each.key: each.ours for each in found if each.key != "RestartPolicy"}
    if "Memory" in told:
        told["MemorySwap"] = told["Memory"] or -1
    if any(each.key == "RestartPolicy" for each in found):
        told["RestartPolicy"] = {"Name": RESTART}
    return told


def _shown(key: str, value: Any) -> str:
    if not value:
        return "none"
    if key == "NanoCpus":
        return f"{value / 10**9:g}"
    if key == "CpuShares":
        return f"{value / _SHARES:g}"
    return str(value) if key == "RestartPolicy" else written_bytes(int(value))
