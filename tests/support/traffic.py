"""Steady load through a port: several keep-alive connections, a fixed rate, every answer looked at."""

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

_ANSWER_WITHIN = 5.0
_NONE: Mapping[str, str] = MappingProxyType({})


class Client:
    """One keep-alive connection. When the server closes it, that is counted, and the next request makes a new one."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self.closed_by_server = 0

    async def get(self, path: str = "/", headers: Mapping[str, str] = _NONE, method: str = "GET") -> tuple[int, bytes]:
        """Status and body. Raises OSError or EOFError when the answer does not come whole."""
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        lines = [f"{method} {path} HTTP/1.1", f"host: 127.0.0.1:{self._port}", "content-length: 0"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._writer.write("\r\n".join([*lines, "", ""]).encode())
        async with asyncio.timeout(_ANSWER_WITHIN):
            return await self._read()

    async def _read(self) -> tuple[int, bytes]:
        assert self._reader is not None
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        body = await self._reader.readexactly(int(headers["content-length"]))
        if headers.get("connection") == "close":
            self.closed_by_server += 1
            await self.close()
        return int(head[0].split()[1]), body

    async def close(self) -> None:
        """Give the connection up."""
        if self._writer is not None:
            self._writer.close()
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()
        self._reader = self._writer = None


@dataclass
class Tally:
    """What came of a load: answers by a field of their JSON body, and every failure in words."""

    answers: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    closed_by_server: int = 0

    @property
    def total(self) -> int:
        """Requests made."""
        return sum(self.answers.values()) + len(self.failures)

    def share(self, value: str) -> float:
        """How much of all answers said `value`, 0 to 1."""
        return self.answers[value] / max(1, sum(self.answers.values()))


async def ask_once(port: int, path: str = "/", headers: Mapping[str, str] = _NONE) -> tuple[int, Any]:
    """One request on a connection of its own: status, and the body as JSON, or as text when it is none."""
    client = Client(port)
    try:
        status, body = await client.get(path, headers)
    finally:
        await client.close()
    try:
        return status, json.loads(body)
    except ValueError:
        return status, body.decode()


async def ask_many(
    port: int, count: int, *, key: str = "group", connections: int = 8, headers: Mapping[str, str] = _NONE
) -> Tally:
    """Make `count` requests as fast as they are answered."""
    tally = Tally()
    left = iter(range(count))

    async def one() -> None:
        client = Client(port)
        for _ in left:
            await _ask(client, tally, key, headers)
        await client.close()

    await asyncio.gather(*(one() for _ in range(connections)))
    return tally


@contextlib.asynccontextmanager
async def steady(
    port: int, *, rate: int = 240, connections: int = 6, key: str = "group", method: str = "GET"
) -> AsyncIterator[Tally]:
    """Keep `rate` requests a second going for as long as the block lasts."""
    tally = Tally()
    over = asyncio.Event()
    tasks = [
        asyncio.create_task(_pace(port, tally, connections / rate, over, key=key, method=method))
        for _ in range(connections)
    ]
    try:
        yield tally
    finally:
        over.set()
        await asyncio.gather(*tasks)


async def _pace(port: int, tally: Tally, every: float, over: asyncio.Event, *, key: str, method: str) -> None:
    client = Client(port)
    loop = asyncio.get_running_loop()
    due = loop.time()
    while not over.is_set():
        await _ask(client, tally, key, _NONE, method)
        due = max(due + every, loop.time() - 1)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(due):
                await over.wait()
    tally.closed_by_server += client.closed_by_server
    await client.close()


async def _ask(client: Client, tally: Tally, key: str, headers: Mapping[str, str], method: str = "GET") -> None:
    try:
        status, body = await client.get("/", headers, method)
    except (OSError, EOFError, TimeoutError) as error:
        tally.failures.append(repr(error))
        await client.close()
        return
    if status == 200:
        tally.answers[str(json.loads(body)[key])] += 1
    else:
        tally.failures.append(f"{status} {body[:200]!r}")
