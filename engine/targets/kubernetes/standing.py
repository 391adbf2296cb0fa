"""Which objects stood at the last step, so that it can be told when somebody has removed one that is made again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from engine.ports import Placement
from engine.targets.kubernetes import writing
from engine.targets.kubernetes.kinds import Kind
from engine.targets.kubernetes.scene import Scene
from engine.targets.kubernetes.writes import Remove, Write


@dataclass(slots=True)
class Standing:
    """Remembers it by workload. What came before the bot was started is not known."""

    _there: dict[str, frozenset[tuple[Kind, str]]] = field(default_factory=dict)

    def made_again(self, scene: Scene, placement: Placement, pending: Sequence[Write]) -> Iterator[str]:
        """Say which of the writes that are `pending` make what was there at the last step and is not now."""
        before = self._there.get(placement.workload, frozenset())
        now = {(kind, live["metadata"]["name"]) for kind, live in scene.all()}
        ended = {(one.kind, one.name) for one in pending if isinstance(one, Remove)}
        self._there[placement.workload] = frozenset(now - ended)
        for one in pending:
            if (one.kind, one.name) in before - now - ended:
                thing = writing.thing_of(one.kind, scene, one.name)
                yield f"{thing} was removed by somebody; {placement.run} needs it, so it was made again."
