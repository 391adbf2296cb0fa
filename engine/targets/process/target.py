"""Instances as processes of one machine: kept by supervisord, reached through Envoy.

The danger: three parties can each end at any moment, the bot, supervisord and Envoy, and a fourth, the instance, too.

The promise: what runs goes on running whoever else ends; after any of them came back, a few passes of `tend` bring
everything to what was wanted. No request is lost on the way.

Why it holds: a wish is written to disk before anything is begun; a pass looks first (supervisord, the instances,
Envoy), remembers what follows from that, and only then acts, and every act may be repeated. Whatever a crash leaves
half done is seen by the next look. What Envoy does is never assumed, see `engine.routing.envoy` and `advance`.
"""

import asyncio
import signal
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from engine.deployment import Deployment
from engine.errors import Interrupted
from engine.ports import Clock, Dispute, Instance, Placement, Traffic
from engine.rollout.fleet import Fleet, Launch, Move, ReleaseId, Reroute
from engine.routing.envoy import Envoy, Seen, as_yaml
from engine.routing.envoy_config import preview_name
from engine.routing.listening import holders
from engine.targets.process import readiness, report
from engine.targets.process.advance import Facts, advance, decide
from engine.targets.process.instances import checks_of, free_ports, program_of, web_command
from engine.targets.process.keep import identity
from engine.targets.process.layout import Layout
from engine.targets.process.programs import Program, allowed_environment
from engine.targets.process.state import InstanceRecord, Memory, Tally, Workload, without_counters
from engine.targets.process.supervisor import Supervisor
from engine.targets.process.wishes import blank, wish

_ENVOY = "envoy"
_GRACE = timedelta(seconds=10)
_BETWEEN_LOOKS = 0.02
_AT_A_TIME = 20
"""So many programs are started in one pass: more at once would take the machine away from those that serve."""


