"""supervisord as the keeper of all programs: started by us, detached from us, spoken to over its unix socket.

One program has three files: ``NAME.json`` (what `keep` becomes), ``NAME.conf`` (what supervisord reads) and, once it
runs, ``NAME.pid``. The files are the truth: a supervisord that starts again reads them, and `keep` finds the processes.
"""

import asyncio
import contextlib
import os
import re
import select
import signal
import subprocess
import sys
import xmlrpc.client
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import Broken, Interrupted
from engine.routing import atomic
from engine.routing.unix_http import UnixTransport
from engine.targets.fronted.keep import living
from engine.targets.fronted.layout import Layout
from engine.targets.fronted.programs import Program, allowed_environment, configuration, drop_torn, write_program

_ANSWER_WITHIN = 10.0
_START_WITHIN = 30.0
_BETWEEN_LOOKS = 0.02
_GRACE = 10.0
_FRESH = 2
"""Seconds, in supervisord's whole ones: at least one has really gone by when this many have."""
_RUNNING = frozenset({"STARTING", "RUNNING"})
_STOPPED = frozenset({"STOPPED", "EXITED", "FATAL", "UNKNOWN"})
_LOG_TAIL = 65536
_LONGEST_LOG = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Seen:
    """One program as supervisord sees it. `pid` is the program's own, also where a launcher stands in for it.

    `fresh`: its process was made just now. A signal at such a moment can get lost between fork and exec.
    """

    state: str
    pid: int
    fresh: bool

    @property
    def runs(self) -> bool:
        """Whether it runs now, or is just being started."""
        return self.state in _RUNNING

    @property
    def is_over(self) -> bool:
        """Whether nothing runs and supervisord will not start it again by itself."""
        return self.state in _STOPPED

    @property
    def can_be_stopped(self) -> bool:
        """Whether it runs, and it is the moment to ask it to stop."""
        return not self.is_over and not self.fresh and self.state != "STOPPING"


