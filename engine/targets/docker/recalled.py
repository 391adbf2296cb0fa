"""Instances that were forgotten, read off their containers' labels. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from engine.rollout.fleet import ReleaseId
from engine.rollout.rolling import GroupSpec
from engine.targets.docker import names
from engine.targets.docker.asking import Container
from engine.targets.fronted.state import Check, GroupRecord, InstanceRecord, Workload


def recalled(
    workload: Workload, containers: Iterable[Container], checks: Mapping[ReleaseId, Check], now: datetime
) -> Workload:
    """`workload` with an instance for each of `containers`.

    One that is remembered anew may have served, so it drains before it ends. A group that nobody wants goes as a whole.
    """
    known = {each.name for each in workload.instances}
    lost = [found for each in containers if each.instance not in known and (found := _record(each, checks, now))]
    if not lost:
        return workload
    groups = dict(workload.groups)
    for each in lost:
        if each.group not in groups:
            groups[each.group] = GroupRecord(GroupSpec(each.release, 0), retiring=True, unrouted_since=now)
    serial = max(workload.serial, *(_serial(each.name) for each in lost))
    return replace(workload, groups=groups, instances=(*workload.instances, *lost), serial=serial)


def _record(container: Container, checks: Mapping[ReleaseId, Check], now: datetime) -> InstanceRecord | None:
    labels = container.labels
    group, release = labels.get(names.GROUP, ""), ReleaseId(labels.get(names.RELEASE, ""))
    host, port = labels.get(names.ADDRESS, ""), labels.get(names.PORT, "")
    if not (group and release and host and port.isdecimal()):
        return None
    name, check = container.instance, checks.get(release, Check())
    return InstanceRecord(name, group, release, int(port), check, now, now, exposed=True, host=host)


def _serial(name: str) -> int:
    last = name.rpartition(".")[2]
    return int(last) if last.isdecimal() else 0
