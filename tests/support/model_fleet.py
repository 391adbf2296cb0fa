"""A workload in memory, instance by instance, that is as unkind as a test wants and writes down every broken promise.

Nothing here happens by itself: instances get ready, fail and vanish, the proxy takes up a route and time passes only
when a test says so. What is promised is checked with facts that no strategy sees: when each instance could last be
reached.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from engine.rollout.fleet import (
    Advice,
    Done,
    Fleet,
    Goal,
    Group,
    Launch,
    Move,
    ReleaseId,
    Reroute,
    Retire,
    Route,
    Scale,
    Wait,
)
from engine.rollout.rolling import Drain, End, GroupSpec, InstanceState, InstanceView, Start, least_ready, next_actions
from engine.rollout.strategies import next_move

START = datetime(2030, 1, 1, tzinfo=UTC)


@dataclass
class Copy:
    """One instance."""

    name: str
    group: str
    release: ReleaseId
    state: InstanceState
    since: datetime
    last_reachable: datetime | None = None


@dataclass
class Kept:
    """What was asked of a group, and what has answered plain requests and failed while it has not become that yet."""

    spec: GroupSpec
    unrouted_since: datetime | None
    lost: set[str] = field(default_factory=set)


@dataclass
class ModelFleet:
    """The workload. `bad` releases never get ready. `least` is how many ready instances plain requests are promised.

    Instances of a `loud` release do not leave quietly: whoever can reach them when they go is turned away.
    """

    drain: timedelta = timedelta(seconds=5)
    bad: set[ReleaseId] = field(default_factory=set)
    loud: set[ReleaseId] = field(default_factory=set)
    least: int = 0
    now: datetime = START
    groups: dict[str, Kept] = field(default_factory=dict)
    copies: dict[str, Copy] = field(default_factory=dict)
    asked: Route = field(default_factory=Route)
    effective: Route = field(default_factory=Route)
    broken: list[str] = field(default_factory=list)
    made: int = 0

    def observe(self) -> Fleet:
        """Report what a target would."""
        groups = {name: self._group(name, kept) for name, kept in self.groups.items()}
        return Fleet(groups, self.asked, in_effect=self.asked == self.effective)

    def perform(self, move: Move) -> None:
        """Note what is wanted."""
        match move:
            case Launch(group, release, count, missing, recreate):
                self._check_replacement(move)
                spec = GroupSpec(release, count, missing, recreate, self.drain)
                since = self.groups[group].unrouted_since if group in self.groups else self.now
                self.groups[group] = Kept(spec, since)
            case Scale(group, count, drain):
                kept = self.groups[group]
                kept.spec, kept.lost = replace(kept.spec, count=count, drain=drain), set()
            case Retire(group, drain):
                if self.asked.refers_to(group) or self.effective.refers_to(group):
                    self.broken.append(f"{group} is retired while a route refers to it")
                kept = self.groups[group]
                kept.spec = replace(kept.spec, count=0, drain=drain)
            case Reroute(route):
                self._check_route(route)
                self.asked = route

    def take_up_route(self) -> None:
        """Let the proxy follow the route last asked for."""
        self.effective = self.asked
        for name, kept in self.groups.items():
            kept.unrouted_since = None if self.effective.refers_to(name) else kept.unrouted_since or self.now
        self._mark()

    def tend(self) -> None:
        """Make one pass over every group."""
        for name, kept in list(self.groups.items()):
            for action in next_actions(kept.spec, self.views(name), self.now):
                self._act(name, kept.spec, action)
            if self._group(name, kept).is_settled():
                kept.lost.clear()
            if kept.spec.count == 0 and not self.of(name):
                del self.groups[name]

    def views(self, group: str) -> list[InstanceView]:
        """List the instances of `group` as a target would."""
        return [InstanceView(c.name, c.release, c.state, c.since, c.last_reachable is not None) for c in self.of(group)]

    def of(self, group: str) -> list[Copy]:
        """List the instances of `group`."""
        return [copy for copy in self.copies.values() if copy.group == group]

    def fail(self, name: str, state: InstanceState | None) -> None:
        """Let the instance `name` become unready or start anew, or vanish (None). That is nobody's decision."""
        if self.copies[name] in self.plain():
            for kept in self.groups.values():
                kept.lost.add(name)
        if state is None:
            del self.copies[name]
        else:
            self.change(name, state)

    def change(self, name: str, state: InstanceState) -> None:
        """Let the instance `name` become ready or unready, or start anew."""
        self._mark()
        self.copies[name].state = state
        self.copies[name].since = self.now
        self._mark()

    def waiting(self) -> list[str]:
        """Name the instances that could get ready."""
        fit = (InstanceState.STARTING, InstanceState.UNREADY)
        return sorted(c.name for c in self.copies.values() if c.state in fit and c.release not in self.bad)

    def ready(self) -> list[Copy]:
        """List the instances that are ready."""
        return [copy for copy in self.copies.values() if copy.state is InstanceState.READY]

    def pass_time(self, span: timedelta) -> None:
        """Let time pass."""
        self._mark()
        self.now += span
        self._mark()

    def plain(self) -> list[Copy]:
        """List the instances that answer plain requests now."""
        return [copy for copy in self.ready() if self.effective.weights.get(copy.group, 0) > 0]

    def ask(self, strategy: str, goal: Goal) -> Advice:
        """Ask a strategy that remembers nothing, and perform its move."""
        advice = next_move(strategy, goal, self.observe(), self.now)
        if not isinstance(advice, Wait | Done):
            self.perform(advice)
        return advice

    def settle(self, strategy: str, goal: Goal, passes: int = 150) -> Iterator[Advice]:
        """Go on without failures until `goal` is reached or `passes` are over; yields each answer."""
        for _ in range(passes):
            for name in self.waiting():
                self.change(name, InstanceState.READY)
            self.take_up_route()
            self.tend()
            self.pass_time(timedelta(seconds=2))
            advice = self.ask(strategy, goal)
            yield advice
            if isinstance(advice, Done):
                return

    def moves(self, strategy: str, goal: Goal) -> list[Move]:
        """Go on without failures until `goal` is reached, and list what was asked for on the way."""
        answers = list(self.settle(strategy, goal))
        assert answers[-1] == Done(), f"{goal.kind} is not reached: {answers[-1]}"
        return [answer for answer in answers if not isinstance(answer, Wait | Done)]

    def reach(self, strategy: str, goal: Goal) -> None:
        """Go on without failures until `goal` is reached, which it must be."""
        *_, last = self.settle(strategy, goal)
        assert isinstance(last, Done), f"{goal.kind} is not reached: {last}"

    def _group(self, name: str, kept: Kept) -> Group:
        there = [copy for copy in self.of(name) if copy.state is not InstanceState.DRAINING]
        ready = Counter(copy.release for copy in there if copy.state is InstanceState.READY)
        return Group(
            name,
            kept.spec.release,
            kept.spec.count,
            ready=ready,
            present=Counter(copy.release for copy in there),
            draining=len(self.of(name)) - len(there),
            unrouted_since=kept.unrouted_since,
        )

    def _act(self, group: str, spec: GroupSpec, action: Start | Drain | End) -> None:
        match action:
            case Start(release):
                self.made += 1
                name = f"{group}-{self.made}"
                self.copies[name] = Copy(name, group, release, InstanceState.STARTING, self.now)
            case Drain(name):
                self._check_capacity(self.copies[name], spec)
                self.change(name, InstanceState.DRAINING)
            case End(name):
                self._check_end(self.copies[name])
                del self.copies[name]

    def _mark(self) -> None:
        for copy in self.ready():
            if self.effective.refers_to(copy.group):
                copy.last_reachable = self.now

    def _check_replacement(self, move: Launch) -> None:
        """Only what serves alone may go down as a whole while it is routed to."""
        routed = self.asked.groups() | self.effective.groups()
        changes = move.group in self.groups and self.groups[move.group].spec.release != move.release
        if changes and move.recreate and move.group in routed and move.group != "stable":
            self.broken.append(f"{move.group} goes down as a whole while a route refers to it")

    def _check_route(self, route: Route) -> None:
        ready = {copy.group for copy in self.ready()}
        if ready and not route.groups() <= ready:
            self.broken.append(f"a route is set to {route.groups()} while only {ready} have ready instances")
        before = sum(1 for copy in self.ready() if self.asked.weights.get(copy.group, 0) > 0)
        after = sum(1 for copy in self.ready() if route.weights.get(copy.group, 0) > 0)
        if route.weights and after < before and after < self.least:
            self.broken.append(f"a route takes plain requests from {before} to {after} ready instances")

    def _check_capacity(self, leaving: Copy, spec: GroupSpec) -> None:
        is_reached = leaving.state is InstanceState.READY and self.effective.refers_to(leaving.group)
        if is_reached and leaving.release in self.loud:
            self.broken.append(f"{leaving.name} goes while requests are sent to {leaving.group}")
        if leaving not in self.plain() or spec.recreate:
            return
        in_group = sum(1 for copy in self.of(leaving.group) if copy.state is InstanceState.READY) - 1
        left = {copy.name for copy in self.plain()} - {leaving.name} | self.groups[leaving.group].lost
        if in_group < least_ready(spec.count, spec.max_unavailable) or len(left) < self.least:
            self.broken.append(f"{leaving.name} is drained and leaves {in_group} of {spec.count}")

    def _check_end(self, copy: Copy) -> None:
        reachable = copy.state is InstanceState.READY and self.effective.refers_to(copy.group)
        since = copy.last_reachable
        if reachable or (since is not None and self.now - since < self.drain):
            self.broken.append(f"{copy.name} ends at {self.now} and could be reached at {since}")
