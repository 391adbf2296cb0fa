"""What Sluice calls its containers, and the labels by which it finds them again.

Several Sluices may use one Docker Engine: what belongs to which is told by `PLACE`, a name that each of them made up
once. A container whose place is another's is never touched, nor one that has our labels and not the name that goes
with them: it is of an image that somebody made of ours.
"""

import secrets
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from engine.routing import atomic

DOMAIN = "sluice.dev"
PLACE = f"{DOMAIN}/place"
"""Which Sluice the container or network belongs to."""
WORKLOAD = f"{DOMAIN}/workload"
GROUP = f"{DOMAIN}/group"
RELEASE = f"{DOMAIN}/release"
INSTANCE = f"{DOMAIN}/instance"
"""The instance's name: ``hello.gray.3``."""
IMAGE = f"{DOMAIN}/image"
"""The image as people call it."""
PIPELINE = f"{DOMAIN}/pipeline"
RUN = f"{DOMAIN}/run"
"""The run that made the container."""
ADDRESS = f"{DOMAIN}/address"
PORT = f"{DOMAIN}/port"
"""Where Envoy finds the instance."""
CPU = f"{DOMAIN}/cpu"
MEMORY = f"{DOMAIN}/memory"
"""What is set aside for the instance, as the definition writes it."""


class Mark:
    """The name that the Sluice at `root` made up for itself, made up when it is first asked for."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @cached_property
    def place(self) -> str:
        """Eight letters and digits."""
        path = self._root / "place"
        found = (atomic.read(path) or "").strip()
        if not found:
            found = secrets.token_hex(4)
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            atomic.write(path, f"{found}\n", lasting=True)
        return found


def container_name(instance: str, place: str) -> str:
    """What the container of an instance is called. The place is in it because an engine has each name once."""
    return f"{instance}.{place}"


def network_name(place: str) -> str:
    """What the network of a Sluice's containers is called."""
    return f"sluice-{place}"


def selected(labels: Mapping[str, str]) -> dict[str, list[str]]:
    """The filter of Docker's API for everything that has all of `labels`."""
    return {"label": [f"{name}={value}" for name, value in labels.items()]}
