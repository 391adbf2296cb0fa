"""The clusters of the settings, as the rest of the bot needs them: names, images, and who counts requests."""

from collections.abc import Callable, Mapping

from bot.cluster_settings import ClusterSettings
from engine.builders.registry import Registry, Unchecked
from engine.deployment import DEFAULT_CLUSTER, target_of
from engine.ports import Images
from engine.targets.kubernetes.metrics import Metrics

Clusters = Mapping[str, ClusterSettings]


def names_of(clusters: Clusters) -> frozenset[str]:
    """Return every name that a definition may use: the only cluster is the default one, too."""
    return frozenset(clusters) | (frozenset({DEFAULT_CLUSTER}) if len(clusters) == 1 else frozenset())


def registries(clusters: Clusters, containers: Images | None = None) -> Callable[[str], Images | None]:
    """Return what finds images for a workload, `containers` those of Docker's; None for one that runs bundles."""
    found: dict[str, Images] = {name: images_of(settings) for name, settings in clusters.items()}
    if len(found) == 1:
        found.setdefault(DEFAULT_CLUSTER, next(iter(found.values())))

    def of(workload: str) -> Images | None:
        if target_of(workload) != "kubernetes":
            return containers if target_of(workload) == "docker" else None
        return found.get(workload.partition("/")[0], Unchecked())

    return of


def images_of(settings: ClusterSettings) -> Registry | Unchecked:
    """Return where a cluster's images are found; where no registry is named, they go by their tags alone."""
    if not settings.registry:
        return Unchecked()
    password = settings.registry_password.get_secret_value() if settings.registry_password else ""
    return Registry(settings.registry, settings.registry_user, password)


def metrics_of(name: str, settings: ClusterSettings) -> Metrics | None:
    """Return what counts requests in a cluster; None when the settings name no Prometheus."""
    if not settings.prometheus:
        return None
    if settings.requests_query:
        return Metrics(name, settings.prometheus, settings.requests_query, settings.errors_query)
    return Metrics(name, settings.prometheus)
