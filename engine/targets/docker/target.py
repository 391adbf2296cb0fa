"""Instances as containers of a Docker Engine on this machine: kept by the engine, reached through Envoy.

The danger: the engine ends, for an update or by a fault, and somebody else's hand is always near: `docker stop`,
`docker rm`, `docker update`.

The promise: a release waits for the engine and goes on when it is back; visitors are led past what does not answer in
the meantime. What is missing is made again, what was changed is named, and whatever has our labels and our name is
ours to end.

Why it holds: a pass without the engine still looks at the instances and at Envoy, and then says that it was not whole,
so nobody concludes anything from its silence. The rest is told in `crew`, `network` and `fronted.target`.

What is not promised: an engine without live-restore that was killed ends all its containers when it comes back, and
starts them anew. For these seconds nobody answers.
"""

import asyncio
import ipaddress
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from engine.builders.docker_engine import Engine
from engine.builders.registries import Registries
from engine.deployment import Deployment
from engine.errors import Broken, Interrupted, SluiceError, StageFailure
from engine.model import Json, Release
from engine.ports import Clock, Dispute, Placement
from engine.targets.docker import names
from engine.targets.docker.asking import Containers, Declined
from engine.targets.docker.containers import settings_of
from engine.targets.docker.crew import ContainerCrew
from engine.targets.docker.drift import Change, changes, mended, thing_of
from engine.targets.docker.images import Images
from engine.targets.docker.network import Network, is_ours
from engine.targets.fronted.front import Front
from engine.targets.fronted.layout import Layout
from engine.targets.fronted.state import InstanceRecord, Workload
from engine.targets.fronted.target import FrontedTarget

_LOOKED_AT_ONCE = 8
_MOST_SAID = 4


