"""The objects of a definition's own manifest, taken apart: the workload, its service, and what stands beside them.

What is wrong with a manifest is told when the definition is checked (`engine.manifest_rules`); here it is known to be
right, but for one that was kept by a version of Sluice that looked less closely.
"""

from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from engine.errors import StageFailure
from engine.manifest import objects
from engine.manifest_rules import BESIDE, SERVICE, WORKLOAD


@dataclass(frozen=True, slots=True)
class Manifest:
    """One workload, its one service, and the rest."""

    workload: dict[str, Any]
    service: dict[str, Any]
    beside: tuple[dict[str, Any], ...]


def parse(text: str) -> Manifest:
    """Take a manifest apart; what comes is the caller's to change.

    Raises `StageFailure` when it is not one workload and one service.
    """
    return deepcopy(_parsed(text))


@lru_cache(maxsize=64)
def _parsed(text: str) -> Manifest:
    """Read it once: a release asks for it at every look, and 50 KiB of YAML keep the bot busy for a while."""
    every = objects(text)
    workloads = [each for each in every if each.get("kind") == WORKLOAD]
    services = [each for each in every if each.get("kind") == SERVICE]
    beside = tuple(each for each in every if each.get("kind") in BESIDE)
    if len(workloads) != 1 or len(services) != 1 or len(beside) + 2 != len(every):
        raise StageFailure(
            "The manifest of this release is not one Deployment and one Service with what may stand beside them.",
            "`sluice check` says what is wrong with it.",
        )
    return Manifest(workloads[0], services[0], beside)
