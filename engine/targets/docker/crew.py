"""Instances as containers of a Docker Engine.

The danger: a container that nobody knows any more, or a second one for an instance that has one. And a slow engine,
whose every answer would hold up the look at everything else.

The promise: one container for each instance, found by its labels and its name whatever was forgotten here; and a pass
that never waits for a container to start, an image to come or a process to end.

Why it holds: a container's name is made of the instance's, which is given once, so making it twice makes one. What
takes long goes on beside the passes, one piece of work for an instance at a time, and is begun again by the next look
when it was broken off. What the engine lists is the truth: what is remembered here only says what was tried and what
came of it.
"""

import asyncio
import re
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from engine.errors import Broken, Interrupted, SluiceError
from engine.model import Json, Release
from engine.ports import Clock, Instance, Placement
from engine.rollout.fleet import ReleaseId
from engine.routing.envoy_config import Endpoint
from engine.targets.docker import names
from engine.targets.docker.asking import Container, Containers, Declined
from engine.targets.docker.containers import configuration, listening_port, settings_of
from engine.targets.docker.endings import ending
from engine.targets.docker.images import Images
from engine.targets.docker.network import Network
from engine.targets.docker.recalled import recalled
from engine.targets.fronted import report
from engine.targets.fronted.advance import FindPlace, Program
from engine.targets.fronted.state import InstanceRecord, Workload, checks_of

_AT_A_TIME = 8
"""So much work is in hand at once: more would take the machine away from those that serve."""
_AGAIN = timedelta(seconds=3)
_OVER = frozenset({"restarting", "exited", "dead"})
_TAKEN = re.compile(r"already allocated|address already in use|port is already", re.IGNORECASE)
_OUTSIDE = re.compile(r"this network's subnets|no configured subnet", re.IGNORECASE)
"""The network was removed, and made again with another range: nobody can have the address any more."""
_NO_NETWORK = re.compile(r"network \S+ not found", re.IGNORECASE)