class Supervisor:
    """One supervisord over the files of `layout`."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._turn = asyncio.Lock()

    def living(self, name: str) -> int:
        """The process id that the program `name` has, or 0."""
        return living(self._layout.run / f"{name}.pid")

    def known(self) -> tuple[str, ...]:
        """Every program that supervisord is to keep, by its files."""
        return tuple(sorted(path.stem for path in self._layout.programs.glob("*.conf")))

    async def ensure(self) -> str:
        """Start supervisord if it does not run. Returns what was wrong; empty when it ran."""
        async with self._turn:
            if await self._answers():
                return ""
            return await asyncio.to_thread(self._start)

    async def programs(self) -> dict[str, Seen]:
        """Every program that supervisord has."""
        return {each["name"]: self._read(each) for each in await self._call("getAllProcessInfo")}

    async def add(self, wanted: Sequence[Program]) -> None:
        """Keep these programs from now on. Those it has already are left alone."""
        if not wanted:
            return
        async with self._turn:
            await asyncio.to_thread(self._write_all, wanted)
            await self._call("reloadConfig")
            await self._together([("supervisor.addProcessGroup", [each.name]) for each in wanted])

    async def end(self, names: Sequence[str]) -> None:
        """Make one step at ending these programs: ask them to stop; forget those that have."""
        if not names:
            return
        async with self._turn:
            seen = await self.programs()
            for name in names:
                (self._layout.programs / f"{name}.conf").unlink(missing_ok=True)
            over = [name for name in names if name in seen and seen[name].is_over]
            going = [
                name for name in names if name in seen and not seen[name].is_over and seen[name].state != "STOPPING"
            ]
            await self._together([("supervisor.stopProcess", [name, False]) for name in going])
            if over:
                await self._call("reloadConfig")
                await self._together([("supervisor.removeProcessGroup", [name]) for name in over])

    def forget(self, name: str) -> None:
        """Remove every file of a program that is over."""
        for path in (
            *(self._layout.programs / f"{name}.{kind}" for kind in ("conf", "json")),
            *(self._layout.run / f"{name}.{kind}" for kind in ("pid", "lock")),
            *(self._layout.logs / f"{name}.{kind}" for kind in ("out", "err")),
        ):
            path.unlink(missing_ok=True)

    def signal(self, name: str, number: signal.Signals) -> None:
        """Signal a program and its process group ourselves, without supervisord. Nothing happens when it has ended."""
        pid = self.living(name)
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, number)

    async def end_left(self, names: Sequence[str]) -> None:
        """End those that nobody keeps: they outlived a supervisord that could not be told to end them."""
        for name in names:
            self.signal(name, signal.SIGTERM)
        patience = asyncio.get_running_loop().time() + _GRACE
        while left := [name for name in names if self.living(name)]:
            if asyncio.get_running_loop().time() > patience:
                for name in left:
                    self.signal(name, signal.SIGKILL)
            await asyncio.sleep(_BETWEEN_LOOKS)

    def trim_logs(self) -> None:
        """Begin the logs of programs anew once they are long. Programs append, so they go on at the new end."""
        for log in (*self._layout.logs.glob("*.out"), *self._layout.logs.glob("*.err")):
            if log.stat().st_size > _LONGEST_LOG:
                os.truncate(log, 0)

    async def shut_down(self) -> None:
        """End supervisord and, before it, all its programs. Returns when it is gone."""
        async with self._turn:
            pid = await asyncio.to_thread(self._pid)
            if not pid:
                return
            await self._stop_all()
            await self._call("shutdown")
            await asyncio.to_thread(_await_end, pid)

    async def _stop_all(self) -> None:
        """End every program. supervisord's own shutdown would end them one after another."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_START_WITHIN):
                while left := {name: each for name, each in (await self.programs()).items() if not each.is_over}:
                    ready = [name for name, each in left.items() if each.can_be_stopped]
                    await self._together([("supervisor.stopProcess", [name, False]) for name in ready])
                    await asyncio.sleep(_BETWEEN_LOOKS)

    def last_exits(self) -> dict[str, str]:
        """How each program ended last, in supervisord's words, as far as its log tells."""
        try:
            with self._layout.supervisor_log.open("rb") as log:
                log.seek(max(0, self._layout.supervisor_log.stat().st_size - _LOG_TAIL))
                text = log.read().decode(errors="replace")
        except FileNotFoundError:
            return {}
        return dict(re.findall(r"exited: (\S+) \((.*?)(?:; .*)?\)$", text, re.MULTILINE))

    def _read(self, info: Mapping[str, Any]) -> Seen:
        pid = int(info["pid"])
        fresh = bool(pid) and info["now"] - info["start"] < _FRESH
        return Seen(str(info["statename"]), (self.living(info["name"]) or pid) if pid else 0, fresh)

    def _pid(self) -> int:
        try:
            return int(self._ask("getPID"))
        except OSError:
            return 0

    async def _answers(self) -> bool:
        try:
            await self._call("getPID")
        except _Gone:
            return False
        return True

    def _start(self) -> str:
        self._layout.make()
        self._layout.make_sockets()
        before = (self._layout.run / "supervisord.pid").exists()
        drop_torn(self._layout)
        found = sum(1 for name in self.known() if self.living(name))
        atomic.write(self._layout.supervisor_conf, configuration(self._layout))
        argv = [sys.executable, "-m", "supervisor.supervisord", "-c", str(self._layout.supervisor_conf)]
        _run(argv, self._layout.root)
        if not before:
            return ""
        count = len(self.known())
        return f"supervisord had ended; it was started again and found {found} of its {count} programs running."

    def _write_all(self, wanted: Sequence[Program]) -> None:
        for each in wanted:
            write_program(self._layout, each)

    def _ask(self, method: str, *arguments: Any, namespace: str = "supervisor") -> Any:
        transport = UnixTransport(self._layout.supervisor_socket, _ANSWER_WITHIN)
        with xmlrpc.client.ServerProxy("http://localhost", transport=transport) as server:
            return getattr(getattr(server, namespace), method)(*arguments)

    async def _call(self, method: str, *arguments: Any) -> Any:
        return await _translated(lambda: self._ask(method, *arguments))

    async def _together(self, calls: Sequence[tuple[str, list[Any]]]) -> None:
        """Make many calls in one. One that comes too late (already added, already stopped) is as good as made."""
        if calls:
            body = [{"methodName": method, "params": parameters} for method, parameters in calls]
            await _translated(lambda: self._ask("multicall", body, namespace="system"))


class _Gone(Interrupted):
    """Nobody answers at supervisord's socket."""

    def __init__(self) -> None:
        super().__init__("supervisord does not run.")


async def _translated(call: Callable[[], Any]) -> Any:
    try:
        return await asyncio.to_thread(call)
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise _Gone from error
    except OSError as error:
        raise Interrupted(f"supervisord does not answer: {error}.") from error
    except xmlrpc.client.Fault as error:
        raise Interrupted(f"supervisord refused: {error.faultString}.") from error


def _run(argv: Sequence[str], root: Path) -> None:
    try:
        ended = subprocess.run(
            argv,
            cwd=root,
            env=allowed_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_START_WITHIN,
            check=False,
            text=True,
        )
    except subprocess.TimeoutExpired as error:
        raise Interrupted(f"supervisord did not start within {_START_WITHIN:.0f} s.") from error
    if ended.returncode:
        said = (ended.stderr or ended.stdout).strip().splitlines()
        raise Broken(f"supervisord cannot be started: {said[-1] if said else f'exit code {ended.returncode}'}")


def _await_end(pid: int) -> None:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        select.select([descriptor], [], [], _START_WITHIN)
    finally:
        os.close(descriptor)
