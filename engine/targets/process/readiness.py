"""Asking instances whether they are ready: an HTTP answer or an open port, many at once but not too many."""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from engine.targets.process.state import InstanceRecord

_AT_ONCE = 32
_ANSWER_WITHIN = 2.0
_GOOD = range(200, 400)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one look gave. `said` completes the sentence "it ..." when it is not ready; `open`: something listens."""

    ready: bool
    said: str = ""
    open: bool = True


async def ask_all(instances: Iterable[InstanceRecord]) -> Mapping[str, Verdict]:
    """Look at every one of `instances`; verdicts by name."""
    room = asyncio.Semaphore(_AT_ONCE)

    async def ask_one(instance: InstanceRecord) -> tuple[str, Verdict]:
        async with room:
            return instance.name, await ask(instance.port, instance.check.http)

    return dict(await asyncio.gather(*(ask_one(each) for each in instances)))


async def ask(port: int, path: str | None) -> Verdict:
    """Look at one instance."""
    try:
        async with asyncio.timeout(_ANSWER_WITHIN):
            return await _look(port, path)
    except TimeoutError:
        return Verdict(ready=False, said=f"does not answer at {path} within {_ANSWER_WITHIN:.0f} s")
    except OSError:
        return Verdict(ready=False, said="port not open", open=False)


async def _look(port: int, path: str | None) -> Verdict:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        if path is None:
            return Verdict(ready=True)
        lines = (f"GET {path} HTTP/1.1", f"host: 127.0.0.1:{port}", "user-agent: sluice-readiness", "connection: close")
        writer.write("\r\n".join([*lines, "", ""]).encode())
        return _judge((await reader.readline()).split(), path)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _judge(status_line: list[bytes], path: str) -> Verdict:
    if len(status_line) < 2 or not status_line[1].isdigit():  # noqa: PLR2004 - version and status
        return Verdict(ready=False, said=f"does not answer HTTP at {path}")
    status = int(status_line[1])
    return Verdict(ready=status in _GOOD, said=f"answers {status} at {path}")
