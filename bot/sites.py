"""The clusters that the settings name, each reached when it is first needed.

A kubeconfig that is missing or a cluster that is away keeps the bot from nothing else: whoever needs it hears why.
"""

import hashlib
import socket
from collections.abc import Iterator, Mapping
from dataclasses import replace

from bot.cluster_settings import ClusterSettings
from bot.clusters import metrics_of
from bot.settings import Settings
from engine.ports import Clock
from engine.targets.kubernetes.cluster import connect
from engine.targets.kubernetes.scene import Looking
from engine.targets.kubernetes.site import Site
from engine.targets.kubernetes.watching import Watching


class Sites(Mapping[str, Site]):
    """The clusters of the settings by name."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
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
        cluster = connect(
            name,
            manager=manager_of(self._settings),
            kubeconfig=said.kubeconfig,
            context=said.context,
            in_cluster=said.in_cluster,
        )
        watching = Watching(cluster)
        looking = Looking(cluster, watching, self._clock)
        metrics = metrics_of(name, said)
        site = Site(name, cluster, watching, looking, said.image_prefix, said.settle)
        return replace(site, counting=metrics.traffic, trouble=lambda: metrics.trouble) if metrics else site


def manager_of(settings: Settings) -> str:
    """The name under which this Sluice writes to clusters: another one has another, so that neither takes unseen.

    Bots that share a database are one; a file of SQLite is one machine's.
    """
    where = settings.database_url
    if where.startswith("sqlite"):
        where = f"{socket.gethostname()}:{where}"
    return f"sluice-{hashlib.sha256(where.encode()).hexdigest()[:8]}"