class ContainerCrew:
    """The `engine.targets.fronted.crew.Crew` of the containers that have `mark` in their labels."""

    def __init__(
        self, containers: Containers, images: Images, network: Network, mark: names.Mark, clock: Clock
    ) -> None:
        self._containers = containers
        self._images = images
        self._network = network
        self._mark = mark
        self._clock = clock
        self.away: SluiceError | None = None
        self.said: list[str] = []
        self._seen: dict[str, Mapping[str, Container]] = {}
        self._known: set[str] = set()
        self._work: dict[str, asyncio.Task[None]] = {}
        self._hindered: dict[str, tuple[str, datetime]] = {}
        self._displaced: set[str] = set()
        self._exits: dict[str, str] = {}

    async def check(self, release: Release) -> None:
        """Everything that can never be has been refused by `fit`; an image may still come."""

    async def present(self, workload: Workload) -> Mapping[str, Container] | None:
        """The workload's containers; None while the engine does not answer."""
        try:
            found = await self._containers.ours(self._mark.place, workload.name)
        except (Interrupted, Broken) as error:
            self.away = error
            return None
        self.away = None
        seen = {each.instance: each for each in found}
        self._seen[workload.name] = seen
        self._known |= seen.keys()
        return seen

    @property
    def relayed(self) -> bool:
        """Whether the engine's proxy takes connections, also for an instance that does not listen."""
        return self._network.is_relayed

    async def kept(self, placement: Placement, workload: Workload) -> Workload:
        """Remember the containers again that were forgotten, those of groups that nobody wants to be ended."""
        seen = self._seen.get(workload.name, {}).values()
        return recalled(workload, seen, checks_of(placement.releases), self._clock.now())

    async def exits(self, workload: Workload) -> Mapping[str, str]:
        """How containers ended that do not run, each with its last line."""
        if self.away is None:
            over = [each for each in self._seen.get(workload.name, {}).values() if _has_ended(each)]
            for each in over[:_AT_A_TIME]:
                await self._note_exit(each)
        return self._exits

    async def obstacles(self, workload: Workload) -> Mapping[str, str]:  # noqa: ARG002 - the port's signature
        """What came of trying to make and start containers."""
        return {name: words for name, (words, _) in self._hindered.items()}

    async def alive(self, names: Sequence[str]) -> frozenset[str]:  # noqa: ARG002 - the port's signature
        """What the engine lists is all there is."""
        return frozenset()

    def silent(self, names: Sequence[str]) -> frozenset[str]:
        """Those without a running container: nothing has their address, and to ask it takes seconds."""
        if self.away is not None:
            return frozenset()
        running = {each.instance for seen in self._seen.values() for each in seen.values() if each.runs}
        return frozenset(names) - running

    async def strangers(self, coming: Mapping[str, Endpoint]) -> frozenset[str]:
        """Those whose place the engine could not give them, because somebody has it."""
        return frozenset(self._displaced) - coming.keys()

    async def places(self, placement: Placement, taken: Sequence[Endpoint]) -> FindPlace:
        """Addresses of our network, or ports of this machine's loopback."""
        hosts = await self._network.hosts(taken)
        inside = {name: listening_port(release) for name, release in placement.releases.items()}

        def find(release: ReleaseId) -> Endpoint:
            return hosts(inside[release])

        return find

    async def start(
        self, placement: Placement, wanted: Sequence[InstanceRecord], programs: Mapping[str, Program]
    ) -> None:
        """Make what is missing, and start again what was ended, stopped or paused."""
        seen, now = self._seen.get(placement.workload, {}), self._clock.now()
        for each in wanted:
            container = seen.get(each.name) if each.name in programs else None
            words, since = self._hindered.get(each.name, ("", now))
            if self._is_busy(each.name) or (words and now < since) or (container and container.is_kept):
                continue
            if container is None:
                self._begin(each.name, self._make(each, placement))
            else:
                self._begin(each.name, self._revive(container))

    async def end(self, leaving: Sequence[InstanceRecord], programs: Mapping[str, Program]) -> None:
        """Tell them to end, and remove them when they have."""
        for each in leaving:
            if each.name in programs and not self._is_busy(each.name):
                self._begin(each.name, self._end(names.container_name(each.name, self._mark.place)))

    async def end_at_once(self, workload: Workload) -> None:
        """End every container of the workload, and what is on its way to become one."""
        for each in workload.instances:
            await self._cancel(each.name)
        found = await self._containers.ours(self._mark.place, workload.name)
        await asyncio.gather(*(self._end(each.id) for each in found))
        for each in workload.instances:
            await self.forget(each.name)
        self._seen.pop(workload.name, None)
        if not await self._containers.ours(self._mark.place):
            await self._network.remove()

    async def forget(self, name: str) -> None:
        """Forget what was tried."""
        self._hindered.pop(name, None)
        self._exits.pop(name, None)
        self._displaced.discard(name)
        self._known.discard(name)

    async def describe(self, workload: Workload) -> tuple[Instance, ...]:
        """Every instance, with what is set aside for it, as its container's labels say."""
        await self.present(workload)
        seen = self._seen.get(workload.name, {})
        return tuple(_described(each, seen.get(each.name)) for each in workload.instances)

    async def close(self) -> None:
        """Leave everything as it is."""
        for name in list(self._work):
            await self._cancel(name)
        await self._images.close()

    def _is_busy(self, name: str) -> bool:
        return name in self._work or len(self._work) >= _AT_A_TIME

    def _begin(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        task = self._work[name] = asyncio.create_task(self._guarded(name, work))
        task.add_done_callback(lambda _: self._work.pop(name, None))

    async def _cancel(self, name: str) -> None:
        task = self._work.get(name)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _guarded(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Do it; what comes in between is said of the instance. An engine that is away is no fault of the instance."""
        try:
            await work
        except Interrupted:
            return
        except SluiceError as error:
            self._hinder(name, f"cannot be started: {error}")
            is_outside = bool(_OUTSIDE.search(str(error)))
            if is_outside or _TAKEN.search(str(error)):
                self._displaced.add(name)
            if is_outside or "network" in str(error):
                self._network.forget()

    def _hinder(self, name: str, words: str) -> None:
        self._hindered[name] = (words, self._clock.now() + _AGAIN)

    async def _make(self, instance: InstanceRecord, placement: Placement) -> None:
        release = placement.releases[instance.release]
        image = await self._images.ready(release)
        if not image:
            self._hindered[instance.name] = (self._images.obstacle(release), self._clock.now())
            return
        for volume in settings_of(release).volumes or ():
            if volume.claim and not await self._containers.has_volume(volume.claim):
                raise Declined(f"there is no volume {volume.claim}; docker volume create {volume.claim} makes it")
        if instance.name in self._known:
            self.said.append(f"The container of {instance.name} was removed; it is made again.")
        told = configuration(instance, release, placement, image, await self._network.site())
        name = names.container_name(instance.name, self._mark.place)
        await self._containers.create(name, told)
        await self._start_first(instance.name, name)

    async def _revive(self, container: Container) -> None:
        """Start what will not run by itself: somebody has stopped or paused it, or it was never started."""
        if container.state == "dead":
            await self._containers.remove(container.id)
            return
        if container.state == "paused":
            await self._containers.unpause(container.id)
            self.said.append(f"{container.instance} was paused; it goes on again.")
            return
        if container.state == "created":
            await self._start_first(container.instance, container.id)
            return
        try:
            await self._containers.start(container.id)
        except Declined as error:
            if _NO_NETWORK.search(str(error)):  # it knows its network by its id, and another one has another
                self._known.discard(container.instance)
                await self._containers.remove(container.id)
            raise
        self._hindered.pop(container.instance, None)
        how = self._exits.get(container.instance, "was stopped")
        self.said.append(f"{container.instance} did not run ({how}); it is started again.")

    async def _start_first(self, instance: str, container: str) -> None:
        """Start a container that has never run. One that cannot be started is of no use: another is made next time.

        A killed engine leaves such, too: it refuses for ever to start what it was just about to start.
        """
        try:
            await self._containers.start(container)
        except Declined:
            self._known.discard(instance)
            await self._containers.remove(container)
            raise
        self._hindered.pop(instance, None)

    async def _end(self, container: str) -> None:
        await self._containers.stop(container)
        await self._containers.remove(container)

    async def _note_exit(self, container: Container) -> None:
        """Find out how it ended. An engine that declines to say it of one container is not away for all of them."""
        try:
            inspected = await self._containers.inspected(container.id)
            if inspected is not None and _has_ended_by(inspected):
                self._exits[container.instance] = ending(inspected, await self._last_words(container))
        except Interrupted as error:
            self.away = error
        except Broken as error:
            self._exits[container.instance] = f"ended: {str(error).rstrip('.')}"

    async def _last_words(self, container: Container) -> str:
        """The last line that it wrote; empty where the engine does not read its log."""
        try:
            return await self._containers.last_words(container.id)
        except Declined:
            return ""


def _has_ended(container: Container) -> bool:
    return container.state in _OVER


def _has_ended_by(inspected: Json) -> bool:
    """Whether it still is at its end: the exit code of one that the engine has just started again is gone."""
    return str(inspected["State"].get("Status", "")).lower() in _OVER


def _described(record: InstanceRecord, container: Container | None) -> Instance:
    labels = container.labels if container else {}
    said = report.instance_of(record, cpu=labels.get(names.CPU, ""), memory=labels.get(names.MEMORY, ""))
    if container is None or container.state in ("running", "created") or record.trouble:
        return said
    return replace(said, event=f"its container is {container.state}")
