"""Steady load on a workload in a real cluster for as long as a block lasts; see `visitors`, who make it."""

import asyncio
import contextlib
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from tests.support.tree import ROOT
from tests.support.visitors import Address, Errand, Tally


@dataclass(frozen=True, slots=True)
class Crowd:
    """The visitors that are on their way. The tally is there when they have ended."""

    process: Process
    tally: Tally = field(default_factory=Tally)

    async def so_far(self) -> Tally:
        """What has come of the requests until now."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")
        return await self._told()

    async def end(self) -> None:
        """Have no more visitors."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.tally.take((await self._told()).told())

    async def _told(self) -> Tally:
        assert self.process.stdout is not None
        tally = Tally()
        tally.take(await self.process.stdout.readline())
        return tally


@contextlib.asynccontextmanager
async def visited(namespace: str, service: str, *, rate: int = 150, connections: int = 8) -> AsyncIterator[Tally]:
    """Keep `rate` requests a second going to a Service. The tally is there when the block has ended."""
    async with _crowd("kube_visitors", namespace, service, str(rate), str(connections)) as crowd:
        yield crowd.tally


@contextlib.asynccontextmanager
async def visited_at(address: Address, errands: Sequence[Errand], *, rate: int) -> AsyncIterator[Crowd]:
    """Keep `rate` requests a second going to an address, from one visitor for each errand."""
    told = json.dumps([{"name": each.name, "path": each.path, "headers": dict(each.headers)} for each in errands])
    async with _crowd("gateway_visitors", address[0], str(address[1]), str(rate), told) as crowd:
        yield crowd


@contextlib.asynccontextmanager
async def _crowd(module: str, *words: str) -> AsyncIterator[Crowd]:
    argv = (sys.executable, "-m", f"tests.support.{module}", *words)
    process = await asyncio.create_subprocess_exec(*argv, cwd=ROOT, stdin=PIPE, stdout=PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert await process.stdout.readline() == b"ready\n", "the visitors did not begin"
        crowd = Crowd(process)
        yield crowd
        await crowd.end()
    finally:
        if process.returncode is None:
            process.stdin.close()
            await process.wait()
