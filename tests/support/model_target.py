"""A target without processes: the model fleet behind the port, whose instances get ready as soon as they are there."""

from datetime import UTC, datetime, timedelta

from engine.ports import Instance, Placement, Traffic
from engine.rollout.fleet import Fleet, Move
from engine.rollout.rolling import InstanceState
from tests.support.model_fleet import ModelFleet


class ModelTarget:
    """`engine.ports.Target`. It asks for pipelines whose `drain` is 0s: time passes here as fast as outside."""

    def __init__(self) -> None:
        self.fleets: dict[str, ModelFleet] = {}
        self.moves: list[Move] = []

    async def observe(self, placement: Placement) -> Fleet:
        return self._of(placement.workload).observe()

    async def perform(self, placement: Placement, move: Move) -> None:
        self.moves.append(move)
        self._of(placement.workload).perform(move)

    async def tend(self, placement: Placement) -> None:
        fleet = self._of(placement.workload)
        fleet.pass_time(max(datetime.now(UTC) - fleet.now, timedelta(0)))
        for name in fleet.waiting():
            fleet.change(name, InstanceState.READY)
        fleet.take_up_route()
        fleet.tend()

    async def forget(self, workload: str) -> None:
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
