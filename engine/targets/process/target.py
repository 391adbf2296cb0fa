"""Instances as processes of one machine: kept by supervisord, reached through Envoy."""

from collections.abc import Callable, Sequence
from pathlib import Path

from engine.deployment import Deployment
from engine.model import Release
from engine.ports import Clock, Dispute, Placement
from engine.targets.fronted.front import Front
from engine.targets.fronted.layout import Layout
from engine.targets.fronted.target import FrontedTarget
from engine.targets.process.crew import ProcessCrew


class ProcessTarget(FrontedTarget):
    """The `engine.ports.Target` over everything under `root`. `bundles` gives the directory of a bundle by its digest.

    Visitors' ports open on `address`.
    """

    def __init__(self, root: Path, bundles: Callable[[str], Path], clock: Clock, *, address: str = "127.0.0.1") -> None:
        layout = Layout(root)
        front = Front(layout, address)
        crew = ProcessCrew(front.supervisor, bundles, layout.logs, clock)
        super().__init__(layout, front, crew, clock)
        self._supervisor = front.supervisor

    async def fit(self, workload: str, spec: Deployment) -> Deployment:  # noqa: ARG002 - the port's signature
        """The definition has already refused what this place cannot do."""
        return spec

    async def found(self, workload: str, spec: Deployment) -> None:
        """Nothing runs here that Sluice has not placed."""

    async def disputes(self, placement: Placement) -> tuple[Dispute, ...]:  # noqa: ARG002
        """Nobody else manages what is here."""
        return ()

    async def restore(self, placement: Placement, disputes: Sequence[Dispute], by: str) -> None:
        """Nothing is disputed here."""

    async def hotfix(self, placement: Placement) -> None:
        """Nobody else puts anything in the place of a release."""

    async def adopt(
        self, placement: Placement, disputes: Sequence[Dispute], by: str, hotfix: Release | None = None
    ) -> None:
        """Nothing is disputed here."""