class DockerTarget(FrontedTarget):
    """The `engine.ports.Target` over the containers of `engine`, with its own files under `root`.

    `registries` say where images come from that the engine does not have. Visitors' ports open on `address`.
    `bridge_is_here` tells by a bridge's address whether containers are reached without a published port.
    """

    def __init__(
        self,
        root: Path,
        engine: Engine,
        registries: Registries,
        clock: Clock,
        *,
        address: str = "127.0.0.1",
        bridge_is_here: Callable[[str], bool] = is_ours,
    ) -> None:
        layout = Layout(root)
        self._mark = names.Mark(layout.root)
        self._engine = engine
        self._containers = Containers(engine)
        images = Images(self._containers, registries, clock)
        network = Network(self._containers, self._mark, bridge_is_here)
        self._ours = ContainerCrew(self._containers, images, network, self._mark, clock)
        super().__init__(layout, Front(layout, address), self._ours, clock)
        self._was_away = False

    async def fit(self, workload: str, spec: Deployment) -> Deployment:
        """`spec` as it is. Refused is what no waiting mends: an engine that is none, or elsewhere; a missing volume."""
        if not _is_near(self._engine.address):
            raise StageFailure(
                f"The Docker Engine at {self._engine.address} is on another machine: Envoy reaches no container there.",
                "Run Sluice on that machine with SLUICE_DOCKER_HOST=unix:///var/run/docker.sock.",
            )
        try:
            await self._engine.greet()
            missing = [each.claim for each in spec.volumes or () if each.claim and not await self._has(each.claim)]
        except (Interrupted, Broken) as error:
            if workload in await self._all():
                return spec  # what runs is looked after as far as that goes; the next pass says what is wrong
            instead = "Start a Docker Engine or set SLUICE_DOCKER_HOST; without one, write `target: process`."
            raise StageFailure(str(error), instead) from error
        if missing:
            raise StageFailure(
                f"The Docker Engine has no volume {missing[0]}.", f"Make it: docker volume create {missing[0]}."
            )
        return spec

    async def found(self, workload: str, spec: Deployment) -> None:
        """A container of somebody else's cannot be taken over: it has the port, and is named when that is wanted."""

    async def tend(self, placement: Placement) -> None:
        """Make one pass. Raises what ails the engine, after everything was done that can be done without it."""
        await super().tend(placement)
        if self._ours.away is not None:
            raise self._ours.away
        if placement.firm:
            await self.restore(placement, await self.disputes(placement), "")

    async def disputes(self, placement: Placement) -> tuple[Dispute, ...]:
        """What somebody has changed on containers of ours, and nobody has let stand."""
        return tuple(each.dispute for each in await self._changes(placement))

    async def restore(self, placement: Placement, disputes: Sequence[Dispute], by: str) -> None:  # noqa: ARG002
        """Give the containers what the release wants."""
        wanted = {(each.thing, each.field) for each in disputes}
        by_instance: defaultdict[str, list[Change]] = defaultdict(list)
        for each in await self._changes(placement) if wanted else ():
            if (each.dispute.thing, each.dispute.field) in wanted:
                by_instance[each.instance].append(each)
        for instance, found in by_instance.items():
            await self._containers.update(names.container_name(instance, self._mark.place), mended(found))

    async def hotfix(self, placement: Placement) -> None:
        """Nobody else puts anything in the place of a release: a container's image and environment are fixed."""

    async def adopt(
        self,
        placement: Placement,
        disputes: Sequence[Dispute],
        by: str,  # noqa: ARG002
        hotfix: Release | None = None,  # noqa: ARG002
    ) -> None:
        """Let the values stand for as long as these containers live."""
        let: defaultdict[str, dict[str, str]] = defaultdict(dict)
        for each in disputes:
            let[each.thing][each.field] = each.theirs
        async with self._turns[placement.workload]:
            workload = (await self._all()).get(placement.workload)
            if workload is not None:
                kept = (
                    replace(each, accepted={**each.accepted, **let[thing_of(each.name)]}) for each in workload.instances
                )
                await self._remember(replace(workload, instances=tuple(kept)))

    async def keep(self) -> tuple[str, ...]:
        """Look after Envoy, and say what became of the engine and of containers that others laid hands on."""
        workloads = await self._all()
        said = list(await super().keep())
        if workloads:
            said += await self._engine_words()
        said += _few(self._ours.said)
        self._ours.said.clear()
        return tuple(said)

    async def forget(self, workload: str) -> None:
        """End everything of `workload` at once, also what is known by its labels alone."""
        await super().forget(workload)
        if workload not in self._leaving:
            await self._ours.end_at_once(Workload(workload, 0))

    async def close(self) -> None:
        """Let go. Containers and Envoy go on."""
        await self._ours.close()

    async def _refuse_taken_ports(self, workload: Workload) -> None:
        try:
            await super()._refuse_taken_ports(workload)
        except Broken as refusal:
            raise await self._named(workload, refusal) from refusal

    async def _named(self, workload: Workload, refusal: Broken) -> Broken:
        """Name the container that has the port, if one has it."""
        try:
            everything = await self._containers.listed()
        except SluiceError:
            return refusal
        for each in everything:
            for port in sorted(each.published & set(workload.site.listeners.values())):
                return Broken(
                    f"Port {port} of {workload.plain} is published by the container {each.name} ({each.image}),"
                    " which Sluice has not made.",
                    f"End it first (docker stop {each.name}), or give {workload.plain} another service port.",
                )
        return refusal

    async def _changes(self, placement: Placement) -> list[Change]:
        """Look at every container that is ours and serves."""
        workload = (await self._all()).get(placement.workload)
        room = asyncio.Semaphore(_LOOKED_AT_ONCE)

        async def look(instance: InstanceRecord) -> list[Change]:
            name = names.container_name(instance.name, self._mark.place)
            async with room:
                inspected = await self._inspected(name)
            if inspected is None:
                return []
            found = changes(instance.name, inspected, settings_of(placement.releases[instance.release]))
            return [each for each in found if instance.accepted.get(each.dispute.field) != each.dispute.theirs]

        serving = [each for each in workload.instances if each.serves] if workload else []
        looked = await asyncio.gather(*(look(each) for each in serving if each.release in placement.releases))
        return [change for found in looked for change in found]

    async def _inspected(self, container: str) -> Json | None:
        """Everything about a container; None also where the engine declines to say it of this one."""
        try:
            return await self._containers.inspected(container)
        except Declined:
            return None

    async def _has(self, volume: str) -> bool:
        return await self._containers.has_volume(volume)

    async def _engine_words(self) -> list[str]:
        try:
            await self._engine.greet()
        except (Interrupted, Broken) as error:
            self._was_away = True
            return [str(error)]
        if not self._was_away:
            return []
        self._was_away = False
        found = await self._containers.ours(self._mark.place)
        running = sum(each.runs for each in found)
        return [f"The Docker Engine answers again; {running} of {len(found)} containers run."]


def _few(said: Sequence[str]) -> list[str]:
    """The first of some sentences: an engine that was started anew would have one of every container."""
    more = len(said) - _MOST_SAID
    return [*said[:_MOST_SAID], f"And {more} more containers were brought back."] if more > 0 else list(said)


def _is_near(address: str) -> bool:
    """Whether an engine is on this machine, as far as its address tells."""
    if address.startswith("unix://"):
        return True
    host = urlsplit(address).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
