"""Keys of a deployment in a cluster that do not go together, or that a cluster cannot give. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from engine.complaints import Finding, Path
from engine.deployment import DEFAULT_NAMESPACE
from engine.fields import shown

_IN_THE_MANIFEST = "it in the manifest alone"
_SAID_BY_A_MANIFEST = {
    "environment": "sets variables, which a manifest says itself (env)",
    "max_unavailable": "stands beside a manifest, which says it itself (strategy.rollingUpdate.maxUnavailable)",
    "readiness.http": "stands beside a manifest, which says it itself (readinessProbe)",
    "readiness.every": "stands beside a manifest, which says it itself (readinessProbe.periodSeconds)",
    "service.access": "stands beside a manifest, which says it itself (the Service's type)",
    "service.container_port": "stands beside a manifest, which says it itself (the Service's targetPort)",
}


def cluster_findings(path: Path, given: Mapping[str, Any], workload: str) -> Iterator[Finding]:
    """Say what is wrong with a deployment for a cluster; `workload` is its name, that of the pipeline by default."""
    if given.get("creation") == "found":
        yield Finding((*path, "creation"), "'found' is none of standard, yaml", "one of standard, yaml")
    if given.get("target") != "kubernetes":
        return
    if given.get("creation") == "yaml":
        for place, problem in _SAID_BY_A_MANIFEST.items():
            where = tuple(place.split("."))
            if written(given, where) not in (None, {}):
                yield Finding((*path, *where), problem, _IN_THE_MANIFEST, at_key=True)
    yield from _service(path, given, workload)


def _service(path: Path, given: Mapping[str, Any], workload: str) -> Iterator[Finding]:
    name = written(given, ("service", "name")) or workload
    if not isinstance(name, str):
        return
    if name[:1].isdigit():
        where = (*path, "service", "name")
        yield Finding(where, f"a Service cannot be called {shown(name)}", "a name that begins with a letter")
    namespace = given.get("namespace") or DEFAULT_NAMESPACE
    domain = written(given, ("service", "domain"))
    if isinstance(domain, str) and not _is_its_own(domain, name, str(namespace)):
        problem = f"{shown(domain)} is no name that the Service has in its cluster"
        yield Finding((*path, "service", "domain"), problem, f"{name}.{namespace}.svc, or leave it out")
    if written(given, ("service", "protocol")) == "udp" and given.get("strategy") == "istio":
        problem = "istio gives shares of http and tcp, and not of udp"
        yield Finding((*path, "strategy"), problem, "canary or blue_green")


def _is_its_own(domain: str, name: str, namespace: str) -> bool:
    """Whether the cluster's DNS knows the Service by `domain`: by its name, with its namespace, and in full."""
    full = f"{name}.{namespace}.svc"
    return domain in (name, f"{name}.{namespace}", full) or domain.startswith(f"{full}.")


def written(given: Any, where: tuple[str, ...]) -> Any:
    """What stands at `where` in a section; None when nothing does."""
    for key in where:
        given = given.get(key) if isinstance(given, dict) else None
    return given
