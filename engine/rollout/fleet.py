"""The neutral picture of a workload: what a target reports, and what a strategy may ask for next.

A strategy sees groups of instances and a route, never processes, pods or proxies. A *group* is a set of instances that
is launched and routed to as one: ``stable`` and ``gray`` for canary and istio, ``blue`` and ``green`` for blue-green.
The *route* says which group plain requests go to, by weight, and which group the requests go to that match a content
rule.

Everything here is a value. A target turns its world into a `Fleet`, a strategy turns a fleet into a `Move`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType

ReleaseId = NewType("ReleaseId", str)
"""Names one workload at one version with one configuration, for example ``hello@2f5c1e``."""


class GoalKind(StrEnum):
    """What a rollout is to reach."""

    GRAY = "gray"
    PROMOTE = "promote"
    ROLL_BACK = "roll_back"
    ADOPT = "adopt"


class Matcher(StrEnum):
    """How a request's value is held against a rule's."""

    EXACT = "exact"
    REGEX = "regex"


@dataclass(frozen=True, slots=True)
class HeaderTest:
    """One test of one request header. `regex` values are RE2 and must match the whole value."""

    name: str
    how: Matcher
    value: str
    negate: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """Requests that pass every test belong to the gray track. Rules of one route are alternatives."""

    tests: tuple[HeaderTest, ...]
    label: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """Where requests go.

    `weights` are percent of the plain requests by group and sum to 100, or are empty when nothing is served.
    Requests that pass one of `rules` go to `matched`. `preview` is the group behind the preview port, if there is one.
    """

    weights: Mapping[str, int] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    matched: str | None = None
    preview: str | None = None

    def refers_to(self, group: str) -> bool:
        """Whether any request can reach `group` by this route."""
        return self.weights.get(group, 0) > 0 or group in (self.matched, self.preview)

    def groups(self) -> frozenset[str]:
        """Every group that this route refers to."""
        named = {name for name, weight in self.weights.items() if weight > 0}
        return frozenset(named | {name for name in (self.matched, self.preview) if name})


@dataclass(frozen=True, slots=True)
class Group:
    """One group as a target sees it.

    `release` and `count` are what was asked for last. `ready` and `present` count instances by the release they run;
    an instance that drains is in neither. `unrouted_since` is when the route in effect stopped referring to the group
    (or when the group was made, if no route ever did); None while it is routed to. `fetching` says how far the image is
    that its instances wait for: as long as that changes, nothing stands still.
    """

    name: str
    release: ReleaseId
    count: int
    ready: Mapping[ReleaseId, int] = field(default_factory=dict)
    present: Mapping[ReleaseId, int] = field(default_factory=dict)
    draining: int = 0
    trouble: str = ""
    unrouted_since: datetime | None = None
    fetching: str = ""

    def is_settled(self) -> bool:
        """Whether all the instances asked for are ready and no other is left."""
        return (
            self.ready.get(self.release, 0) == self.count
            and sum(self.present.values()) == self.count
            and self.draining == 0
        )

    def ready_now(self) -> int:
        """Ready instances of any release."""
        return sum(self.ready.values())


@dataclass(frozen=True, slots=True)
class Fleet:
    """A workload as its target reports it.

    `route` is the one last asked for; `in_effect` whether the proxy follows it.
    """

    groups: Mapping[str, Group] = field(default_factory=dict)
    route: Route = field(default_factory=Route)
    in_effect: bool = True


@dataclass(frozen=True, slots=True)
class Goal:
    """What a strategy is to reach, with every setting that its order of moves depends on.

    `new` is the release on its way, `old` the last one that was deployed everywhere (None: there was none).
    `instances` is how many the whole workload has (0: on the way back to what had none), `gray_instances` how many the
    gray track has, `share` the percent of plain requests that gray gets (0: only what matches `rules`, or only the
    preview). `shelter`: instances of the old release may be sent requests for a moment longer than they answer, so none
    of them ends while requests reach it. `shared`: gray has had its share in this run, and stable may have made room
    for it.
    """

    kind: GoalKind
    new: ReleaseId | None
    old: ReleaseId | None
    instances: int
    gray_instances: int = 1
    share: int = 0
    rules: tuple[Rule, ...] = ()
    max_unavailable: int = 0
    recreate: bool = False
    drain: timedelta = timedelta(seconds=5)
    hold: timedelta = timedelta(0)
    after_hold: str = "upgrade"
    shelter: bool = False
    shared: bool = False


@dataclass(frozen=True, slots=True)
class Launch:
    """Bring `group` to `count` ready instances of `release`; what it runs now is replaced step by step.

    At no time may fewer than `count - max_unavailable` be ready while an older release has instances, unless
    `recreate`.
    """

    group: str
    release: ReleaseId
    count: int
    max_unavailable: int = 0
    recreate: bool = False


@dataclass(frozen=True, slots=True)
class Scale:
    """Change how many instances `group` has, of the release that it is at. Those that go are drained first."""

    group: str
    count: int
    drain: timedelta = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Reroute:
    """Send requests where `route` says."""

    route: Route


@dataclass(frozen=True, slots=True)
class Retire:
    """Drain and end every instance of `group` and forget the group."""

    group: str
    drain: timedelta = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to ask for now. `what` says in words what is awaited, `until` when to look again at the latest."""

    what: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """The goal is reached."""


Move = Launch | Scale | Reroute | Retire
Advice = Move | Wait | Done
