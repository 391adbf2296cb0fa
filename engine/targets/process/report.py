"""The remembered workload as the engine and people want to hear of it."""

import os
import socket
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from engine.ports import Instance, Traffic
from engine.rollout.fleet import Fleet, Group
from engine.rollout.rolling import InstanceState
from engine.routing.envoy import Seen as Proxy
from engine.targets.process.state import GroupRecord, InstanceRecord, Workload

_MEBIBYTE = 1024 * 1024


def fleet_of(workload: Workload, proxy: Proxy | None) -> Fleet:
    """What a strategy sees."""
    groups = {name: _group(name, group, workload) for name, group in workload.groups.items()}
    return Fleet(groups, workload.route, in_effect=proxy is not None and proxy.follows(workload.site))


def instance_of(record: InstanceRecord, pid: int) -> Instance:
    """What people see of one instance."""
    cpu, memory = _consumption(pid)
    return Instance(
        name=record.name,
        group=record.group,
        release=record.release,
        status="draining" if record.ending else record.state.value,
        event=_event(record),
        node=socket.gethostname(),
        address=f"127.0.0.1:{record.port}",
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


def explained(exits: dict[str, str], error_log: Callable[[str], Path]) -> dict[str, str]:
    """How programs ended last, each with the last line it wrote to standard error."""
    said = {}
    for name, how in exits.items():
        words = how.replace("exit status", "exit code").replace("terminated by", "killed by")
        line = last_line(error_log(name))
        said[name] = f"ended: {words}" + (f": {line}" if line else "")
    return said


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
    )


def _event(record: InstanceRecord) -> str:
    if record.ending:
        return "is being ended"
    if record.state is InstanceState.DRAINING:
        return "gets no new requests"
    return record.trouble or ("serves" if record.reached else "is starting")


def _totals(workload: Workload, kind: str) -> dict[str, int]:
    return {name.removesuffix(kind): tally.total for name, tally in workload.tallies.items() if name.endswith(kind)}


def _consumption(pid: int) -> tuple[str, str]:
    """Processor time so far, and memory in use now."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return "", ""
    seconds = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return f"{seconds:.1f} s", f"{int(fields[21]) * os.sysconf('SC_PAGE_SIZE') / _MEBIBYTE:.0f} MiB"
