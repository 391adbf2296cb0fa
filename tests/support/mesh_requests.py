"""A request against the routes of a mesh: a small reader of VirtualServices and HTTPRoutes that decides as they do.

It shares no code with what writes them. An answer is how much of such requests each destination gets.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import re2

Json = dict[str, Any]
Answer = Mapping[str, Fraction]


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `by` is what it comes through: mesh, or the name of a gateway; `port` is one of its."""

    headers: Mapping[str, str] = field(default_factory=dict)
    path: str = "/"
    method: str = "GET"
    query: Mapping[str, str] = field(default_factory=dict)
    port: int = 8080
    by: str = "mesh"


def by_virtual_service(virtual_service: Json, request: Request) -> Answer | str:
    """Where the first route that takes the request sends it, ``HOST:PORT`` (PORT empty where none is written)."""
    spec = virtual_service["spec"]
    if request.by not in (spec.get("gateways") or ["mesh"]):
        return "not asked"
    for entry in spec.get("http", ()):
        if not entry.get("match") or any(_takes(match, request) for match in entry["match"]):
            return _sent(entry)
    return "404"


def by_http_route(http_route: Json, request: Request) -> Answer | str:
    """Where the rule whose match is the most specific one sends the request, ``NAME:PORT``."""
    best: tuple[tuple[int, ...], Json] | None = None
    for at, rule in enumerate(http_route["spec"]["rules"]):
        for match in rule.get("matches") or [{}]:
            rank = _rank(match, at)
            if _fits(match, request) and (best is None or rank > best[0]):
                best = rank, rule
    if best is None:
        return "404"
    backends = best[1].get("backendRefs", [])
    named = [(f"{each['name']}:{each['port']}", each.get("weight", 1)) for each in backends]
    return _in_parts(named) if named else "answered by a filter"


def _sent(entry: Json) -> Answer | str:
    if "route" not in entry:
        return f"answered by {sorted(entry.keys() - {'match', 'name'})}"
    routes = entry["route"]
    return _in_parts([(_named(each), each.get("weight", 0) if len(routes) > 1 else 1) for each in routes])


def _named(route: Json) -> str:
    to = route["destination"]
    subset = f"@{to['subset']}" if "subset" in to else ""
    return f"{to['host']}{subset}:{to.get('port', {}).get('number', '')}"


def _in_parts(named: list[tuple[str, int]]) -> Answer | str:
    total = sum(weight for _, weight in named)
    parts: dict[str, Fraction] = {}
    for name, weight in named:
        if weight:
            parts[name] = parts.get(name, Fraction(0)) + Fraction(weight, total)
    return parts


def _takes(match: Json, request: Request) -> bool:
    if match.get("port", request.port) != request.port or request.by not in match.get("gateways", [request.by]):
        return False
    values = {name.lower(): value for name, value in request.headers.items()}
    return (
        _is_like(request.path, match.get("uri", {}))
        and _is_like(request.method, match.get("method", {}))
        and all(_has(values.get(name.lower()), how) for name, how in match.get("headers", {}).items())
        and all(_lacks(values.get(name.lower()), how) for name, how in match.get("withoutHeaders", {}).items())
    )


def _has(value: str | None, how: Json) -> bool:
    return value is not None and _is_like(value, how)


def _lacks(value: str | None, how: Json) -> bool:
    """Without anything to compare with, presence is tested; otherwise a missing header is as good as an empty one."""
    return value is None if not how else not _is_like(value or "", how)


def _is_like(value: str, how: Json) -> bool:
    if "exact" in how:
        return bool(value == how["exact"])
    if "prefix" in how:
        return value.startswith(how["prefix"])
    return "regex" not in how or _matches(how["regex"], value)


def _matches(pattern: str, value: str) -> bool:
    return re2.fullmatch(pattern, value) is not None


def _fits(match: Json, request: Request) -> bool:
    path = match.get("path", {"type": "PathPrefix", "value": "/"})
    values = {name.lower(): value for name, value in request.headers.items()}
    return (
        _on_path(path, request.path)
        and match.get("method", request.method) == request.method
        and all(_holds(values.get(each["name"].lower()), each) for each in match.get("headers", ()))
        and all(_holds(request.query.get(each["name"]), each) for each in match.get("queryParams", ()))
    )


def _on_path(path: Json, asked: str) -> bool:
    if path["type"] == "Exact":
        return bool(asked == path["value"])
    prefix = path["value"].rstrip("/")
    return asked == prefix or asked.startswith(f"{prefix}/")


def _holds(value: str | None, test: Json) -> bool:
    if value is None:
        return False
    return value == test["value"] if test.get("type", "Exact") == "Exact" else _matches(test["value"], value)


def _rank(match: Json, at: int) -> tuple[int, ...]:
    path = match.get("path", {"type": "PathPrefix", "value": "/"})
    return (
        int(path["type"] == "Exact"),
        len(path["value"]),
        int("method" in match),
        len(match.get("headers", ())),
        len(match.get("queryParams", ())),
        -at,
    )
