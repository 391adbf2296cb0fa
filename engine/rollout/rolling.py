"""Replacing the instances of one group step by step: which to start, to drain and to end now.

The danger: a roll that takes away copies which work before the ones that replace them do, or that goes on replacing
good copies with copies of a release that never gets ready.

The promise, whatever was there before and whenever the asker was restarted:

* ready instances never fall below `count - max_unavailable`, nor below one, by anything decided here (`recreate` is the
  owner's consent to an interruption);
* at most a quarter of `count`, but at least one, runs beyond `count` while one release replaces another;
* a release that does not get ready takes the place of at most `max_unavailable` good copies, and its instances are left
  for people to look at;
* what requests may have reached is ended only after it has drained.

Why it holds: nothing is remembered. Each answer follows from the instances seen and from what is wanted, and a copy of
another release goes only for a copy of the wanted one that *is* ready. Rolling back in the middle of a roll is the same
question with the releases exchanged.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from engine.rollout.fleet import ReleaseId

_SURGE_PARTS = 4
"""One part in so many of the wanted count may run beyond it."""


class InstanceState(StrEnum):
    """How one instance is. Only ready ones get new requests."""

    STARTING = "starting"
    READY = "ready"
    UNREADY = "unready"
    DRAINING = "draining"


@dataclass(frozen=True, slots=True)
class GroupSpec:
    """What a group is to be: `count` ready instances of `release` and no other."""

    release: ReleaseId
    count: int
    max_unavailable: int = 0
    recreate: bool = False
    drain: timedelta = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class InstanceView:
    """One instance as its target sees it, not yet ended.

    `since` is when it came into `state`; for one that drains, when the proxy stopped sending it requests. `routed` says
    whether any request may ever have reached it: whether it was ever ready in a group that the route referred to. When
    in doubt it is True, which only costs a drain.
    """

    name: str
    release: ReleaseId
    state: InstanceState
    since: datetime
    routed: bool


@dataclass(frozen=True, slots=True)
class Start:
    """Start one more instance of `release`."""

    release: ReleaseId


@dataclass(frozen=True, slots=True)
class Drain:
    """Send no more requests to the instance `name`, and leave it running."""

    name: str


@dataclass(frozen=True, slots=True)
class End:
    """End the instance `name`."""

    name: str


Action = Start | Drain | End


def next_actions(spec: GroupSpec, instances: Sequence[InstanceView], now: datetime) -> tuple[Action, ...]:
    """Decide what to do now, in this order; empty when there is nothing to do but to wait."""
    ended = {each.name for each in instances if _may_end(each, spec, now)}
    left = [each for each in instances if each.name not in ended]
    leaving = _leaving(spec, [each for each in left if each.state is not InstanceState.DRAINING])
    return (
        *(End(name) for name in sorted(ended)),
        *(Drain(each.name) if _needs_drain(each) else End(each.name) for each in leaving),
        *(Start(spec.release) for _ in range(_starts(spec, left))),
    )


def surge(count: int) -> int:
    """How many instances may run beyond `count` while one release replaces another."""
    return max(1, -(-count // _SURGE_PARTS))


def least_ready(count: int, max_unavailable: int) -> int:
    """How many ready instances a group of `count` keeps while it is rolled: never none, if it is to have any."""
    return min(count, max(1, count - max_unavailable))


def _may_end(instance: InstanceView, spec: GroupSpec, now: datetime) -> bool:
    drained = not instance.routed or now - instance.since >= spec.drain
    return instance.state is InstanceState.DRAINING and drained


def _needs_drain(instance: InstanceView) -> bool:
    return instance.routed or instance.state is InstanceState.READY


def _leaving(spec: GroupSpec, alive: Sequence[InstanceView]) -> list[InstanceView]:
    wanted = [each for each in alive if each.release == spec.release]
    others = [each for each in alive if each.release != spec.release]
    surplus = _worst_first(wanted)[: max(0, len(wanted) - spec.count)]
    if spec.recreate:
        return [*_worst_first(others), *surplus]
    return [*_replaced(spec, others, ready_wanted=_ready(wanted) - _ready(surplus)), *surplus]


def _replaced(spec: GroupSpec, others: Sequence[InstanceView], ready_wanted: int) -> list[InstanceView]:
    """Choose those of other releases that may go: all that the ready ones of the wanted release make up for.

    The best are kept, so a good one goes only when all that are kept are good.
    """
    kept = max(0, least_ready(spec.count, spec.max_unavailable) - ready_wanted)
    return _worst_first(others)[: max(0, len(others) - kept)]


def _starts(spec: GroupSpec, left: Sequence[InstanceView]) -> int:
    wanted = [e for e in left if e.release == spec.release and e.state is not InstanceState.DRAINING]
    missing = max(0, spec.count - len(wanted))
    if all(each.release == spec.release for each in left):
        return missing
    if spec.recreate:
        return 0
    room = spec.count + surge(spec.count) - len(left)
    unproven = surge(spec.count) + spec.max_unavailable - (len(wanted) - _ready(wanted))
    return max(0, min(missing, room, unproven))


def _ready(instances: Iterable[InstanceView]) -> int:
    return sum(1 for each in instances if each.state is InstanceState.READY)


def _worst_first(instances: Iterable[InstanceView]) -> list[InstanceView]:
    """Those that are not ready, then the newest; names decide between equals so that every asking gives one answer."""
    newest = sorted(instances, key=lambda each: (-each.since.timestamp(), each.name))
    return sorted(newest, key=lambda each: each.state is InstanceState.READY)
