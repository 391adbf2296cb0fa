"""What the facts make of the remembered workload, and what the planner makes of that. Pure.

The danger: an instance that stops while the proxy still sends it requests, or gets requests before it can answer.

The promise: Envoy learns of an instance only after it was ready, and an instance ends only after Envoy itself no longer
has it and its drain time is over. Both are read from Envoy, never concluded from what was written for it.

Why it holds: `listed` is the wish, `reached` the observation. Ready means asked and `reached`; the drain time of an
instance starts when a look at Envoy finds it gone; ending is only ever decided by the planner, from these states.
An instance that stops answering is no longer listed, unless it is the last of its group: then requests rather find
a copy that is being restarted than none.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol

from engine.rollout.fleet import ReleaseId
from engine.rollout.rolling import Drain, End, InstanceState, InstanceView, Start, next_actions
from engine.routing.envoy import Seen as Proxy
from engine.routing.envoy_config import LOOPBACK, Endpoint, cluster_name
from engine.targets.fronted.readiness import Verdict
from engine.targets.fronted.state import Check, InstanceRecord, Workload

_PATIENCE = timedelta(seconds=2)
"""How long a start may go on before people are told what it is waiting for."""
_MISSES = 3


class Program(Protocol):
    """What runs an instance, as its keeper sees it: a program of supervisord's, or a container."""

    @property
    def runs(self) -> bool:
        """Whether it runs now, or is just being started."""
        ...


FindPlace = Callable[[ReleaseId], Endpoint]
"""Gives a new instance of a release a place that is free, another one at each call."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What one pass has found out. `programs` and `proxy` are None when nobody could be asked.

    `alive` are the programs that have a process, `strangers` those whose place somebody else has, `lost`
    those whose address has led nowhere for a while, `obstacles` what keeps an instance from being started.
    """

    proxy: Proxy | None = None
    programs: Mapping[str, Program] | None = None
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    exits: Mapping[str, str] = field(default_factory=dict)
    obstacles: Mapping[str, str] = field(default_factory=dict)
    alive: frozenset[str] = frozenset()
    strangers: frozenset[str] = frozenset()
    lost: frozenset[str] = frozenset()


def advance(workload: Workload, facts: Facts, now: datetime) -> Workload:
    """The workload after `facts` have come in."""
    kept = [each for each in workload.instances if not _is_gone(each, facts)]
    judged = _judge_all(kept, facts, now)
    met = [_meet(each, workload, facts.proxy, now) for each in judged] if facts.proxy else judged
    return _settle_groups(replace(workload, instances=tuple(met)), facts.proxy, now)


def decide(workload: Workload, checks: Mapping[ReleaseId, Check], find_place: FindPlace, now: datetime) -> Workload:
    """The workload after the planner was asked about every group. Releases without a check cannot be started."""
    for name, group in workload.groups.items():
        if not (group.retiring and workload.route.refers_to(name)):
            workload = _decide_group(workload, name, checks, find_place, now)
    return workload


def _decide_group(
    workload: Workload,
    name: str,
    checks: Mapping[ReleaseId, Check],
    find_place: FindPlace,
    now: datetime,
) -> Workload:
    group = workload.groups[name]
    spec = replace(group.spec, count=0) if group.retiring else group.spec
    mine = [_view(each, now) for each in workload.instances if each.group == name and not each.ending]
    changed = {each.name: each for each in workload.instances}
    serial = workload.serial
    for action in next_actions(spec, mine, now):
        match action:
            case Start(release=release) if release in checks:
                serial += 1
                fresh, (host, port) = f"{workload.plain}.{name}.{serial}", find_place(release)
                changed[fresh] = InstanceRecord(fresh, name, release, port, checks[release], now, now, host=host)
            case Drain(name=leaving):
                gone = replace(changed[leaving], state=InstanceState.DRAINING, since=now, listed=False, trouble="")
                changed[leaving] = gone
            case End(name=leaving):
                changed[leaving] = replace(changed[leaving], ending=True, listed=False)
            case _:
                pass
    return replace(workload, instances=tuple(changed.values()), serial=serial)


def _view(instance: InstanceRecord, now: datetime) -> InstanceView:
    held = instance.state is InstanceState.DRAINING and instance.reached
    since = now if held else instance.since
    return InstanceView(instance.name, instance.release, instance.state, since, routed=instance.exposed or held)


