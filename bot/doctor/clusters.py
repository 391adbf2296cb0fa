"""The clusters: whether each can be reached, lets Sluice do what releases need, and can split traffic; its registry.

The rights are asked for one by one, in each namespace that a stored pipeline releases in. Nothing is changed: the one
write is a trial that the cluster is told not to carry out.
"""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from bot.cluster_settings import ClusterSettings
from bot.doctor.clock import skew
from bot.doctor.finding import Finding, ill, odd, well
from bot.doctor.waiting import in_time
from bot.places.clusters import images_of, metrics_of
from bot.settings import Settings
from engine.builders.registry import Registry
from engine.deployment import DEFAULT_CLUSTER, DEFAULT_NAMESPACE
from engine.errors import Broken, Interrupted, SluiceError
from engine.model import Json
from engine.pipeline import parse
from engine.targets.kubernetes.access import RIGHTS, For, Right, is_granted, review_of
from engine.targets.kubernetes.cluster import Cluster, connect
from engine.targets.kubernetes.kinds import ACCESS_REVIEW, HTTP_ROUTE, SERVICE, VIRTUAL_SERVICE, Kind

_MANAGER = "sluice-doctor"
_NAMED = 4
_MOST_NAMESPACES = 20
_LOOK_AROUND = "Look at the network, and at the server that its kubeconfig names."
_MESHES = ((VIRTUAL_SERVICE, For.ISTIO, "Istio"), (HTTP_ROUTE, For.GATEWAY, "the Gateway API"))


@dataclass(frozen=True, slots=True)
class Use:
    """A namespace of a cluster that pipelines release in. `brings` says that a manifest brings objects along."""

    cluster: str
    namespace: str
    brings: bool = False


def uses_of(definitions: Iterable[str]) -> frozenset[Use]:
    """Find where the stored pipelines release, by the values that their variables are declared with."""
    found = set()
    for text in definitions:
        with suppress(SluiceError):
            spec = parse(text).pipeline.deployment
            if spec is not None and spec.target == "kubernetes":
                place = spec.cluster or DEFAULT_CLUSTER, spec.namespace or DEFAULT_NAMESPACE
                found.add(Use(*place, brings=spec.creation == "yaml"))
    return frozenset(found)


async def clusters(settings: Settings, definitions: Iterable[str], patience: float) -> list[Finding]:
    """Look at every cluster of the settings, and at pipelines whose cluster is none of them."""
    uses, known = uses_of(definitions), settings.clusters
    if len(known) == 1:
        only = next(iter(known))
        uses = frozenset(Use(only, u.namespace, u.brings) if u.cluster == DEFAULT_CLUSTER else u for u in uses)
    of_each = await asyncio.gather(
        *(_of_one(name, of, [use for use in uses if use.cluster == name], patience) for name, of in known.items())
    )
    unknown = sorted({use.cluster for use in uses} - set(known))
    missing = [
        ill(f"cluster {name}", "Pipelines name it, and the settings do not.", "Name it in SLUICE_CLUSTERS.")
        for name in unknown
    ]
    return [finding for found in of_each for finding in found] + missing


async def _of_one(name: str, settings: ClusterSettings, uses: Sequence[Use], patience: float) -> list[Finding]:
    beside = asyncio.gather(_registry(name, settings, patience), _prometheus(name, settings, patience))
    try:
        async with asyncio.timeout(2 * patience):
            found = await _of_api(name, settings, uses, patience)
    except TimeoutError:
        found = [ill(f"cluster {name}", f"It does not answer within {2 * patience:g} s.", _LOOK_AROUND)]
    return [*found, *(finding for findings in await beside for finding in findings)]


async def _of_api(name: str, settings: ClusterSettings, uses: Sequence[Use], patience: float) -> list[Finding]:
    try:
        cluster = await in_time(lambda: _connected(name, settings, patience), patience, name)
    except TimeoutError:
        cure = "Run by hand the program that its kubeconfig names for them."
        return [ill(f"cluster {name}", f"Its credentials did not come within {patience:g} s.", cure)]
    if isinstance(cluster, Broken):
        return [ill(f"cluster {name}", str(cluster), cluster.hint)]
    try:
        version, date = await asyncio.gather(cluster.version(), cluster.clock())
        found = [well(f"cluster {name}", f"Kubernetes {version}"), *skew(f"{name} clock", date)]
        served = [mesh for mesh in _MESHES if await cluster.serves(mesh[0])]
        by_namespace = {use.namespace: False for use in uses} or {DEFAULT_NAMESPACE: False}
        by_namespace |= {use.namespace: True for use in uses if use.brings}
        looks = (
            _namespace(cluster, namespace, served, brings=by_namespace[namespace])
            for namespace in sorted(by_namespace)[:_MOST_NAMESPACES]
        )
        return [*found, _routing(name, [word for _, _, word in served]), *await asyncio.gather(*looks)]
    except SluiceError as error:
        return [ill(f"cluster {name}", str(error), error.hint or _LOOK_AROUND)]
    finally:
        await cluster.close()