class ProcessTarget:
    """The `engine.ports.Target` over everything under `root`. `bundles` gives the directory of a bundle by its digest.

    Visitors' ports open on `address`. At most one target may be at work on a root at any time.
    """

    def __init__(self, root: Path, bundles: Callable[[str], Path], clock: Clock, *, address: str = "127.0.0.1") -> None:
        self._layout = Layout(root)
        self._bundles = bundles
        self._clock = clock
        self._memory = Memory(self._layout.workloads)
        self._supervisor = Supervisor(self._layout)
        self._envoy = Envoy(self._layout.envoy, self._layout.envoy_socket, address)
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._passes: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._front = asyncio.Lock()
        self._workloads: dict[str, Workload] | None = None
        self._asked: dict[str, datetime] = {}
        self._mended: list[str] = []
        self._envoy_life = ""

    async def fit(self, workload: str, spec: Deployment) -> Deployment:  # noqa: ARG002 - the port's signature
        """The definition has already refused what this place cannot do."""
        return spec

    async def found(self, workload: str, spec: Deployment) -> None:
        """Nothing runs here that Sluice has not placed."""

    async def manifest(self, placement: Placement, release: ReleaseId) -> str:
        """The settings themselves are the configuration."""
        return placement.releases[release].manifest

    async def changes(self, placement: Placement, moves: Sequence[Move]) -> tuple[str, ...]:  # noqa: ARG002
        """Instances are all there is to change, and the moves say it."""
        return ()

    async def disputes(self, placement: Placement) -> tuple[Dispute, ...]:  # noqa: ARG002
        """Nobody else manages what is here."""
        return ()

    async def restore(self, placement: Placement, disputes: Sequence[Dispute], by: str) -> None:
        """Nothing is disputed here."""

    async def adopt(self, placement: Placement, disputes: Sequence[Dispute], by: str) -> None:
        """Nothing is disputed here."""

    async def observe(self, placement: Placement) -> Fleet:
        """What is there now."""
        workload = (await self._all()).get(placement.workload)
        return report.fleet_of(workload, await self._envoy.seen()) if workload else Fleet()

    async def perform(self, placement: Placement, move: Move) -> None:
        """Write down that `move` is wanted. A new route is handed to Envoy at once, if it can take it already."""
        async with self._turns[placement.workload]:
            known = (await self._all()).get(placement.workload)
            wanted = wish(known or blank(placement), placement, move, self._clock.now())
            if isinstance(move, Launch):
                await self._check(placement, move)
            if known is None or known.site.listeners != wanted.site.listeners:
                await self._refuse_taken_ports(wanted)
            await self._remember(wanted)
            if isinstance(move, Reroute):
                await self._hand_over(wanted)

    async def tend(self, placement: Placement) -> None:
        """Make one pass: look, remember, act, and look whether it took effect."""
        async with self._passes[placement.workload]:
            workload = (await self._all()).get(placement.workload)
            if workload is None:
                return
            await self._run_keepers()
            facts = await self._look(workload)
            async with self._turns[placement.workload]:
                workload = await self._think(placement, facts)
                await self._act(placement, workload, facts)
                await self._look_again(workload)

    async def instances(self, workload: str) -> tuple[Instance, ...]:
        """Every instance of `workload`, those that drain included."""
        known = (await self._all()).get(workload)
        return tuple(
            report.instance_of(each, self._supervisor.living(each.name)) for each in (known.instances if known else ())
        )

    async def traffic(self, workload: str) -> Traffic:
        """Envoy's own counters, carried on over its restarts."""
        async with self._turns[workload]:
            known = (await self._all()).get(workload)
            if known is None:
                return Traffic()
            return report.traffic_of(await self._count(known))

    async def effective_route(self, workload: str) -> str:
        """The routes that Envoy follows now."""
        seen = await self._envoy.seen()
        if seen is None:
            raise Interrupted("Envoy does not answer.")
        named = {name: seen.routes[name] for name in (workload, preview_name(workload)) if name in seen.routes}
        return as_yaml(named)

    async def keep(self) -> tuple[str, ...]:
        """Look after supervisord and Envoy; sentences say what was wrong."""
        if await self._all():
            await self._run_keepers()
            await asyncio.to_thread(self._supervisor.trim_logs)
            if await self._envoy.seen() is None:
                line = report.last_line(self._layout.logs / f"{_ENVOY}.err", "[critical]")
                self._mended.append(f"Envoy does not answer yet{f': {line}' if line else ''}.")
        said, self._mended = tuple(self._mended), []
        return said

    async def forget(self, workload: str) -> None:
        """End everything of `workload` at once, without draining, and forget it."""
        async with self._passes[workload], self._turns[workload], self._front:
            known = (await self._all()).pop(workload, None)
            if known is None:
                return
            sites = [each.site for each in (await self._all()).values()]
            await asyncio.to_thread(self._envoy.write_all, sites, await self._envoy.seen())
            await self._end_at_once([each.name for each in known.instances])
            await asyncio.to_thread(self._memory.forget, workload)
            await asyncio.to_thread(self._envoy.remove, known.site)

    async def shutdown(self) -> None:
        """End every process of this target. What is wanted stays written down."""
        await self._supervisor.shut_down()
        await self._supervisor.end_left(await asyncio.to_thread(self._supervisor.known))
        await asyncio.to_thread(self._layout.drop_sockets)

    async def _all(self) -> dict[str, Workload]:
        if self._workloads is None:
            await asyncio.to_thread(self._layout.make)
            self._workloads = await asyncio.to_thread(self._memory.load_all)
        return self._workloads

    async def _remember(self, workload: Workload) -> None:
        known = await self._all()
        if known.get(workload.name) != workload:
            await asyncio.to_thread(self._memory.save, workload)
            known[workload.name] = workload

    async def _check(self, placement: Placement, launch: Launch) -> None:
        release = placement.releases[launch.release]
        await asyncio.to_thread(lambda: web_command(self._bundles(release.digest)))

    async def _refuse_taken_ports(self, workload: Workload) -> None:
        others = [each.site for name, each in (await self._all()).items() if name != workload.name]
        refusal = await self._envoy.refusal(workload.site, others)
        if refusal:
            raise refusal

    async def _hand_over(self, workload: Workload) -> None:
        seen = await self._envoy.seen()
        if seen and seen.can_take(workload.site):
            async with self._front:
                await asyncio.to_thread(self._envoy.write_routes, workload.site, seen)

    async def _run_keepers(self) -> None:
        async with self._front:
            trouble = await self._supervisor.ensure()
            if trouble:
                self._mended.append(trouble)
            if _ENVOY not in await asyncio.to_thread(self._supervisor.known):
                await self._write_front(None)
                await self._supervisor.add([self._envoy_program()])
            life = identity(self._supervisor.living(_ENVOY))
            if self._envoy_life and life != self._envoy_life:
                self._mended.append("Envoy had ended; supervisord starts it again.")
            self._envoy_life = life

    def _envoy_program(self) -> Program:
        return Program(_ENVOY, self._envoy.argv, str(self._layout.root), allowed_environment())

    async def _write_front(self, seen: Seen | None) -> None:
        sites = [each.site for each in (await self._all()).values()]
        await asyncio.to_thread(self._envoy.write_all, sites, seen)

    async def _look(self, workload: Workload) -> Facts:
        programs = await self._supervisor.programs()
        now = self._clock.now()
        begun = [each for each in workload.instances if each.serves and (each.reached or each.name in programs)]
        due = [each for each in begun if self._is_due(each, now)]
        verdicts = await readiness.ask_all(due)
        self._asked.update((each.name, now) for each in due)
        coming = {each.name: each.port for each in due if not each.listed and verdicts[each.name].open}
        exits = await asyncio.to_thread(self._supervisor.last_exits)
        return Facts(
            proxy=await self._envoy.seen(),
            programs=programs,
            verdicts=verdicts,
            exits=report.explained(exits, lambda name: self._layout.logs / f"{name}.err"),
            alive=frozenset(each.name for each in workload.instances if self._supervisor.living(each.name)),
            strangers=await asyncio.to_thread(self._strangers, coming),
        )

    def _is_due(self, instance: InstanceRecord, now: datetime) -> bool:
        return now - self._asked.get(instance.name, datetime.min.replace(tzinfo=now.tzinfo)) >= instance.check.every

    def _strangers(self, coming: Mapping[str, int]) -> frozenset[str]:
        claims = {name: (self._supervisor.living(name), port) for name, port in coming.items()}
        return frozenset(claims) - holders(claims)

    async def _think(self, placement: Placement, facts: Facts) -> Workload:
        now = self._clock.now()
        before = (await self._all())[placement.workload]
        assigned = {each.port for other in (await self._all()).values() for each in other.instances}
        ports = free_ports(assigned)
        after = decide(advance(before, facts, now), checks_of(placement.releases), lambda: next(ports), now)
        if gone := set(before.groups) - set(after.groups):
            after = without_counters(await self._count(after), gone)
        await self._remember(after)
        for name in {each.name for each in before.instances} - {each.name for each in after.instances}:
            await asyncio.to_thread(self._supervisor.forget, name)
            self._asked.pop(name, None)
        return after

    async def _act(self, placement: Placement, workload: Workload, facts: Facts) -> None:
        async with self._front:
            if facts.proxy or not self._supervisor.living(_ENVOY):
                await self._write_front(facts.proxy)
        programs = facts.programs or {}
        missing = [each for each in workload.instances if not each.ending and each.name not in programs]
        releases = placement.releases
        wanted = [
            program_of(each, releases[each.release], self._bundles(releases[each.release].digest))
            for each in missing[:_AT_A_TIME]
            if each.release in releases
        ]
        await self._supervisor.add(wanted)
        ending = [each for each in workload.instances if each.ending]
        await self._supervisor.end([each.name for each in ending])
        for each in ending:
            if each.name not in programs:
                late = self._clock.now() - each.since > _GRACE
                self._supervisor.signal(each.name, signal.SIGKILL if late else signal.SIGTERM)

    async def _look_again(self, workload: Workload) -> None:
        seen = await self._envoy.await_effect([workload.site])
        if seen is None:
            return
        await self._remember(advance(workload, Facts(proxy=seen), self._clock.now()))
        if not seen.opens(workload.site):
            await self._refuse_taken_ports(workload)

    async def _count(self, workload: Workload) -> Workload:
        life = identity(self._supervisor.living(_ENVOY))
        try:
            counters = await self._envoy.counters(workload.name)
        except OSError:
            return workload
        reborn = life != workload.proxy
        names = {*workload.tallies, *counters}
        tallies = {
            name: workload.tallies.get(name, Tally()).read(counters.get(name, 0), reborn=reborn) for name in names
        }
        counted = replace(workload, tallies=tallies, proxy=life)
        await self._remember(counted)
        return counted

    async def _end_at_once(self, names: Sequence[str]) -> None:
        await self._supervisor.ensure()
        while True:
            await self._supervisor.end(names)
            known = await self._supervisor.programs()
            if not any(name in known for name in names):
                break
            await asyncio.sleep(_BETWEEN_LOOKS)
        await self._supervisor.end_left(names)
        for name in names:
            await asyncio.to_thread(self._supervisor.forget, name)
