"""Steady load on a workload in a real cluster for as long as a block lasts; see `kube_visitors`, which makes it."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator

from tests.support.kube_visitors import Tally
from tests.support.tree import ROOT


@contextlib.asynccontextmanager
async def visited(namespace: str, service: str, *, rate: int = 150, connections: int = 8) -> AsyncIterator[Tally]:
    """Keep `rate` requests a second going. The tally is there when the block has ended."""
    words = ("-m", "tests.support.kube_visitors", namespace, service, str(rate), str(connections))
    pipe = asyncio.subprocess.PIPE
    visitors = await asyncio.create_subprocess_exec(sys.executable, *words, cwd=ROOT, stdin=pipe, stdout=pipe)
    assert visitors.stdin is not None
    assert visitors.stdout is not None
    tally = Tally()
    try:
        assert await visitors.stdout.readline() == b"ready\n", "the visitors did not begin"
        yield tally
        visitors.stdin.close()
        tally.take(await visitors.stdout.readline())
    finally:
        if visitors.returncode is None:
            visitors.stdin.close()
            await visitors.wait()
