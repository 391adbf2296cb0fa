"""Programs as supervisord is told of them: its own configuration, and the files of each program."""

import json
import math
import os
import resource
import shlex
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from engine.routing import atomic
from engine.targets.fronted.layout import Layout

_ALLOWED = ("PATH", "HOME", "LANG", "TZ")
"""All of the bot's own environment that a program gets to see: the rest may hold tokens."""
_CONF = """[unix_http_server]
file={socket}
chmod=0700
[supervisord]
logfile={log}
logfile_maxbytes=5MB
logfile_backups=1
loglevel=info
pidfile={run}/supervisord.pid
childlogdir={logs}
directory={root}
umask=022
minfds={descriptors}
minprocs={processes}
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[include]
files=programs/*.conf
"""
_PROGRAM = """[program:{name}]
command={command}
autostart=true
autorestart=true
startsecs=1
startretries=1000000
stopsignal=TERM
stopwaitsecs={stop}
stopasgroup={whole}
killasgroup=true
redirect_stderr=true
stdout_logfile=NONE
"""


@dataclass(frozen=True, slots=True)
class Program:
    """One program as it is to run. `grace` is how many seconds it has after SIGTERM before it is killed.

    `whole_group`: the signal goes to all its processes, because the first is only a shell that waits for the others.
    """

    name: str
    argv: tuple[str, ...]
    cwd: str
    environment: Mapping[str, str]
    grace: float = 10.0
    whole_group: bool = False


def allowed_environment() -> dict[str, str]:
    """What programs inherit."""
    return {name: os.environ[name] for name in _ALLOWED if name in os.environ}


def configuration(layout: Layout) -> str:
    """What supervisord reads when it starts."""
    places = {
        "socket": layout.supervisor_socket,
        "log": layout.supervisor_log,
        "run": layout.run,
        "logs": layout.logs,
        "root": layout.root,
    }
    return _CONF.format(
        **{name: str(path).replace("%", "%%") for name, path in places.items()},
        descriptors=_within(resource.RLIMIT_NOFILE, 2048),
        processes=_within(resource.RLIMIT_NPROC, 1024),
    )


def write_program(layout: Layout, program: Program) -> None:
    """Write the files of `program`; from then on a supervisord that starts begins to keep it.

    Not forced to the disk one by one, that takes seconds for hundreds of them: see `drop_torn`.
    """
    spec = layout.programs / f"{program.name}.json"
    places = {
        "stdout": f"{layout.logs}/{program.name}.out",
        "stderr": f"{layout.logs}/{program.name}.err",
        "pid_file": f"{layout.run}/{program.name}.pid",
    }
    atomic.write(spec, json.dumps(asdict(program) | places))
    argv = [sys.executable, "-I", "-S", str(Path(__file__).with_name("keep.py")), str(spec)]
    conf = _PROGRAM.format(
        name=program.name,
        command=shlex.join(argv).replace("%", "%%"),
        stop=math.ceil(program.grace) + 2,
        whole=str(program.whole_group).lower(),
    )
    atomic.write(layout.programs / f"{program.name}.conf", conf)


def drop_torn(layout: Layout) -> None:
    """Remove the files of programs that a power cut left without their content; the next pass writes them anew."""
    for conf in layout.programs.glob("*.conf"):
        spec = conf.with_suffix(".json")
        try:
            whole = bool(json.loads(atomic.read(spec) or "null")) and (atomic.read(conf) or "").startswith("[program:")
        except ValueError:
            whole = False
        if not whole:
            conf.unlink()


def _within(limit: int, wanted: int) -> int:
    hard = resource.getrlimit(limit)[1]
    return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
