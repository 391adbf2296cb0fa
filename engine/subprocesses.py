"""The one place that runs a child process.

The danger: a child outlives the work it was started for. A cancelled build goes on writing, a script's background
server keeps a port, a fetch asks for a password on a terminal that nobody sees, a chatty compiler fills the memory,
the bot's own secrets travel along in the environment.

The promise: when `run` returns or raises, no process that it started is alive, whatever they did. A child gets
exactly the environment that it is given, no input, and a session of its own. It is told to end (TERM), and made to
end (KILL) when it does not. Output is read as fast as it comes and in bounded memory.

Why it holds: each child carries a mark in its environment, which everything it starts inherits. After the child
itself has ended, every process with that mark or in that session is killed, looked up until there is none. Clearing
up is never cut short by a second cancellation. A process that wipes its environment *and* leaves the session gets
away; on a system without /proc only the process group is ended.
"""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

MARK = "SLUICE_MARK"
GRACE = timedelta(seconds=3)
_CHUNK = 64 * 1024
_LAST_OUTPUT = 2.0
_PROC = Path("/proc")
_T = TypeVar("_T")
_ROUNDS = 200
_PAUSE = 0.01

Outlet = Callable[[bytes], None]
"""Takes a child's output, chunk by chunk."""


@dataclass(frozen=True, slots=True)
class Command:
    """A child process to be. `mark` names the work it belongs to; `inherit` are file descriptors that it may use."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    directory: Path
    timeout: timedelta
    mark: str
    inherit: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended: its exit code (minus the signal that killed it), and whether its time was over."""

    code: int
    timed_out: bool = False


class _Pipe:
    """One stream of a child, read into an outlet as it comes. Whoever makes one finishes it."""

    def __init__(self, outlet: Outlet) -> None:
        reading, self.writing = os.pipe()
        self._reading = os.fdopen(reading, "rb", 0)
        self._outlet = outlet
        self._transport: asyncio.ReadTransport | None = None
        self._pump: asyncio.Task[None] | None = None

    async def read(self) -> None:
        """Begin to read."""
        reader = asyncio.StreamReader(limit=_CHUNK)
        self._transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), self._reading
        )
        self._pump = asyncio.create_task(_pump(reader, self._outlet))

    def close_writing(self) -> None:
        if self.writing >= 0:
            os.close(self.writing)
            self.writing = -1

    async def finish(self) -> None:
        """Read what is left. A process that got away may hold the other end: it is not waited for."""
        self.close_writing()
        if self._transport is not None and self._pump is not None:
            await asyncio.wait({self._pump}, timeout=_LAST_OUTPUT)
            self._transport.close()
            self._pump.cancel()
            await asyncio.wait({self._pump})
        self._reading.close()


async def _pump(reader: asyncio.StreamReader, outlet: Outlet) -> None:
    while chunk := await reader.read(_CHUNK):
        outlet(chunk)


async def run(command: Command, output: Outlet, errors: Outlet | None = None, *, grace: timedelta = GRACE) -> Ended:
    """Run `command` to its end and feed its output to `output`, its errors too unless they have an outlet.

    Raises OSError when the program cannot be started. When the task is cancelled, or the time is over, everything that
    was started is ended first.
    """
    streams: list[_Pipe] = []
    process: asyncio.subprocess.Process | None = None
    try:
        for outlet in (output, errors):
            if outlet is not None:
                streams.append(_Pipe(outlet))
                await streams[-1].read()
        process = await _start(command, streams)
        return await _await_end(command, process, grace)
    finally:
        await uninterrupted(_clear_up(command, process, streams, grace))


async def _start(command: Command, streams: list[_Pipe]) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        *command.argv,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=streams[0].writing,
        stderr=streams[-1].writing,
        cwd=command.directory,
        env={**command.environment, MARK: command.mark},
        start_new_session=True,
        pass_fds=command.inherit,
    )
    for stream in streams:
        stream.close_writing()
    return process


async def _await_end(command: Command, process: asyncio.subprocess.Process, grace: timedelta) -> Ended:
    try:
        async with asyncio.timeout(command.timeout.total_seconds()):
            return Ended(await process.wait())
    except TimeoutError:
        await uninterrupted(_end(process, grace))
        return Ended(process.returncode or 0, timed_out=True)


async def _clear_up(
    command: Command, process: asyncio.subprocess.Process | None, streams: list[_Pipe], grace: timedelta
) -> None:
    if process is not None:
        await _end(process, grace)
    await asyncio.to_thread(kill_marked, command.mark, process.pid if process else 0)
    for stream in streams:
        await stream.finish()


async def _end(process: asyncio.subprocess.Process, grace: timedelta) -> None:
    if process.returncode is not None:
        return
    _signal_group(process.pid, signal.SIGTERM)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(grace.total_seconds()):
            await process.wait()
    if process.returncode is None:
        _signal_group(process.pid, signal.SIGKILL)
        await process.wait()


def _signal_group(leader: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)


def kill_marked(mark: str, session: int = 0) -> int:
    """Kill every process that carries `mark` or belongs to `session` (0: none), until there is none. Returns how many.

    Blocks for two seconds at most; run it in a thread.
    """
    killed: set[int] = set()
    for _ in range(_ROUNDS):
        found = _find_marked(mark, session)
        if not found:
            break
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        killed.update(found)
        time.sleep(_PAUSE)
    return len(killed)


def _find_marked(mark: str, session: int) -> list[int]:
    if not _PROC.is_dir():
        return []
    wanted = f"{MARK}={mark}".encode()
    pids = [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]
    return [pid for pid in pids if pid != os.getpid() and _belongs(pid, wanted, session)]


def _belongs(pid: int, wanted: bytes, session: int) -> bool:
    try:
        state, _, _, its_session = (_PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()[:4]
        if state in (b"Z", b"X"):
            return False
        if session and int(its_session) == session:
            return True
        return wanted in (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return False


async def uninterrupted(work: Coroutine[Any, Any, _T]) -> _T:
    """Carry `work` through to its end even when the task is cancelled meanwhile; the cancellation follows after it."""
    task = asyncio.ensure_future(work)
    cancelled = False
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        task.exception()
        raise asyncio.CancelledError
    return task.result()
