"""The remembered workload as the engine and people want to hear of it."""

import socket
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from engine.ports import Instance, Traffic
from engine.rollout.fleet import Fleet, Group
from engine.rollout.rolling import InstanceState
from engine.routing.envoy import Seen as Proxy
from engine.targets.fronted.state import GroupRecord, InstanceRecord, Workload

FETCHING = "waits for its image"
"""How the obstacle of an instance begins whose image is on its way. That takes long, and is no standstill."""


def fleet_of(workload: Workload, proxy: Proxy | None) -> Fleet:
    """What a strategy sees."""
    groups = {name: _group(name, group, workload) for name, group in workload.groups.items()}
    return Fleet(groups, workload.route, in_effect=proxy is not None and proxy.follows(workload.site))


def instance_of(record: InstanceRecord, *, cpu: str, memory: str) -> Instance:
    """What people see of one instance."""
    return Instance(
        name=record.name,
        group=record.group,
        release=record.release,
        status="draining" if record.ending else record.state.value,
        event=_event(record),
        node=socket.gethostname(),
        address=str(record.endpoint),
        started_at=record.started_at,
        cpu=cpu,
        memory=memory,
    )


def traffic_of(workload: Workload) -> Traffic:
    """What each group has answered, over all lives of the proxy."""
    return Traffic(_totals(workload, ".completed"), _totals(workload, ".5xx"))


def last_line(path: Path, mark: str = "") -> str:
    """The last line with anything on it, and with `mark`, at the end of a log; empty when there is none."""
    try:
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - 4096))
            lines = [line for line in log.read().decode(errors="replace").splitlines() if line.strip() and mark in line]
    except FileNotFoundError:
        return ""
    return lines[-1].strip()[:300] if lines else ""


def _group(name: str, group: GroupRecord, workload: Workload) -> Group:
    mine = [each for each in workload.instances if each.group == name]
    serving = [each for each in mine if each.serves]
    troubled = [each for each in serving if each.trouble and each.trouble_at and each.state is not InstanceState.READY]
    newest = max(troubled, key=lambda each: each.trouble_at or datetime.min.replace(tzinfo=UTC), default=None)
    return Group(
        name=name,
        release=group.spec.release,
        count=0 if group.retiring else group.spec.count,
        ready=Counter(each.release for each in serving if each.state is InstanceState.READY),
        present=Counter(each.release for each in serving),
        draining=len(mine) - len(serving),
        trouble=f"{newest.name} {newest.trouble}" if newest else "",
        unrouted_since=group.unrouted_since,
        fetching="; ".join(sorted({each.trouble for each in troubled if each.trouble.startswith(FETCHING)})),
    )


def _event(record: InstanceRecord) -> str:
    if record.ending:
        return "is being ended"
    if record.state is InstanceState.DRAINING:
        return "gets no new requests"
    return record.trouble or ("serves" if record.reached else "is starting")


def _totals(workload: Workload, kind: str) -> dict[str, int]:
    return {name.removesuffix(kind): tally.total for name, tally in workload.tallies.items() if name.endswith(kind)}
