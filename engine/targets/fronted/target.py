"""Workloads of one machine, behind Envoy: what is wanted, who is started and ended, and who gets requests.

The danger: three parties can each end at any moment, the bot, Envoy, and whoever keeps the instances (supervisord,
Docker Engine), and a fourth, the instance, too.

The promise: what runs goes on running whoever else ends; after any of them came back, a few passes of `tend` bring
everything to what was wanted. No request is lost on the way.

Why it holds: a wish is written to disk before anything is begun; a pass looks first (the crew, the instances, Envoy),
remembers what follows from that, and only then acts, and every act may be repeated. Whatever a crash leaves half done
is seen by the next look. What Envoy does is never assumed, see `engine.routing.envoy` and `advance`.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from engine.errors import Broken, Interrupted
from engine.model import Json
from engine.ports import Clock, Instance, Placement, Traffic
from engine.rollout.fleet import Fleet, Launch, Move, ReleaseId, Reroute
from engine.routing import envoy_config
from engine.routing.envoy import as_yaml
from engine.routing.envoy_config import Site, preview_name
from engine.targets.fronted import readiness, report
from engine.targets.fronted.advance import Facts, advance, decide
from engine.targets.fronted.crew import Crew
from engine.targets.fronted.front import Front
from engine.targets.fronted.layout import Layout
from engine.targets.fronted.readiness import Verdict
from engine.targets.fronted.state import (
    InstanceRecord,
    Memory,
    Tally,
    Workload,
    checks_of,
    plain_name,
    without_counters,
)
from engine.targets.fronted.wishes import blank, wish

_NOWHERE_FOR = timedelta(seconds=4)


class FrontedTarget:
    """What every `engine.ports.Target` behind Envoy does alike, over everything under the root of `layout`.

    `crew` runs the instances. At most one target may be at work on a root at any time.
    """

    def __init__(self, layout: Layout, front: Front, crew: Crew, clock: Clock) -> None:
        self._layout = layout
        self._front = front
        self._crew = crew
        self._clock = clock
        self._memory = Memory(layout.workloads)
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._passes: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._workloads: dict[str, Workload] | None = None
        self._asked: dict[str, datetime] = {}
        self._leaving: set[str] = set()
        self._silent: dict[str, datetime] = {}

    async def observe(self, placement: Placement) -> Fleet:
        """What is there now."""
        workload = (await self._all()).get(placement.workload)
        return report.fleet_of(workload, await self._front.envoy.seen()) if workload else Fleet()

    async def manifest(self, placement: Placement, release: ReleaseId) -> str:
        """The settings themselves are the configuration."""
        return placement.releases[release].manifest

    async def applied(self, placement: Placement) -> Mapping[str, Json]:
        """The release's settings, and the routes handed to Envoy: as far as the run itself has wished for them."""
        workload, release = (await self._all()).get(placement.workload), next(iter(placement.releases.values()), None)
        if workload is None or release is None or workload.run != placement.run:
            return {}
        told: dict[str, Json] = {}
        if workload.launched == release.id:
            about: Json = {"workload": workload.name, "image": release.image, "digest": release.digest}
            told[f"Release {workload.name}"] = {**about, **release.settings}
        if workload.rerouted:
            told |= {f"Routes {each['name']}": each for each in envoy_config.routes(workload.site)}
        return told

    async def changes(self, placement: Placement, moves: Sequence[Move]) -> tuple[str, ...]:
        """Instances are all there is to change, and the moves say it; it is said here when a port cannot be had."""
        known, wanted = (await self._all()).get(placement.workload), blank(placement)
        if not moves or (known is not None and known.site.listeners == wanted.site.listeners):
            return ()
        try:
            await self._refuse_taken_ports(wanted)
        except Broken as refusal:
            return (str(refusal),)
        return ()

    async def perform(self, placement: Placement, move: Move) -> None:
        """Write down that `move` is wanted. A new route is handed to Envoy at once, if it can take it already."""
        async with self._turns[placement.workload]:
            known = (await self._all()).get(placement.workload)
            wanted = wish(known or blank(placement), placement, move, self._clock.now())
            if isinstance(move, Launch):
                await self._crew.check(placement.releases[move.release])
            if known is None or known.site.listeners != wanted.site.listeners:
                await self._refuse_taken_ports(wanted)
            await self._remember(wanted)
            if isinstance(move, Reroute):
                await self._front.offer(wanted.site)

    async def tend(self, placement: Placement) -> None:
        """Make one pass: look, remember, act, and look whether it took effect."""
        async with self._passes[placement.workload]:
            workload = (await self._all()).get(placement.workload)
            if workload is None:
                return
            await self._front.run(await self._sites())
            facts = await self._look(workload)
            async with self._turns[placement.workload]:
                workload = await self._think(placement, facts)
                await self._act(placement, workload, facts)
                await self._look_again(workload)

    async def instances(self, workload: str) -> tuple[Instance, ...]:
        """Every instance of `workload`, those that drain included."""
        known = (await self._all()).get(workload)
        return await self._crew.describe(known) if known else ()

    async def traffic(self, workload: str) -> Traffic:
        """Envoy's own counters, carried on over its restarts."""
        async with self._turns[workload]:
            known = (await self._all()).get(workload)
            if known is None:
                return Traffic()
            return report.traffic_of(await self._count(known))

    async def effective_route(self, workload: str) -> str:
        """The routes that Envoy follows now."""
        seen = await self._front.envoy.seen()
        if seen is None:
            raise Interrupted("Envoy does not answer.")
        plain = plain_name(workload)
        named = {name: seen.routes[name] for name in (plain, preview_name(plain)) if name in seen.routes}
        return as_yaml(named)

    async def keep(self) -> tuple[str, ...]:
        """Look after supervisord and Envoy; sentences say what was wrong."""
        if not await self._all():
            return ()
        await self._front.run(await self._sites())
        return await self._front.said()

    async def forget(self, workload: str) -> None:
        """End everything of `workload` at once, without draining, and forget it."""
        async with self._passes[workload], self._turns[workload]:
            known = (await self._all()).get(workload)
            if known is None:
                return
            self._leaving.add(workload)
            await self._front.leave_only(await self._sites())
            await self._crew.end_at_once(known)
            await asyncio.to_thread(self._memory.forget, workload)
            (await self._all()).pop(workload)
            self._leaving.discard(workload)
            await self._front.drop(known.site)

    async def shutdown(self) -> None:
        """End every program of this target's own. What is wanted stays written down."""
        await self._front.end()

    async def _all(self) -> dict[str, Workload]:
        if self._workloads is None:
            await asyncio.to_thread(self._layout.make)
            self._workloads = await asyncio.to_thread(self._memory.load_all)
        return self._workloads

    async def _sites(self, but: str = "") -> list[Site]:
        """Everything that visitors are to meet; what is being forgotten is none of it."""
        return [each.site for name, each in (await self._all()).items() if name not in (but, *self._leaving)]

    async def _remember(self, workload: Workload) -> None:
        known = await self._all()
        if known.get(workload.name) != workload:
            await asyncio.to_thread(self._memory.save, workload)
            known[workload.name] = workload

    async def _refuse_taken_ports(self, workload: Workload) -> None:
        refusal = await self._front.envoy.refusal(workload.site, await self._sites(but=workload.name))
        if refusal:
            raise refusal

    async def _look(self, workload: Workload) -> Facts:
        programs = await self._crew.present(workload)
        now = self._clock.now()
        begun = [each for each in workload.instances if each.serves and (each.reached or each.name in (programs or ()))]
        due = [each for each in begun if self._is_due(each, now)]
        silent = self._crew.silent([each.name for each in due])
        asked = [each for each in due if each.name not in silent]
        verdicts = await readiness.ask_all(asked, relayed=self._crew.relayed) | dict.fromkeys(silent, readiness.CLOSED)
        self._asked.update((each.name, now) for each in due)
        coming = {each.name: each.endpoint for each in due if not each.listed and verdicts[each.name].open}
        return Facts(
            proxy=await self._front.envoy.seen(),
            programs=programs,
            verdicts=verdicts,
            exits=await self._crew.exits(workload),
            obstacles=await self._crew.obstacles(workload),
            alive=await self._crew.alive([each.name for each in workload.instances]),
            strangers=await self._crew.strangers(coming),
            lost=self._lost(verdicts, now),
        )

    def _lost(self, verdicts: Mapping[str, Verdict], now: datetime) -> frozenset[str]:
        """Those whose address has led nowhere at every look for a while."""
        for name, verdict in verdicts.items():
            if verdict.silent:
                self._silent.setdefault(name, now)
            else:
                self._silent.pop(name, None)
        return frozenset(name for name, since in self._silent.items() if now - since >= _NOWHERE_FOR)

    def _is_due(self, instance: InstanceRecord, now: datetime) -> bool:
        return now - self._asked.get(instance.name, datetime.min.replace(tzinfo=now.tzinfo)) >= instance.check.every

    async def _think(self, placement: Placement, facts: Facts) -> Workload:
        now = self._clock.now()
        before = await self._crew.kept(placement, (await self._all())[placement.workload])
        after = advance(before, facts, now)
        if facts.programs is not None:
            taken = [each.endpoint for other in (await self._all()).values() for each in other.instances]
            after = decide(after, checks_of(placement.releases), await self._crew.places(placement, taken), now)
        if gone := set(before.groups) - set(after.groups):
            after = without_counters(await self._count(after), gone)
        await self._remember(after)
        for name in {each.name for each in before.instances} - {each.name for each in after.instances}:
            await self._crew.forget(name)
            self._asked.pop(name, None)
            self._silent.pop(name, None)
        return after

    async def _act(self, placement: Placement, workload: Workload, facts: Facts) -> None:
        await self._front.write(await self._sites(), facts.proxy)
        if facts.programs is None:
            return
        wanted = [each for each in workload.instances if not each.ending and each.release in placement.releases]
        await self._crew.start(placement, wanted, facts.programs)
        await self._crew.end([each for each in workload.instances if each.ending], facts.programs)

    async def _look_again(self, workload: Workload) -> None:
        seen = await self._front.envoy.await_effect([workload.site])
        if seen is None:
            return
        await self._remember(advance(workload, Facts(proxy=seen), self._clock.now()))
        if not seen.opens(workload.site):
            await self._refuse_taken_ports(workload)

    async def _count(self, workload: Workload) -> Workload:
        life = self._front.life
        try:
            counters = await self._front.envoy.counters(workload.plain)
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