def _connected(name: str, settings: ClusterSettings, patience: float) -> Cluster | Broken:
    try:
        return connect(
            name,
            manager=_MANAGER,
            kubeconfig=settings.kubeconfig,
            context=settings.context,
            in_cluster=settings.in_cluster,
            patience=timedelta(seconds=patience),
        )
    except Broken as error:
        return error


def _routing(name: str, served: Sequence[str]) -> Finding:
    if not served:
        return well(f"{name} routing", "by Services; there is neither Istio nor the Gateway API")
    return well(f"{name} routing", f"{' and '.join(served)} can split requests")


async def _namespace(
    cluster: Cluster, namespace: str, served: Sequence[tuple[Kind, For, str]], *, brings: bool
) -> Finding:
    """Ask for every right in a namespace, then try what no right tells: that the namespace and the APIs are there."""
    what = f"{cluster.name} rights in {namespace}"
    parts = {For.ALL, *(part for _, part, _ in served), *([For.MANIFESTS] if brings else [])}
    wanted = [right for right in RIGHTS if right.part in parts]
    try:
        granted = await asyncio.gather(*(_granted(cluster, right, namespace) for right in wanted))
        lacking = [right for right, has in zip(wanted, granted, strict=True) if not has]
        if lacking:
            return _lacks(what, lacking, namespace)
        await cluster.apply(SERVICE, _trial(namespace), dry=True)
        for kind, _, _ in served:
            await cluster.list(kind, namespace, labels="sluice.dev/workload=doctor")
    except SluiceError as error:
        return ill(what, str(error), error.hint or _LOOK_AROUND)
    return well(what, f"all {len(wanted)} that are used")


def _lacks(what: str, lacking: Sequence[Right], namespace: str) -> Finding:
    if {right.part for right in lacking} == {For.MANIFESTS}:
        cure = "In the Role, add the rules that its last comment holds."
        return odd(what, f"Manifests that bring objects along are refused: Sluice may not {_told(lacking)}.", cure)
    cure = f"sed 's/NAMESPACE/{namespace}/' deploy/kubernetes/role.yaml | kubectl apply -f -"
    return ill(what, f"Sluice may not {_told(lacking)}.", cure)


def _told(lacking: Sequence[Right]) -> str:
    """Say them by resource: ``list, watch pods; patch deployments``."""
    verbs: dict[str, list[str]] = {}
    for right in lacking:
        verbs.setdefault(right.resource, []).append(right.verb)
    said = [f"{', '.join(words)} {resource}" for resource, words in verbs.items()]
    more = f"; and {len(said) - _NAMED} more" if len(said) > _NAMED else ""
    return "; ".join(said[:_NAMED]) + more


async def _granted(cluster: Cluster, right: Right, namespace: str) -> bool:
    return is_granted(await cluster.create(ACCESS_REVIEW, review_of(right, namespace)))


def _trial(namespace: str) -> Json:
    return {
        "apiVersion": SERVICE.api_version,
        "kind": SERVICE.kind,
        "metadata": {"name": "sluice-doctor", "namespace": namespace},
        "spec": {"ports": [{"name": "trial", "port": 80}], "selector": {"sluice.dev/workload": "doctor"}},
    }


async def _registry(name: str, settings: ClusterSettings, patience: float) -> list[Finding]:
    what, images = f"{name} registry", images_of(settings)
    if not isinstance(images, Registry):
        cure = (
            f'Name its registry in SLUICE_CLUSTERS, for example {{"{name}": {{"registry": "registry.example.com"}}}}.'
        )
        return [odd(what, "None is named: images go by their tags, and a tag that is moved moves what runs.", cure)]
    images.patience = timedelta(seconds=patience)
    try:
        await images.greet()
    except Interrupted as error:
        return [ill(what, str(error), "Look at the network, and at registry in SLUICE_CLUSTERS.")]
    except SluiceError as error:
        return [ill(what, str(error), error.hint)]
    return [well(what, f"{images.host} answers")]


async def _prometheus(name: str, settings: ClusterSettings, patience: float) -> list[Finding]:
    metrics = metrics_of(name, settings)
    if metrics is None:
        return []
    metrics.patience = patience
    trouble = await metrics.greet()
    if trouble:
        cure = "Look at prometheus in SLUICE_CLUSTERS. Releases go on without it; nobody sees how many requests fail."
        return [odd(f"{name} requests", f"Prometheus does not count them: {trouble}.", cure)]
    return [well(f"{name} requests", "Prometheus answers")]
