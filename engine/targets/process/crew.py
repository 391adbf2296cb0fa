"""Instances as programs of supervisord's."""

import asyncio
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from engine.model import Release
from engine.ports import Clock, Instance, Placement
from engine.routing.envoy_config import Endpoint
from engine.routing.listening import holders
from engine.targets.fronted import report
from engine.targets.fronted.advance import FindPlace, Program
from engine.targets.fronted.ports import free_ports
from engine.targets.fronted.state import InstanceRecord, Workload
from engine.targets.fronted.supervisor import Supervisor
from engine.targets.process.instances import program_of, web_command

_GRACE = timedelta(seconds=10)
_BETWEEN_LOOKS = 0.02
_AT_A_TIME = 20
"""So many programs are started in one pass: more at once would take the machine away from those that serve."""
_MEBIBYTE = 1024 * 1024


class ProcessCrew:
    """The `engine.targets.fronted.crew.Crew` of `supervisor`. `bundles` gives the directory of a bundle by its digest.

    What programs write is in `logs`.
    """

    def __init__(self, supervisor: Supervisor, bundles: Callable[[str], Path], logs: Path, clock: Clock) -> None:
        self._supervisor = supervisor
        self._bundles = bundles
        self._logs = logs
        self._clock = clock

    @property
    def relayed(self) -> bool:
        """Instances listen themselves."""
        return False

    async def check(self, release: Release) -> None:
        """See that the bundle says how it is started."""
        await asyncio.to_thread(lambda: web_command(self._bundles(release.digest)))

    async def present(self, workload: Workload) -> Mapping[str, Program]:  # noqa: ARG002 - the port's signature
        """Every program that supervisord has."""
        return await self._supervisor.programs()

    async def kept(self, placement: Placement, workload: Workload) -> Workload:  # noqa: ARG002 - the port's signature
        """Nothing runs here that is not remembered: the files of programs lie beside those that remember them."""
        return workload

    async def exits(self, workload: Workload) -> Mapping[str, str]:  # noqa: ARG002 - the port's signature
        """How programs ended last, each with the last line it wrote to standard error."""
        return await asyncio.to_thread(self._exits)

    async def obstacles(self, workload: Workload) -> Mapping[str, str]:  # noqa: ARG002 - the port's signature
        """What cannot be started has no program; what has one says itself why it ends."""
        return {}

    async def alive(self, names: Sequence[str]) -> frozenset[str]:
        """Those that have a process, also where its supervisor was killed."""
        return frozenset(name for name in names if self._supervisor.living(name))

    def silent(self, names: Sequence[str]) -> frozenset[str]:  # noqa: ARG002 - the port's signature
        """A port of this machine's answers at once, also that nobody listens to it."""
        return frozenset()

    async def strangers(self, coming: Mapping[str, Endpoint]) -> frozenset[str]:
        """Those whose port a process listens to that is none of theirs."""
        claims = {name: (self._supervisor.living(name), place.port) for name, place in coming.items()}
        return frozenset(claims) - await asyncio.to_thread(holders, claims)

    async def places(self, placement: Placement, taken: Sequence[Endpoint]) -> FindPlace:  # noqa: ARG002
        """Free ports."""
        ports = free_ports(taken)
        return lambda _release: next(ports)

    async def start(
        self, placement: Placement, wanted: Sequence[InstanceRecord], programs: Mapping[str, Program]
    ) -> None:
        """Let supervisord keep a few more."""
        releases = placement.releases
        missing = [each for each in wanted if each.name not in programs]
        told = [
            program_of(each, releases[each.release], self._bundles(releases[each.release].digest))
            for each in missing[:_AT_A_TIME]
        ]
        await self._supervisor.add(told)

    async def end(self, leaving: Sequence[InstanceRecord], programs: Mapping[str, Program]) -> None:
        """Ask them to stop, ourselves where supervisord knows them no longer; those that take too long are killed."""
        await self._supervisor.end([each.name for each in leaving])
        for each in leaving:
            if each.name not in programs:
                late = self._clock.now() - each.since > _GRACE
                self._supervisor.signal(each.name, signal.SIGKILL if late else signal.SIGTERM)

    async def end_at_once(self, workload: Workload) -> None:
        """End every program of the workload."""
        names = [each.name for each in workload.instances]
        await self._supervisor.ensure()
        while True:
            await self._supervisor.end(names)
            known = await self._supervisor.programs()
            if not any(name in known for name in names):
                break
            await asyncio.sleep(_BETWEEN_LOOKS)
        await self._supervisor.end_left(names)
        for name in names:
            await self.forget(name)

    async def forget(self, name: str) -> None:
        """Remove its files."""
        await asyncio.to_thread(self._supervisor.forget, name)

    async def describe(self, workload: Workload) -> tuple[Instance, ...]:
        """Every instance, with what it has used."""
        return tuple(self._described(each) for each in workload.instances)

    def _described(self, instance: InstanceRecord) -> Instance:
        cpu, memory = _consumption(self._supervisor.living(instance.name))
        return report.instance_of(instance, cpu=cpu, memory=memory)

    def _exits(self) -> dict[str, str]:
        said = {}
        for name, how in self._supervisor.last_exits().items():
            words = how.replace("exit status", "exit code").replace("terminated by", "killed by")
            line = report.last_line(self._logs / f"{name}.err")
            said[name] = f"ended: {words}" + (f": {line}" if line else "")
        return said


def _consumption(pid: int) -> tuple[str, str]:
    """Processor time so far, and memory in use now."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return "", ""
    seconds = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return f"{seconds:.1f} s", f"{int(fields[21]) * os.sysconf('SC_PAGE_SIZE') / _MEBIBYTE:.0f} MiB"
