"""What a `Place` stands on: how fast it is, which images there are, and the ways into the cluster."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from engine.ports import Clock
from tests.support.kube_hands import Hands
from tests.support.kube_mortal import Mortal
from tests.support.kube_promises import Change


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a place is: `between` seconds from look to look, and a test gives up after `within`."""

    drain: timedelta
    hold: timedelta
    settle: timedelta
    slack: timedelta
    between: float
    within: float
    stale: timedelta = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Images:
    """One repository with the tags v1, v2, v3 and bad, which never gets ready."""

    registry: str
    repository: str

    def said(self, tag: str) -> str:
        """As a definition writes it."""
        return f"{self.repository}:{tag}"

    def pulled(self, tag: str) -> str:
        """As a manifest writes it."""
        return f"{self.registry}/{self.repository}:{tag}" if self.registry else self.said(tag)


class Ground(Protocol):
    """What a place stands on."""

    @property
    def clock(self) -> Clock:
        """The cluster's time."""
        ...

    @property
    def hands(self) -> Hands:
        """Somebody else in the namespace."""
        ...

    @property
    def images(self) -> Images:
        """What can be run."""
        ...

    @property
    def pace(self) -> Pace:
        """How fast it is here."""
        ...

    def cluster(self, manager: str) -> Mortal:
        """A way there of Sluice's own, that remembers nothing and writes under this name."""
        ...

    async def serves(self, group: str) -> None:
        """Have an API group; skips the test where that cannot be."""
        ...

    async def go_on(self) -> None:
        """Let the cluster do a little of its work."""
        ...

    async def changes(self) -> list[Change]:
        """Everything that became of the objects until now."""
        ...
