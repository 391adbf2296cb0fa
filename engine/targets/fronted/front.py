"""The front of a machine's workloads: an Envoy, and the supervisord that keeps it."""

import asyncio
from collections.abc import Sequence

from engine.routing.envoy import Envoy, Seen
from engine.routing.envoy_config import Site
from engine.targets.fronted.keep import identity
from engine.targets.fronted.layout import Layout
from engine.targets.fronted.programs import Program, allowed_environment
from engine.targets.fronted.report import last_line
from engine.targets.fronted.supervisor import Supervisor

_ENVOY = "envoy"


class Front:
    """Keeps Envoy running over the files of `layout`. Visitors' ports open on `address`."""

    def __init__(self, layout: Layout, address: str) -> None:
        self.layout = layout
        self.supervisor = Supervisor(layout)
        self.envoy = Envoy(layout.envoy, layout.envoy_socket, address)
        self._turn = asyncio.Lock()
        self._mended: list[str] = []
        self._life = ""

    @property
    def life(self) -> str:
        """What tells the Envoy that runs from any before or after it; empty while there is none."""
        return identity(self.supervisor.living(_ENVOY))

    async def run(self, sites: Sequence[Site]) -> None:
        """See that supervisord and Envoy run. An Envoy that starts for the first time begins with `sites`."""
        async with self._turn:
            trouble = await self.supervisor.ensure()
            if trouble:
                self._mended.append(trouble)
            if _ENVOY not in await asyncio.to_thread(self.supervisor.known):
                await asyncio.to_thread(self.envoy.write_all, sites, None)
                await self.supervisor.add([self._program()])
            life = self.life
            if self._life and life != self._life:
                self._mended.append("Envoy had ended; supervisord starts it again.")
            self._life = life

    async def write(self, sites: Sequence[Site], seen: Seen | None) -> None:
        """Write what Envoy is to follow. One that runs and does not answer is left with what it has."""
        async with self._turn:
            if seen or not self.supervisor.living(_ENVOY):
                await asyncio.to_thread(self.envoy.write_all, sites, seen)

    async def offer(self, site: Site) -> None:
        """Hand Envoy a new route, if it can take it already."""
        seen = await self.envoy.seen()
        if seen and seen.can_take(site):
            async with self._turn:
                await asyncio.to_thread(self.envoy.write_routes, site, seen)

    async def leave_only(self, others: Sequence[Site]) -> None:
        """Let Envoy forget every site but `others`. The files of the one that goes stay until `drop`."""
        async with self._turn:
            await asyncio.to_thread(self.envoy.write_all, others, await self.envoy.seen())

    async def drop(self, site: Site) -> None:
        """Remove the files of a workload that is gone."""
        async with self._turn:
            await asyncio.to_thread(self.envoy.remove, site)

    async def said(self) -> tuple[str, ...]:
        """Trim the logs, and say what was wrong since the last asking."""
        await asyncio.to_thread(self.supervisor.trim_logs)
        if await self.envoy.seen() is None:
            line = last_line(self.layout.logs / f"{_ENVOY}.err", "[critical]")
            self._mended.append(f"Envoy does not answer yet{f': {line}' if line else ''}.")
        said, self._mended = tuple(self._mended), []
        return said

    async def end(self) -> None:
        """End supervisord and every program of it."""
        await self.supervisor.shut_down()
        await self.supervisor.end_left(await asyncio.to_thread(self.supervisor.known))
        await asyncio.to_thread(self.layout.drop_sockets)

    def _program(self) -> Program:
        return Program(_ENVOY, self.envoy.argv, str(self.layout.root), allowed_environment())
