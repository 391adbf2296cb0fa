"""The small decisions that every strategy is made of.

A strategy is a list of conditions in the order in which they must come true: ``first_condition(...) or second(...) or
Done()``. Each of the functions below is one condition. It answers None when the fleet shows that the condition holds,
and otherwise what to do or to await. Because the list is walked from its beginning at every asking, a crash forgets
nothing and a change of goal needs no undoing: it is another list, walked over the same fleet.

What they promise together:

* A route is only ever set to groups that have ready instances, and a group that was not routed to before must be
  settled first (`rerouted`).
* Plain requests leave a group that has nothing ready for one that has, if that one may be shown to them (`rescued`).
* A group is retired only while the proxy follows a route without it, and after it has drained there (`retired`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.errors import InvariantViolation
from engine.rollout.fleet import (
    Advice,
    Done,
    Fleet,
    Goal,
    GoalKind,
    Group,
    Launch,
    ReleaseId,
    Reroute,
    Retire,
    Route,
    Wait,
)

STABLE = "stable"


@dataclass(frozen=True, slots=True)
class Scene:
    """What a strategy is asked: what is to be reached, what is seen, and when."""

    goal: Goal
    fleet: Fleet
    now: datetime

    def group(self, name: str) -> Group | None:
        """Find the group of that name, if there is one."""
        return self.fleet.groups.get(name)

    def weight(self, name: str) -> int:
        """Percent of the plain requests that `name` gets by the route last asked for."""
        return self.fleet.route.weights.get(name, 0)

    @property
    def new(self) -> ReleaseId:
        """The release on its way."""
        if self.goal.new is None:
            raise InvariantViolation(f"The goal {self.goal.kind} names no new release.")
        return self.goal.new


def only(group: str) -> Route:
    """Build the route that sends every request to `group`, those on the preview port too."""
    return Route(weights={group: 100}, preview=group)


def asked(scene: Scene, name: str, release: ReleaseId, count: int) -> Launch | None:
    """`name` is asked to be `count` instances of `release`."""
    group = scene.group(name)
    if group is not None and group.release == release and group.count == count:
        return None
    return Launch(name, release, count, scene.goal.max_unavailable, scene.goal.recreate)


def kept_count(scene: Scene, name: str, release: ReleaseId) -> int:
    """How many instances `name` is to have of `release`: those that need shelter are not made fewer in place.

    A promotion moves requests away from them first; everything else leaves them be.
    """
    group, goal = scene.group(name), scene.goal
    keeps = goal.shelter and goal.kind is not GoalKind.PROMOTE and release == goal.old
    return max(goal.instances, group.count) if keeps and group and group.release == release else goal.instances


def launched(scene: Scene, name: str, release: ReleaseId, count: int) -> Advice | None:
    """`name` is asked to be `count` instances of `release`, and is."""
    return asked(scene, name, release, count) or settled(scene.fleet.groups[name])


def settled(group: Group) -> Wait | None:
    """All that was asked of `group` is there and ready, and nothing else is left."""
    if group.is_settled():
        return None
    ready = group.ready.get(group.release, 0)
    said = f"{group.name}: {ready} of {group.count} ready with {group.release}"
    others = sum(group.present.values()) - group.present.get(group.release, 0)
    said += f", {others} of another release" if others else ""
    said += f", {group.draining} draining" if group.draining else ""
    return Wait(f"{said} ({group.trouble})" if group.trouble else said)


def strong(scene: Scene, name: str) -> Wait | None:
    """`name` has as many ready instances as plain requests are promised, or all that were asked of it."""
    group, goal = scene.fleet.groups[name], scene.goal
    return settled(group) if group.ready_now() < max(1, goal.instances - goal.max_unavailable) else None


def rerouted(scene: Scene, wanted: Route) -> Advice | None:
    """`wanted` is the route last asked for."""
    present = scene.fleet.route
    if same_route(present, wanted):
        return None
    for name in sorted(wanted.groups()):
        group = scene.group(name)
        if group is None or group.ready_now() == 0:
            return Wait(f"{name}: nothing ready yet")
        if not present.refers_to(name) and not group.is_settled():
            return settled(group)
    return Reroute(wanted)


def same_route(one: Route, other: Route) -> bool:
    """Whether both send every request to the same place; a weight of nought is as good as none."""
    return _plain(one) == _plain(other) and (one.rules, one.matched, one.preview) == (
        other.rules,
        other.matched,
        other.preview,
    )


def followed(scene: Scene) -> Wait | None:
    """Nothing but the route last asked for is followed by the proxy."""
    return None if scene.fleet.in_effect else Wait("the proxy to follow the route")


def unrouted(scene: Scene, name: str, rest: timedelta, what: str) -> Wait | None:
    """No request has been able to reach `name` for `rest`. `what` says in words what the time is for."""
    group = scene.fleet.groups[name]
    if scene.fleet.route.refers_to(name) or not scene.fleet.in_effect or group.unrouted_since is None:
        return Wait(f"{name} to leave the route")
    until = group.unrouted_since + rest
    return Wait(what, until) if scene.now < until else None


def retired(scene: Scene, names: Iterable[str]) -> Advice | None:
    """None of `names` is there any more. They have drained while unrouted, so retiring them takes no second drain."""
    for name in sorted(set(names) & set(scene.fleet.groups)):
        group = scene.fleet.groups[name]
        waiting = unrouted(scene, name, scene.goal.drain, f"{name} to drain")
        if waiting is None and group.count == 0:
            waiting = Wait(f"{name} to end")
        return waiting or Retire(name, timedelta(0))
    return None


def cleared(scene: Scene) -> Advice:
    """Go back to before the first deployment: nothing routed, nothing running."""
    return rerouted(scene, Route()) or followed(scene) or retired(scene, scene.fleet.groups) or Done()


def emptied(scene: Scene, release: ReleaseId) -> Advice:
    """Go back to a release that had no instances: nothing routed, nothing running, and `stable` is that one again."""
    return (
        rerouted(scene, Route())
        or followed(scene)
        or retired(scene, scene.fleet.groups.keys() - {STABLE})
        or _without_instances(scene, release)
        or Done()
    )


def _without_instances(scene: Scene, release: ReleaseId) -> Advice | None:
    stable = scene.group(STABLE)
    if stable is None:
        return None
    ended = asked(scene, STABLE, release, 0)
    return unrouted(scene, STABLE, scene.goal.drain, f"{STABLE} to drain") or ended or Wait(f"{STABLE} to end")


def adopted(scene: Scene) -> Advice:
    """Route to the deployment that is there, and change no instance of it. Whoever serves already goes on serving."""
    if any(scene.fleet.route.weights.values()):
        return rescued(scene) or followed(scene) or Done()
    fits = [each for each in scene.fleet.groups.values() if each.release == scene.goal.old and each.count > 0]
    if not fits:
        return Done()
    group = min(fits, key=lambda each: (not each.is_settled(), each.name))
    return settled(group) or rerouted(scene, only(group.name)) or followed(scene) or Done()


def rescued(scene: Scene) -> Reroute | None:
    """No request is sent to a group without ready instances while another may answer it."""
    route = scene.fleet.route
    ready = {name for name, group in scene.fleet.groups.items() if group.ready_now() > 0}
    if route.groups() <= ready:
        return None
    weights = _plain(route)
    if not weights.keys() <= ready:
        heir = _heir(scene)
        if heir is None:
            return None
        weights = {heir: 100}
    matched = route.matched if route.matched in ready else None
    heaviest = max(sorted(weights), key=lambda name: weights[name], default=None)
    preview = route.preview if route.preview in ready or route.preview is None else heaviest
    wanted = Route(weights, route.rules if matched else (), matched, preview)
    return None if same_route(route, wanted) else Reroute(wanted)


def _heir(scene: Scene) -> str | None:
    """Name the ready group that may take all plain requests: one that has some, or one of a release they may see.

    The last good release may always be seen, the new one while it is promoted. A group that only testers reach does not
    inherit: that nobody else is shown the new version was promised, the outage of the old one was not caused here.
    """
    ready = [group for group in scene.fleet.groups.values() if group.ready_now() > 0]
    routed = [group for group in ready if scene.weight(group.name) > 0]
    if routed:
        return max(routed, key=lambda group: (scene.weight(group.name), group.name)).name
    seen = {scene.goal.old} | ({scene.goal.new} if scene.goal.kind is GoalKind.PROMOTE else set())
    pure = [group for group in ready if group.release in seen and set(group.present) <= {group.release}]
    return max(pure, key=lambda group: (group.ready_now(), group.name)).name if pure else None


def _plain(route: Route) -> dict[str, int]:
    return {name: weight for name, weight in route.weights.items() if weight > 0}