def _is_gone(instance: InstanceRecord, facts: Facts) -> bool:
    if not instance.ending or facts.programs is None:
        return False
    return instance.name not in facts.programs and instance.name not in facts.alive


def _judge_all(instances: list[InstanceRecord], facts: Facts, now: datetime) -> list[InstanceRecord]:
    listed = Counter(each.group for each in instances if each.listed)
    judged = []
    for each in instances:
        fresh = _judge(each, facts, now) if each.serves else each
        if each.listed and not fresh.listed:
            if listed[each.group] == 1:
                fresh = replace(fresh, listed=True)
            else:
                listed[each.group] -= 1
        judged.append(fresh)
    return judged


def _judge(instance: InstanceRecord, facts: Facts, now: datetime) -> InstanceRecord:
    verdict = facts.verdicts.get(instance.name)
    is_missing = facts.programs is not None and instance.name not in facts.programs
    if (is_missing or not instance.reached) and (said := _displaced(instance, facts)):
        return replace(instance, ending=True, listed=False, trouble=said, trouble_at=now)
    if verdict is None:
        said = facts.obstacles.get(instance.name, instance.trouble)
        return instance if said == instance.trouble else replace(instance, trouble=said, trouble_at=now)
    if verdict.ready:
        return replace(instance, listed=True, failures=0)
    failures = instance.failures + 1
    said = _trouble(instance, verdict, facts, now)
    fresh = replace(instance, failures=failures, trouble=said, trouble_at=now if said else instance.trouble_at)
    if _runs(instance, facts) and verdict.open and failures < _MISSES:
        return replace(fresh, trouble=instance.trouble)
    if instance.state is InstanceState.READY:
        return replace(fresh, state=InstanceState.UNREADY, since=now, listed=False)
    return replace(fresh, listed=False)


def _displaced(instance: InstanceRecord, facts: Facts) -> str:
    """Why an instance cannot stay where it is; empty when it can."""
    if instance.name in facts.strangers and instance.host != LOOPBACK:
        return f"{instance.host} is not to be had any more; it starts again on another address"
    if instance.name in facts.strangers:
        return f"port {instance.port} is listened to by another process; it starts again on another"
    if instance.name in facts.lost:
        return f"nothing is at {instance.host}, though it runs; it starts again on another address"
    return ""


def _runs(instance: InstanceRecord, facts: Facts) -> bool:
    program = (facts.programs or {}).get(instance.name)
    return program is None or program.runs


def _trouble(instance: InstanceRecord, verdict: Verdict, facts: Facts, now: datetime) -> str:
    if instance.name in facts.exits and (not _runs(instance, facts) or not verdict.open):
        return facts.exits[instance.name]
    waited = now - instance.since
    if instance.state is InstanceState.STARTING and waited < min(_PATIENCE, instance.check.within) and not verdict.open:
        return ""
    late = f" (it had {_seconds(instance.check.within)})" if waited > instance.check.within else ""
    after = f" after {_seconds(waited)}" if not verdict.open else ""
    return f"{verdict.said}{after}{late}"


def _seconds(span: timedelta) -> str:
    return f"{span.total_seconds():.3g} s"


def _meet(instance: InstanceRecord, workload: Workload, proxy: Proxy, now: datetime) -> InstanceRecord:
    """The instance after a look at the endpoints that Envoy has."""
    reached = instance.endpoint in proxy.hosts.get(cluster_name(workload.plain, instance.group), ())
    group = workload.groups[instance.group]
    exposed = instance.exposed or (group.unrouted_since is None and (reached or instance.listed))
    fresh = replace(instance, reached=reached, exposed=exposed)
    if fresh.serves and fresh.listed and reached and fresh.failures == 0 and fresh.state is not InstanceState.READY:
        return replace(fresh, state=InstanceState.READY, since=now, trouble="")
    if instance.state is InstanceState.DRAINING and instance.reached and not reached:
        return replace(fresh, since=now)
    return fresh


def _settle_groups(workload: Workload, proxy: Proxy | None, now: datetime) -> Workload:
    if proxy is None or not proxy.follows(workload.site):
        return workload
    groups = {}
    for name, group in workload.groups.items():
        if workload.route.refers_to(name):
            groups[name] = replace(group, unrouted_since=None)
        elif group.retiring and not any(each.group == name for each in workload.instances):
            continue
        else:
            groups[name] = replace(group, unrouted_since=group.unrouted_since or now)
    return replace(workload, groups=groups)
