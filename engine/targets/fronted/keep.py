"""The launcher in front of every program: become it, or stand in for one that outlived its supervisor.

The danger: supervisord is killed. Its programs go on serving, but nobody is their parent any more. A new supervisord
would start each of them a second time, on ports that are taken, beside orphans that nobody ends.

The promise: one living process per name. Started for a name that has a living process, the launcher starts nothing: it
waits for that process, hands on the signals it gets, and ends when it ends, so that its supervisor sees what it would
see of a child. Otherwise it notes its process id and becomes the program, and nothing stays in between.

Why it holds: looking and noting happen under one file lock, and a process is known by its id, its start time and the
boot it belongs to, which no other process ever shares. Signals go through a pidfd, so a reused id is never hit.

Runs by path, with nothing but the standard library, because it runs once for every instance.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import select
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

_PR_SET_PDEATHSIG = 1
_FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_NOT_STARTED = 127


def identity(pid: int) -> str:
    """What tells the process `pid` from any other before or after it; empty when there is none, or only its remains."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else f"{_BOOT.read_text(encoding='ascii').strip()}/{fields[19]}"


def living(pid_file: Path) -> int:
    """The id of the process that `pid_file` names, if it still lives; otherwise 0."""
    try:
        noted = json.loads(pid_file.read_text(encoding="utf-8"))
        pid = int(noted["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0
    return pid if identity(pid) and identity(pid) == noted.get("identity") else 0


def main(spec_file: Path) -> int:
    """Carry out the program written down in `spec_file`. Returns only when it did not become the program."""
    spec = json.loads(spec_file.read_text(encoding="utf-8"))
    pid_file = Path(spec["pid_file"])
    with pid_file.with_suffix(".lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        orphan = living(pid_file)
        if not orphan:
            _note_self(pid_file)
    return _stand_in(orphan, spec) if orphan else _become(spec)


def _note_self(pid_file: Path) -> None:
    fresh = pid_file.with_suffix(".new")
    fresh.write_text(json.dumps({"pid": os.getpid(), "identity": identity(os.getpid())}), encoding="utf-8")
    fresh.replace(pid_file)


def _become(spec: dict[str, Any]) -> int:
    try:
        for stream, descriptor in (("stdout", 1), ("stderr", 2)):
            log = os.open(spec[stream], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            os.dup2(log, descriptor)
            os.close(log)
        os.chdir(spec["cwd"])
        os.execvpe(spec["argv"][0], spec["argv"], spec["environment"])  # noqa: S606 - becoming the program is the point
    except OSError as error:
        sys.stderr.write(f"cannot start: {error}\n")
    return _NOT_STARTED


def _stand_in(pid: int, spec: dict[str, Any]) -> int:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != os.getsid(0):
        return 0  # supervisord leads our session; when it is not our parent any more, it ended before we could be told
    told = _listen_for_signals()
    try:
        watched = os.pidfd_open(pid)
    except ProcessLookupError:
        return 0
    waiting = select.poll()
    waiting.register(watched, select.POLLIN)
    waiting.register(told, select.POLLIN)
    patience = None
    while ready := {descriptor for descriptor, _ in waiting.poll(patience)}:
        if watched in ready:
            return 0
        for number in os.read(told, 64):
            _hand_on(number, pid, watched, whole_group=spec["whole_group"])
            patience = spec["grace"] * 1000 if number == signal.SIGTERM else patience
    os.killpg(pid, signal.SIGKILL)
    return 0


def _listen_for_signals() -> int:
    """Return a descriptor that the number of every signal we get can be read from: waiting for it misses none."""
    told, tell = os.pipe()
    os.set_blocking(tell, False)
    signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
    for number in _FORWARDED:
        signal.signal(number, _do_nothing)
    return told


def _do_nothing(_number: int, _frame: FrameType | None) -> None:
    pass


def _hand_on(number: int, pid: int, watched: int, *, whole_group: bool) -> None:
    with contextlib.suppress(ProcessLookupError):
        if whole_group:
            os.killpg(pid, number)
        else:
            signal.pidfd_send_signal(watched, number)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
