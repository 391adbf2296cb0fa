"""A fleet in which everything succeeds at once: what a plan is rehearsed on.

Instances are ready as soon as they are asked for, the proxy follows a route at once, and what goes is gone. Only drain
and hold times take time, so that they show in the plan.
"""

from dataclasses import replace
from datetime import datetime

from engine.rollout.fleet import Fleet, Group, Launch, Move, ReleaseId, Reroute, Retire, Scale


def perform(fleet: Fleet, move: Move, now: datetime) -> Fleet:
    """Return the fleet as it is when `move` is over."""
    groups = dict(fleet.groups)
    match move:
        case Launch():
            groups[move.group] = _whole(groups.get(move.group), move.group, move.release, move.count, now)
        case Scale() if move.group in groups:
            group = groups[move.group]
            groups[move.group] = _whole(group, move.group, group.release, move.count, now)
        case Retire() | Scale():
            groups.pop(move.group, None)
        case Reroute():
            return _followed(replace(fleet, route=move.route), now)
    return replace(fleet, groups=groups)


def mend(fleet: Fleet, now: datetime) -> Fleet:
    """Return the fleet as it is when everything asked for so far has come true."""
    kept = [each for each in fleet.groups.values() if each.count > 0]
    groups = {each.name: _whole(each, each.name, each.release, each.count, now) for each in kept}
    return _followed(replace(fleet, groups=groups), now)


def _whole(group: Group | None, name: str, release: ReleaseId, count: int, now: datetime) -> Group:
    since = group.unrouted_since if group else now
    there = {release: count}
    return Group(name, release, count, ready=there, present=there, unrouted_since=since)


def _followed(fleet: Fleet, now: datetime) -> Fleet:
    groups = {
        name: replace(group, unrouted_since=None if fleet.route.refers_to(name) else group.unrouted_since or now)
        for name, group in fleet.groups.items()
    }
    return replace(fleet, groups=groups, in_effect=True)
