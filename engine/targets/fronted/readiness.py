"""Asking instances whether they are ready: an HTTP answer or an open port, many at once but not too many."""

import asyncio
import contextlib
import errno
from collections.abc import Iterable
from dataclasses import dataclass, replace

from engine.routing.envoy_config import LOOPBACK, Endpoint
from engine.targets.fronted.state import InstanceRecord

_AT_ONCE = 32
_ANSWER_WITHIN = 2.0
_TAKEN_WITHIN = 0.5
"""The kernel takes a connection at once. It is silent where nobody has the address, as after a container's end."""
_CLOSES_WITHIN = 0.1
_NOWHERE = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH})
_GOOD = range(200, 400)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one look gave. `said` completes the sentence "it ..." when it is not ready; `open`: something listens.

    `silent`: not even the refusal came that the kernel gives where nobody listens, so the address leads nowhere.
    """

    ready: bool
    said: str = ""
    open: bool = True
    silent: bool = False


CLOSED = Verdict(ready=False, said="port not open", open=False)
"""What a look at a port gives that nobody listens to."""


async def ask_all(instances: Iterable[InstanceRecord], *, relayed: bool = False) -> dict[str, Verdict]:
    """Look at every one of `instances`; verdicts by name.

    `relayed`: somebody else takes the connections, also for an instance that does not listen, and then closes them.
    """
    room = asyncio.Semaphore(_AT_ONCE)

    async def ask_one(instance: InstanceRecord) -> tuple[str, Verdict]:
        async with room:
            return instance.name, await ask(instance.endpoint, instance.check.http, relayed=relayed)

    return dict(await asyncio.gather(*(ask_one(each) for each in instances)))


async def ask(place: Endpoint, path: str | None, *, relayed: bool = False) -> Verdict:
    """Look at one instance."""
    try:
        async with asyncio.timeout(_ANSWER_WITHIN):
            return await _look(place, path, relayed=relayed)
    except TimeoutError:
        return Verdict(ready=False, said=f"does not answer at {path} within {_ANSWER_WITHIN:.0f} s")
    except OSError as error:
        return replace(CLOSED, silent=error.errno in _NOWHERE)


async def _look(place: Endpoint, path: str | None, *, relayed: bool) -> Verdict:
    try:
        async with asyncio.timeout(_TAKEN_WITHIN):
            reader, writer = await asyncio.open_connection(place.host, place.port)
    except TimeoutError:
        said = f"takes no connection within {_TAKEN_WITHIN} s"
        return Verdict(ready=False, said=said, silent=place.host != LOOPBACK)
    try:
        if path is None:
            return CLOSED if relayed and await _is_closed(reader) else Verdict(ready=True)
        lines = (f"GET {path} HTTP/1.1", f"host: {place}", "user-agent: sluice-readiness", "connection: close")
        writer.write("\r\n".join([*lines, "", ""]).encode())
        line = await reader.readline()
        return CLOSED if relayed and not line else _judge(line.split(), path)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _is_closed(reader: asyncio.StreamReader) -> bool:
    try:
        async with asyncio.timeout(_CLOSES_WITHIN):
            return not await reader.read(1)
    except TimeoutError:
        return False


def _judge(status_line: list[bytes], path: str) -> Verdict:
    if len(status_line) < 2 or not status_line[1].isdigit():  # noqa: PLR2004 - version and status
        return Verdict(ready=False, said=f"does not answer HTTP at {path}")
    status = int(status_line[1])
    return Verdict(ready=status in _GOOD, said=f"answers {status} at {path}")
