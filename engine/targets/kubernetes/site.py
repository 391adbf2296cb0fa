"""One cluster as the target uses it: its API, its watches, and what the settings say of it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from engine.ports import Traffic
from engine.targets.kubernetes.cluster import Cluster
from engine.targets.kubernetes.names import Place
from engine.targets.kubernetes.scene import Looking
from engine.targets.kubernetes.watching import Watching


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """A cluster. `registry` goes in front of image names (empty: as they are written).

    `settle` is how long proxies may take to follow a changed route. `counting` asks Prometheus for a workload's
    requests; None where there is none. `trouble` says why it does not, empty while it does. `before` are the names
    under which this Sluice has written to the cluster before it had its present one.
    """

    name: str
    cluster: Cluster
    watching: Watching
    looking: Looking
    registry: str = ""
    settle: timedelta = timedelta(seconds=2)
    counting: Callable[[Place], Awaitable[Traffic]] | None = None
    trouble: Callable[[], str] = lambda: ""
    before: frozenset[str] = frozenset()
