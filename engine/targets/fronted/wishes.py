"""What a move changes in the remembered workload: only the wish. Pure; asking twice changes nothing the second time."""

from dataclasses import replace
from datetime import datetime

from engine.errors import InvariantViolation
from engine.ports import Placement
from engine.rollout.fleet import Launch, Move, Reroute, Retire, Route, Scale
from engine.rollout.rolling import GroupSpec
from engine.targets.fronted.state import GroupRecord, Workload


def blank(placement: Placement) -> Workload:
    """A workload that has nothing yet."""
    return Workload(placement.workload, placement.port, placement.preview_port)


def wish(workload: Workload, placement: Placement, move: Move, now: datetime) -> Workload:
    """The workload with `move` wanted."""
    workload = _of_run(replace(workload, port=placement.port, preview_port=placement.preview_port), placement.run)
    match move:
        case Launch():
            return _launch(workload, placement, move, now)
        case Scale(group=name, count=count, drain=drain):
            group = _existing(workload, name)
            return _with(workload, name, replace(group, spec=replace(group.spec, count=count, drain=drain)))
        case Retire(group=name, drain=drain):
            if name not in workload.groups:
                return workload
            group = _existing(workload, name)
            return _with(workload, name, replace(group, spec=replace(group.spec, drain=drain), retiring=True))
        case Reroute(route=route):
            return _reroute(workload, route)


def _of_run(workload: Workload, run: str) -> Workload:
    """The workload with `run` as whose wishes come from now on."""
    return workload if workload.run == run else replace(workload, run=run, launched=None, rerouted=False)


def _launch(workload: Workload, placement: Placement, move: Launch, now: datetime) -> Workload:
    spec = GroupSpec(move.release, move.count, move.max_unavailable, move.recreate, placement.drain)
    group = workload.groups.get(move.group) or GroupRecord(spec, unrouted_since=now)
    launched = move.release if move.release == next(iter(placement.releases), None) else workload.launched
    return _with(replace(workload, launched=launched), move.group, replace(group, spec=spec, retiring=False))


def _reroute(workload: Workload, route: Route) -> Workload:
    groups = dict(workload.groups)
    for name in route.groups():
        groups[name] = replace(_existing(workload, name), unrouted_since=None)
    instances = tuple(
        replace(each, exposed=True) if each.listed and route.refers_to(each.group) else each
        for each in workload.instances
    )
    return replace(workload, groups=groups, instances=instances, route=route, rerouted=True)


def _existing(workload: Workload, name: str) -> GroupRecord:
    if name not in workload.groups:
        raise InvariantViolation(f"{workload.name} has no group {name}.")
    return workload.groups[name]


def _with(workload: Workload, name: str, group: GroupRecord) -> Workload:
    return replace(workload, groups={**workload.groups, name: group})
