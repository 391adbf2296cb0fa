"""A target without processes: the model fleet behind the port, whose instances get ready as soon as they are there."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from engine.deployment import Deployment
from engine.model import Json, Release
from engine.ports import Dispute, Hotfix, Instance, Placement, Traffic
from engine.rollout.fleet import Fleet, Move, ReleaseId
from engine.rollout.rolling import InstanceState
from tests.support.model_fleet import ModelFleet


class ModelTarget:
    """`engine.ports.Target`. It asks for pipelines whose `drain` is 0s: time passes here as fast as outside."""

    def __init__(self) -> None:
        self.fleets: dict[str, ModelFleet] = {}
        self.moves: list[Move] = []
        self.last_run: dict[str, str] = {}
        self.standing: dict[str, Release] = {}
        self.disputed: dict[str, tuple[Dispute, ...]] = {}
        self.settled: list[tuple[str, str, tuple[Dispute, ...]]] = []
        self.hot: dict[str, Hotfix] = {}
        self.tells_changes = False
        self.forgotten: list[str] = []

    async def fit(self, workload: str, spec: Deployment) -> Deployment:
        return spec

    async def found(self, workload: str, spec: Deployment) -> Release | None:
        return self.standing.get(workload)

    async def manifest(self, placement: Placement, release: ReleaseId) -> str:
        return placement.releases[release].manifest

    async def changes(self, placement: Placement, moves: Sequence[Move]) -> tuple[str, ...]:
        return tuple(f"{move}" for move in moves) if self.tells_changes else ()

    async def disputes(self, placement: Placement) -> tuple[Dispute, ...]:
        return self.disputed.get(placement.workload, ())

    async def restore(self, placement: Placement, disputes: Sequence[Dispute], by: str) -> None:
        self.settled.append(("restore", by, tuple(disputes)))
        self.disputed.pop(placement.workload, None)

    async def hotfix(self, placement: Placement) -> Hotfix | None:
        return self.hot.get(placement.workload)

    async def adopt(
        self, placement: Placement, disputes: Sequence[Dispute], by: str, hotfix: Release | None = None
    ) -> None:
        self.settled.append(("adopt", by, tuple(disputes)))
        self.disputed.pop(placement.workload, None)
        if hotfix is not None:
            self.hot.pop(placement.workload, None)
            self._rename(placement, hotfix.id)

    def _rename(self, placement: Placement, name: ReleaseId) -> None:
        """What runs as the last of the placement's releases is called this from now on."""
        fleet, old = self._of(placement.workload), list(placement.releases)[-1]
        for kept in fleet.groups.values():
            if kept.spec.release == old:
                kept.spec = replace(kept.spec, release=name)
        for copy in fleet.copies.values():
            if copy.release == old:
                copy.release = name

    async def applied(self, placement: Placement) -> Mapping[str, Json]:
        if self.last_run.get(placement.workload) != placement.run:
            return {}
        fleet = self._of(placement.workload).observe()
        groups = {
            f"Deployment {placement.workload}-{name}": {"kind": "Deployment", "count": group.count, "of": group.release}
            for name, group in fleet.groups.items()
        }
        return groups | ({f"Route {placement.workload}": {"weights": dict(fleet.route.weights)}} if groups else {})

    async def observe(self, placement: Placement) -> Fleet:
        return self._of(placement.workload).observe()

    async def perform(self, placement: Placement, move: Move) -> None:
        self.moves.append(move)
        self.last_run[placement.workload] = placement.run
        self._of(placement.workload).perform(move)

    async def tend(self, placement: Placement) -> None:
        fleet = self._of(placement.workload)
        fleet.pass_time(max(datetime.now(UTC) - fleet.now, timedelta(0)))
        for name in fleet.waiting():
            fleet.change(name, InstanceState.READY)
        fleet.take_up_route()
        fleet.tend()

    async def forget(self, workload: str) -> None:
        self.forgotten.append(workload)
        self.fleets.pop(workload, None)

    async def instances(self, workload: str) -> tuple[Instance, ...]:
        return tuple(
            Instance(copy.name, copy.group, copy.release, copy.state.value, "", "model", "", copy.since)
            for copy in self._of(workload).copies.values()
        )

    async def traffic(self, workload: str) -> Traffic:
        return Traffic()

    async def effective_route(self, workload: str) -> str:
        return f"{self._of(workload).effective}"

    async def keep(self) -> tuple[str, ...]:
        return ()

    def broken(self) -> list[str]:
        """Every promise that was broken on the way."""
        return [sentence for fleet in self.fleets.values() for sentence in fleet.broken]

    def _of(self, workload: str) -> ModelFleet:
        return self.fleets.setdefault(workload, ModelFleet(timedelta(0), now=datetime.now(UTC)))
