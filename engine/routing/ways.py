"""How the groups of a workload are reached in a cluster, and what every mesh makes of a route in the same manner.

A cluster has no ports of ours in front of a workload: visitors use its own Service, and objects of a mesh or a gateway
say which Services their requests really go to. Such an object may be somebody else's. So a route is never written from
nothing there: the destinations that name the own Service are replaced, each by its share of every group, and all else
stays as it was found. What was found is kept beside it, as `memory`, so that it can be put back word for word.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import gcd
from typing import Any, Literal

import yaml

from engine.errors import InvariantViolation
from engine.model import Json
from engine.rollout.fleet import Route

Made = dict[str, Any]
"""An object, or a part of one, that was made here; `Json` is one that is only read."""

FOUND = "sluice.dev/found"
"""The annotation that holds the memory of what was found."""
_WHOLE = 100


@dataclass(frozen=True, slots=True)
class Ways:
    """How to reach each group.

    `service` is the workload's own Service and `port` the one port of it that is routed; `groups` says for each group
    which Service leads to it alone (for ``stable`` it is the own one). `alone`: the own Service has no other port.
    """

    namespace: str
    service: str
    port: int
    groups: Mapping[str, str]
    protocol: Literal["http", "tcp", "udp"] = "http"
    alone: bool = False

    def service_of(self, group: str) -> str:
        """The Service that leads to `group` alone."""
        if group not in self.groups:
            raise InvariantViolation(f"No Service leads to the group {group} of {self.namespace}/{self.service}.")
        return self.groups[group]

    @property
    def apart(self) -> frozenset[str]:
        """The Services that lead to one group and are not the own one."""
        return frozenset(self.groups.values()) - {self.service}


def shares(route: Route, ways: Ways) -> Mapping[str, int]:
    """Percent of the plain requests by Service, the own one first. Where nobody is served, the own one answers that."""
    parts: dict[str, int] = {}
    for group, weight in sorted(route.weights.items()):
        if weight > 0:
            service = ways.service_of(group)
            parts[service] = parts.get(service, 0) + weight
    return dict(sorted(parts.items(), key=lambda part: part[0] != ways.service)) or {ways.service: _WHOLE}


def matched_service(route: Route, ways: Ways) -> str | None:
    """The Service for the requests that pass a rule, when they go another way than to the own one."""
    if route.matched is None or not route.rules:
        return None
    service = ways.service_of(route.matched)
    return None if service == ways.service and shares(route, ways).keys() == {service} else service


def is_home(route: Route, ways: Ways) -> bool:
    """Whether every request goes to the own Service, as if there were no route at all."""
    return matched_service(route, ways) is None and shares(route, ways).keys() == {ways.service}


def spread(
    found: Sequence[Json],
    parts: Mapping[str, int],
    is_ours: Callable[[Json], bool],
    twin: Callable[[Json, str], Json],
    unweighted: int,
) -> list[Made]:
    """Give each weighted destination that is ours in `parts`; the others keep the part of the requests that they have.

    `twin` makes of a destination the one that leads to a Service instead; `unweighted` is the weight of a destination
    that has none written. The weights sum to 100 where whole numbers can, else they are as small as they can be.
    """
    single = len(found) == 1
    made: list[tuple[Json, int]] = []
    for each in found:
        weight = each.get("weight", unweighted) or (1 if single else 0)
        if not is_ours(each):
            made.append((_unweighted(each), weight * _WHOLE))
            continue
        twins = ((_unweighted(twin(each, service)), weight * part) for service, part in parts.items())
        made += [(destination, amount) for destination, amount in twins if amount > 0]
    return [{**destination, "weight": amount} for destination, amount in _whole(_joined(made))]


def memory(found: Json, keys: Iterable[str]) -> str:
    """Write down what `found` says under `keys` of its spec."""
    spec = found.get("spec", {})
    return json.dumps({key: spec[key] for key in keys if key in spec}, separators=(",", ":"), ensure_ascii=False)


def remembered(live: Json, keys: Sequence[str]) -> Made | None:
    """`live` as it was when it was found; None when nothing is written down on it."""
    text = live.get("metadata", {}).get("annotations", {}).get(FOUND)
    if text is None:
        return None
    others = {key: value for key, value in live.get("spec", {}).items() if key not in keys}
    return {**outline(live), "spec": {**others, **json.loads(text)}}


def outline(found: Json) -> Made:
    """What names `found`, and nothing else of it."""
    metadata = {key: found["metadata"][key] for key in ("name", "namespace") if key in found["metadata"]}
    return {"apiVersion": found["apiVersion"], "kind": found["kind"], "metadata": metadata}


def for_people(live: Iterable[Json], keys: Sequence[str]) -> str:
    """The parts of these objects that say where requests go, as YAML."""
    shown = [
        {
            "kind": each["kind"],
            "name": "/".join(each["metadata"][key] for key in ("namespace", "name") if key in each["metadata"]),
            **{key: each["spec"][key] for key in keys if key in each.get("spec", {})},
        }
        for each in live
    ]
    return yaml.safe_dump_all(shown, sort_keys=False, allow_unicode=True, width=120) if shown else ""


def _unweighted(destination: Json) -> Json:
    return {key: value for key, value in destination.items() if key != "weight"}


def _joined(made: Iterable[tuple[Json, int]]) -> list[tuple[Json, int]]:
    joined: list[tuple[Json, int]] = []
    for destination, amount in made:
        at = next((index for index, (other, _) in enumerate(joined) if other == destination), None)
        if at is None:
            joined.append((destination, amount))
        else:
            joined[at] = (destination, joined[at][1] + amount)
    return joined


def _whole(made: list[tuple[Json, int]]) -> list[tuple[Json, int]]:
    divisor = gcd(*(amount for _, amount in made)) or 1
    total = sum(amount for _, amount in made) // divisor
    factor = _WHOLE // total if total and _WHOLE % total == 0 else 1
    return [(destination, amount // divisor * factor) for destination, amount in made]
