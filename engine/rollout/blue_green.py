"""Blue-green: two whole colours, one of them serving; the other comes up unseen, and the traffic is switched once.

The danger: to forget which colour is which. Names do not say it (blue is live in one release and idle in the next), and
a note of it could be older than the switch. So it is read off what is there: the colour that serves is the one that the
route sends plain requests to, the colour a goal wants is the one at that goal's release.

The promise: a colour is launched only while no route leads to it, is switched to only when all of it is ready, and is
upgraded or removed only when the proxy has long stopped using it. Until its hold time is over the old colour is left
as it is, so that switching back is one change of the route. When it has been changed already, a roll-back first
launches the old release there and switches when all of it is ready.

On an empty fleet blue comes up whole. Asked for a gray release there, it gets everything at once: there is nobody else
to answer. A group of another strategy's name that is still live counts as the old colour, but is never upgraded.

The preview port leads to the new colour during a gray release and to the live one otherwise.
"""

from collections.abc import Callable
from datetime import datetime

from engine.rollout.fleet import Advice, Done, Fleet, Goal, GoalKind, Group, Launch, ReleaseId, Route
from engine.rollout.steps import (
    Scene,
    adopted,
    asked,
    cleared,
    followed,
    kept_count,
    launched,
    only,
    rerouted,
    rescued,
    retired,
    settled,
    strong,
    unrouted,
)

BLUE = "blue"
GREEN = "green"
_COLOURS = (BLUE, GREEN)

_After = Callable[[Scene, str, ReleaseId], Advice | None]
"""What becomes of the groups beside the one that serves, given its name and its release."""


def next_move(goal: Goal, fleet: Fleet, now: datetime) -> Advice:
    """Say what is next on the way to `goal`."""
    scene = Scene(goal, fleet, now)
    match goal.kind:
        case GoalKind.GRAY:
            return _show(scene)
        case GoalKind.PROMOTE:
            return _switch(scene, scene.new, _after_hold)
        case GoalKind.ROLL_BACK:
            return cleared(scene) if goal.old is None else _switch(scene, goal.old, _other_releases_retired)
        case GoalKind.ADOPT:
            return adopted(scene)


def _show(scene: Scene) -> Advice:
    """Bring the new release up beside the one that serves, and show it to whom the goal says."""
    base = _base(scene)
    if base is None:
        return _switch(scene, scene.goal.old or scene.new, _other_releases_retired)
    if base.release == scene.new:
        return _switch(scene, scene.new, _other_releases_retired)
    idle = _beside(scene, base.name)
    return (
        rescued(scene)
        or _served(scene, base.name)
        or _freed(scene, idle, scene.new)
        or _asked_unseen(scene, idle, scene.new)
        or rerouted(scene, _shown(scene, base.name, idle))
        or settled(scene.fleet.groups[idle])
        or followed(scene)
        or retired(scene, scene.fleet.groups.keys() - {base.name, idle})
        or Done()
    )


def _switch(scene: Scene, release: ReleaseId, after: _After) -> Advice:
    """Bring all traffic to a whole colour of `release`."""
    name = _colour_for(scene, release)
    return (
        rescued(scene)
        or _freed(scene, name, release)
        or launched(scene, name, release, kept_count(scene, name, release))
        or rerouted(scene, only(name))
        or followed(scene)
        or after(scene, name, release)
        or Done()
    )


def _base(scene: Scene) -> Group | None:
    """Find the group that serves beside a gray one: at the old release if any is, and else the most routed one."""
    old = scene.goal.old
    groups = scene.fleet.groups.values()
    fits = [each for each in groups if scene.weight(each.name) > 0 or (each.release == old and each.count > 0)]
    return max(fits, key=lambda each: (each.release == old, scene.weight(each.name), each.name), default=None)


def _beside(scene: Scene, base: str) -> str:
    """Name the colour for the new release beside `base`: the one that has it already, or else the first free one."""
    free = [name for name in _COLOURS if name != base]
    return next((name for name in free if (group := scene.group(name)) and group.release == scene.new), free[0])


def _colour_for(scene: Scene, release: ReleaseId) -> str:
    """Name the group that all traffic shall be on: one that is at `release` already, or else the colour least used."""
    there = [each for each in scene.fleet.groups.values() if each.release == release and not _shrinks(scene, each)]
    if there:
        return min(there, key=lambda each: (-scene.weight(each.name), not each.is_settled(), each.name)).name
    shrinking = {each.name for each in scene.fleet.groups.values() if _shrinks(scene, each)}
    return min(_COLOURS, key=lambda name: (name in shrinking, scene.weight(name), _runs_old(scene, name), name))


def _shrinks(scene: Scene, group: Group) -> bool:
    """Whether instances that need shelter would have to end while requests reach them: another colour takes those."""
    goal = scene.goal
    loud = goal.shelter and goal.kind is GoalKind.PROMOTE and group.release == goal.old
    return loud and group.count > goal.instances and unrouted(scene, group.name, goal.drain, "") is not None


def _runs_old(scene: Scene, name: str) -> bool:
    group = scene.group(name)
    return group is not None and group.release == scene.goal.old


def _served(scene: Scene, base: str) -> Advice | None:
    """Plain requests are answered by somebody. Nobody is routed to when a lost deployment was just brought back."""
    return None if any(scene.fleet.route.weights.values()) else rerouted(scene, only(base))


def _freed(scene: Scene, name: str, release: ReleaseId) -> Advice | None:
    """Nothing leads to `name`, and it has drained, if it must change its release."""
    group = scene.group(name)
    if group is None or group.release == release:
        return None
    if not scene.fleet.route.refers_to(name):
        return followed(scene) or unrouted(scene, name, scene.goal.drain, f"{name} to drain")
    others = [each for each in scene.fleet.groups.values() if each.name != name and each.ready_now() > 0]
    heir = max(others, key=lambda each: (scene.weight(each.name), each.name), default=None)
    return strong(scene, heir.name) or rerouted(scene, only(heir.name)) if heir else None


def _asked_unseen(scene: Scene, idle: str, release: ReleaseId) -> Advice | None:
    """`idle` is asked to be whole at `release`. It is asked only when the proxy's route is known not to lead there."""
    asking = asked(scene, idle, release, scene.goal.instances)
    return (followed(scene) or asking) if isinstance(asking, Launch) else None


def _shown(scene: Scene, base: str, idle: str) -> Route:
    goal = scene.goal
    weights = {name: part for name, part in ((base, 100 - goal.share), (idle, goal.share)) if part > 0}
    return Route(weights, goal.rules, idle if goal.rules else None, idle)


def _after_hold(scene: Scene, live: str, release: ReleaseId) -> Advice | None:
    """Every other group is kept for the hold time and then upgraded, to stand by, or removed."""
    for name in sorted(scene.fleet.groups.keys() - {live}):
        upgraded = scene.goal.after_hold == "upgrade" and name in _COLOURS
        advice = _held(scene, name, release) or (
            launched(scene, name, release, scene.goal.instances) if upgraded else retired(scene, [name])
        )
        if advice:
            return advice
    return None


def _held(scene: Scene, name: str, release: ReleaseId) -> Advice | None:
    group = scene.fleet.groups[name]
    if group.release == release and group.count <= scene.goal.instances:
        return None
    rest = max(scene.goal.hold, scene.goal.drain)
    return unrouted(scene, name, rest, f"the hold time of {name}, which can be switched back to at once")


def _other_releases_retired(scene: Scene, live: str, release: ReleaseId) -> Advice | None:
    groups = scene.fleet.groups
    return retired(scene, [name for name in groups if name != live and groups[name].release != release])
