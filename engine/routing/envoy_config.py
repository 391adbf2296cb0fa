"""What Envoy is told, as values: listeners, clusters, endpoints and routes of the workloads on one machine. Pure.

Names: the cluster of a group is ``WORKLOAD/GROUP``; a workload's listener and route configuration are called like the
workload, those of its preview port ``WORKLOAD:preview``.

What keeps requests from being lost is written here:

* A listener says nothing but its port and the name of its routes, so no reroute ever touches it or its connections.
* A request that no instance has begun to answer is sent again to another one: any request whose connection could not be
  made, was refused or broke before the request went out, and, because sending those twice does no harm, GET, HEAD and
  OPTIONS also when the connection broke before the answer began.
* Idle connections to instances are given up after a second, sooner than common servers close them, so that no request
  meets a connection that is just being closed.
* Nothing cuts a long answer or a quiet web socket short of an hour.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from engine.rollout.fleet import HeaderTest, Matcher, Route, Rule

Resource = dict[str, Any]

LOOPBACK = "127.0.0.1"
_TYPES = "type.googleapis.com/envoy."
_LISTENER = f"{_TYPES}config.listener.v3.Listener"
_CLUSTER = f"{_TYPES}config.cluster.v3.Cluster"
_ENDPOINTS = f"{_TYPES}config.endpoint.v3.ClusterLoadAssignment"
_ROUTES = f"{_TYPES}config.route.v3.RouteConfiguration"
_CONNECTIONS = f"{_TYPES}extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_ROUTER = f"{_TYPES}extensions.filters.http.router.v3.Router"
_UPSTREAM = f"{_TYPES}extensions.upstreams.http.v3.HttpProtocolOptions"
_PREVIOUS_HOSTS = f"{_TYPES}extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
_MANY = 1_000_000
_LONGEST_SILENCE = "3600s"
_NEVER_SENT = "connect-failure,refused-stream,reset-before-request"
_REPEATABLE = "GET|HEAD|OPTIONS"


class Endpoint(NamedTuple):
    """Where one instance answers: an IPv4 address that this machine reaches, and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        """As people write it."""
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Site:
    """One workload as visitors meet it. `endpoints` are, by group, where the instances answer that serve."""

    workload: str
    port: int
    preview_port: int | None
    endpoints: Mapping[str, Sequence[Endpoint]]
    route: Route = field(default_factory=Route)

    @property
    def listeners(self) -> Mapping[str, int]:
        """The fixed ports by the names of their listeners."""
        preview = {preview_name(self.workload): self.preview_port} if self.preview_port else {}
        return {self.workload: self.port, **preview}


def cluster_name(workload: str, group: str) -> str:
    """What Envoy calls the group."""
    return f"{workload}/{group}"


def preview_name(workload: str) -> str:
    """What Envoy calls the listener and the routes of the preview port."""
    return f"{workload}:preview"


