"""The route that was asked for last, as it is written on the workload's Service.

The annotation is Sluice's memory of routes in a cluster: what is wanted, since when the objects say so, and since when
no route leads to a group. It is written in one request, so a crash finds either the old wish or the new one.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from engine.model import Json
from engine.rollout.fleet import HeaderTest, Matcher, Route, Rule


@dataclass(frozen=True, slots=True)
class Wish:
    """`route` is what was asked for last; `set_at` when the objects were first seen to say so (None: not yet).

    `leaving` are the groups that it leaves out and that requests may still reach, `unrouted` since when none can.
    """

    route: Route = field(default_factory=Route)
    set_at: datetime | None = None
    leaving: frozenset[str] = frozenset()
    unrouted: Mapping[str, datetime] = field(default_factory=dict)

    def asking(self, route: Route) -> "Wish":
        """The same with another route wanted."""
        leaving = (self.leaving | self.route.groups()) - route.groups()
        unrouted = {name: at for name, at in self.unrouted.items() if not route.refers_to(name)}
        return Wish(route, None, leaving, unrouted)

    def seen(self, now: datetime) -> "Wish":
        """The same once the objects say what the route wants."""
        return self if self.set_at else replace(self, set_at=now)

    def followed(self, now: datetime) -> "Wish":
        """The same once nobody can reach a group that the route leaves out."""
        return replace(
            self, leaving=frozenset(), unrouted={**dict.fromkeys(sorted(self.leaving), now), **self.unrouted}
        )


def write(wish: Wish) -> str:
    """The annotation's text."""
    route = wish.route
    rules = [
        {"label": rule.label, "tests": [[t.name, t.how.value, t.value, t.negate] for t in rule.tests]}
        for rule in route.rules
    ]
    said = {
        "weights": dict(route.weights),
        "rules": rules,
        "matched": route.matched,
        "preview": route.preview,
        "set_at": wish.set_at.isoformat() if wish.set_at else None,
        "leaving": sorted(wish.leaving),
        "unrouted": {name: at.isoformat() for name, at in wish.unrouted.items()},
    }
    return json.dumps(said, sort_keys=True, separators=(",", ":"))


def read(text: str) -> Wish | None:
    """The wish of an annotation; None when the text is none that `write` has written."""
    try:
        return _read(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _read(said: Json) -> Wish:
    rules = tuple(
        Rule(tuple(HeaderTest(n, Matcher(h), v, bool(negate)) for n, h, v, negate in rule["tests"]), rule["label"])
        for rule in said["rules"]
    )
    weights = {str(name): int(weight) for name, weight in said["weights"].items()}
    return Wish(
        route=Route(weights, rules, said["matched"], said["preview"]),
        set_at=datetime.fromisoformat(said["set_at"]) if said["set_at"] else None,
        leaving=frozenset(said["leaving"]),
        unrouted={name: datetime.fromisoformat(at) for name, at in said["unrouted"].items()},
    )
