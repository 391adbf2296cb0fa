"""The clusters that the settings name, each reached when it is first needed.

A kubeconfig that is missing or a cluster that is away keeps the bot from nothing else: whoever needs it hears why.

What Sluice writes there stands under a name of its own, which is kept in its database: started anew in another pod, on
another machine or with another password, it is the same to itself, and another Sluice is somebody else.
"""

import hashlib
import socket
from collections.abc import Iterator, Mapping
from dataclasses import replace

from bot.cluster_settings import ClusterSettings
from bot.places.clusters import metrics_of
from bot.settings import Settings
from engine.errors import InvariantViolation
from engine.ports import Clock
from engine.targets.kubernetes.cluster import connect
from engine.targets.kubernetes.scene import Looking
from engine.targets.kubernetes.site import Site
from engine.targets.kubernetes.watching import Watching


class Sites(Mapping[str, Site]):
    """The clusters of the settings by name. `installation` is this Sluice's own name, known once its database is."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self.installation = ""
        self._made: dict[str, Site] = {}

    def __getitem__(self, name: str) -> Site:
        """Connect, if this is the first time. Raises `Broken` with what to do when that cannot be."""
        if name not in self._made:
            self._made[name] = self._make(name, self._settings.clusters[name])
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        """The names."""
        return iter(self._settings.clusters)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._settings.clusters)

    def _make(self, name: str, said: ClusterSettings) -> Site:
        if not self.installation:
            raise InvariantViolation(f"Cluster {name} is asked for before this Sluice knows its own name.")
        cluster = connect(
            name,
            manager=f"sluice-{self.installation}",
            kubeconfig=said.kubeconfig,
            context=said.context,
            in_cluster=said.in_cluster,
        )
        watching = Watching(cluster)
        looking = Looking(cluster, watching, self._clock)
        metrics = metrics_of(name, said)
        before = frozenset({_older_name(self._settings)})
        site = Site(name, cluster, watching, looking, said.image_prefix, said.settle, before=before)
        return replace(site, counting=metrics.traffic, trouble=lambda: metrics.trouble) if metrics else site


def _older_name(settings: Settings) -> str:
    """The name that versions without one in their database wrote under: made of the machine and the database's URL."""
    where = settings.database_url
    if where.startswith("sqlite"):
        where = f"{socket.gethostname()}:{where}"
    return f"sluice-{hashlib.sha256(where.encode()).hexdigest()[:8]}"