def version_of(content: Any) -> str:
    """A version that is equal exactly when the content is."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def document(resources: Iterable[Resource]) -> str:
    """A file for Envoy to read: the resources, with their version."""
    listed = list(resources)
    return json.dumps({"version_info": version_of(listed), "resources": listed})


def bootstrap(folder: Path, admin: Path) -> Resource:
    """What Envoy is started with: where its administration answers and which files to follow."""
    return {
        "node": {"id": "sluice", "cluster": "sluice"},
        "admin": {"address": {"pipe": {"path": str(admin), "mode": 0o600}}},
        "dynamic_resources": {
            "lds_config": _file(folder / "listeners.json"),
            "cds_config": _file(folder / "clusters.json"),
        },
        "layered_runtime": {
            "layers": [
                {
                    "name": "fixed",
                    "static_layer": {
                        "re2.max_program_size.error_level": _MANY,
                        "re2.max_program_size.warn_level": _MANY,
                    },
                }
            ]
        },
    }


def listeners(site: Site, folder: Path, address: str) -> list[Resource]:
    """The listeners of one workload. SO_REUSEPORT is off: with it Envoy would share a port with a foreign process."""
    return [
        {
            "@type": _LISTENER,
            "name": name,
            "address": {"socket_address": {"address": address, "port_value": port}},
            "enable_reuse_port": False,
            "filter_chains": [
                {
                    "filters": [
                        {
                            "name": "envoy.filters.network.http_connection_manager",
                            "typed_config": _connections(name, folder),
                        }
                    ]
                }
            ],
        }
        for name, port in site.listeners.items()
    ]


def clusters(site: Site, folder: Path) -> list[Resource]:
    """The clusters of one workload: one for each group, whose endpoints come from a file of their own."""
    return [_cluster(cluster_name(site.workload, group), folder) for group in sorted(site.endpoints)]


def endpoints(site: Site, group: str) -> Resource:
    """Where the instances of one group listen."""
    return {
        "@type": _ENDPOINTS,
        "cluster_name": cluster_name(site.workload, group),
        "endpoints": [
            {
                "lb_endpoints": [
                    {"endpoint": {"address": {"socket_address": {"address": host, "port_value": port}}}}
                    for host, port in sorted(site.endpoints[group])
                ]
            }
        ],
    }


def routes(site: Site) -> list[Resource]:
    """The route configurations of one workload: for its port, and for its preview port if it has one."""
    made = [_routes(site.workload, _plain_routes(site))]
    if site.preview_port:
        sentence = f"Nothing is on preview for {site.workload} now.\n"
        action = {"cluster": cluster_name(site.workload, site.route.preview)} if site.route.preview else None
        made.append(_routes(preview_name(site.workload), _ways({}, action, sentence)))
    return made


def file_name(kind: str, name: str) -> str:
    """The name of the file that holds the routes or endpoints called `name`."""
    return f"{kind}-{name.replace('/', '+').replace(':', '=')}.json"


def _file(path: Path) -> Resource:
    return {"path_config_source": {"path": str(path)}, "resource_api_version": "V3"}


def _connections(name: str, folder: Path) -> Resource:
    return {
        "@type": _CONNECTIONS,
        "stat_prefix": name.replace(":", "_"),
        "codec_type": "AUTO",
        "rds": {"route_config_name": name, "config_source": _file(folder / file_name("routes", name))},
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": _ROUTER, "suppress_envoy_headers": True},
            }
        ],
        "http_protocol_options": {"accept_http_10": True, "default_host_for_http_10": "localhost"},
        "use_remote_address": True,
        "server_header_transformation": "PASS_THROUGH",
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "stream_idle_timeout": _LONGEST_SILENCE,
        "request_headers_timeout": "60s",
    }


def _cluster(name: str, folder: Path) -> Resource:
    no_limit = {"max_connections": _MANY, "max_pending_requests": _MANY, "max_requests": _MANY, "max_retries": _MANY}
    return {
        "@type": _CLUSTER,
        "name": name,
        "type": "EDS",
        "eds_cluster_config": {"eds_config": _file(folder / file_name("endpoints", name)), "service_name": name},
        "connect_timeout": "1s",
        "lb_policy": "LEAST_REQUEST",
        "circuit_breakers": {"thresholds": [no_limit]},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": _UPSTREAM,
                "common_http_protocol_options": {"idle_timeout": "1s"},
                "explicit_http_config": {"http_protocol_options": {}},
            }
        },
    }


def _routes(name: str, ways: list[Resource]) -> Resource:
    host = {"name": "all", "domains": ["*"], "routes": ways}
    return {"@type": _ROUTES, "name": name, "virtual_hosts": [host]}


def _plain_routes(site: Site) -> list[Resource]:
    ways: list[Resource] = []
    if site.route.matched:
        target = {"cluster": cluster_name(site.workload, site.route.matched)}
        for rule in site.route.rules:
            ways += _ways({"headers": _headers(rule)}, target, "")
    sentence = f"No version of {site.workload} is released: nothing answers here yet.\n"
    return [*ways, *_ways({}, _weighted(site), sentence)]


def _weighted(site: Site) -> Resource | None:
    weights = {group: weight for group, weight in sorted(site.route.weights.items()) if weight > 0}
    if len(weights) == 1:
        return {"cluster": cluster_name(site.workload, next(iter(weights)))}
    named = [{"name": cluster_name(site.workload, group), "weight": weight} for group, weight in weights.items()]
    return {"weighted_clusters": {"clusters": named}} if named else None


def _ways(match: Resource, target: Resource | None, sentence: str) -> list[Resource]:
    if target is None:
        answer = {"status": 503, "body": {"inline_string": sentence}}
        return [{"match": {"prefix": "/"}, "direct_response": answer}]
    method = {"name": ":method", "string_match": {"safe_regex": {"regex": _REPEATABLE}}}
    repeatable = {"prefix": "/", **match, "headers": [method, *match.get("headers", [])]}
    return [
        {"match": repeatable, "route": target | _sent_again(f"{_NEVER_SENT},reset")},
        {"match": {"prefix": "/", **match}, "route": target | _sent_again(_NEVER_SENT)},
    ]


def _sent_again(when: str) -> Resource:
    return {
        "timeout": "0s",
        "retry_policy": {
            "retry_on": when,
            "num_retries": 4,
            "retry_back_off": {"base_interval": "0.005s", "max_interval": "0.1s"},
            "retry_host_predicate": [
                {"name": "envoy.retry_host_predicates.previous_hosts", "typed_config": {"@type": _PREVIOUS_HOSTS}}
            ],
            "host_selection_retry_max_attempts": 5,
        },
    }


def _headers(rule: Rule) -> list[Resource]:
    return [_header(test) for test in rule.tests]


def _header(test: HeaderTest) -> Resource:
    how: Resource = {"exact": test.value} if test.how is Matcher.EXACT else {"safe_regex": {"regex": test.value}}
    negated = {"invert_match": True, "treat_missing_header_as_empty": True} if test.negate else {}
    return {"name": test.name, "string_match": how, **negated}
