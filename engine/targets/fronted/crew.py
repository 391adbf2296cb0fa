"""Who runs instances: what a target behind Envoy asks of the one that starts and ends them."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from engine.model import Release
from engine.ports import Instance, Placement
from engine.routing.envoy_config import Endpoint
from engine.targets.fronted.advance import FindPlace, Program
from engine.targets.fronted.state import InstanceRecord, Workload


class Crew(Protocol):
    """Runs instances by their names. Every call may be repeated, and finds done what was done before a crash."""

    @property
    def relayed(self) -> bool:
        """Whether somebody else takes connections in place of the instances."""
        ...

    async def check(self, release: Release) -> None:
        """Raise `StageFailure` if an instance of `release` can never be started."""
        ...

    async def present(self, workload: Workload) -> Mapping[str, Program] | None:
        """Everything that there is of the instances of `workload`, by name; None when nobody can be asked now."""
        ...

    async def kept(self, placement: Placement, workload: Workload) -> Workload:
        """`workload` with every instance that runs for it and that it has forgotten."""
        ...

    async def exits(self, workload: Workload) -> Mapping[str, str]:
        """How instances ended last, in words that follow "it ...", by name."""
        ...

    async def obstacles(self, workload: Workload) -> Mapping[str, str]:
        """What keeps instances from being started, in words that follow "it ...", by name."""
        ...

    async def alive(self, names: Sequence[str]) -> frozenset[str]:
        """Those of `names` that have a process, whoever keeps it."""
        ...

    def silent(self, names: Sequence[str]) -> frozenset[str]:
        """Those of `names` that surely do not answer, by the last look: to ask them would only take time."""
        ...

    async def strangers(self, coming: Mapping[str, Endpoint]) -> frozenset[str]:
        """Those of `coming` whose endpoint somebody else answers at."""
        ...

    async def places(self, placement: Placement, taken: Sequence[Endpoint]) -> FindPlace:
        """Where more instances may answer; none of the places is `taken`."""
        ...

    async def start(
        self, placement: Placement, wanted: Sequence[InstanceRecord], programs: Mapping[str, Program]
    ) -> None:
        """Begin to start those of `wanted` that do not run, as many as may start now."""
        ...

    async def end(self, leaving: Sequence[InstanceRecord], programs: Mapping[str, Program]) -> None:
        """Make one step at ending these."""
        ...

    async def end_at_once(self, workload: Workload) -> None:
        """End everything of `workload` without draining, and forget it."""
        ...

    async def forget(self, name: str) -> None:
        """Remove what is left of an instance that has ended."""
        ...

    async def describe(self, workload: Workload) -> tuple[Instance, ...]:
        """Every instance for people."""
        ...
