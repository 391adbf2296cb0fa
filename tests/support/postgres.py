"""A PostgreSQL of the tests' own: one cluster for the session, on a socket in its own directory, no port at all."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

from storage.store import SqlStore

_BINARIES = Path("/usr/lib/postgresql")
_SETTINGS = (
    "listen_addresses=",
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "autovacuum=off",
    "max_connections=60",
    "shared_buffers=16MB",
)
_INITDB = ("--auth=trust", "--no-sync", "-E", "UTF8", "--no-locale")
_ROOM = 1 << 30
_PATIENCE = 60.0
_NEEDED = "PostgreSQL is not installed: apt-get install postgresql"


@dataclass
class Cluster:
    """A running PostgreSQL. Each database is a copy of one with the tables of this version."""

    sockets: Path
    numbers: Iterator[int] = field(default_factory=count)

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://postgres@/{database}?host={self.sockets}"

    def database(self, template: str = "sluice") -> str:
        """The URL of a new database; ``template0`` makes an empty one."""
        name = f"test_{next(self.numbers)}"
        self.say(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def drop(self, url: str) -> None:
        name = url.partition("@/")[2].partition("?")[0]
        self.say(f"DROP DATABASE {name} WITH (FORCE)")

    def prepare(self) -> None:
        self.say("CREATE DATABASE sluice TEMPLATE template0")
        SqlStore.open(self.url("sluice")).close()

    def say(self, statement: str) -> None:
        with psycopg.connect(f"postgresql://postgres@/postgres?host={self.sockets}", autocommit=True) as connection:
            connection.execute(statement.encode())


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """Start PostgreSQL, and stop it at the end. Skips when it is not installed."""
    binaries = _find_binaries()
    home = Path(tempfile.mkdtemp(prefix="sluice-pg-", dir=_fast_place()))
    data = home / "data"
    try:
        _give_to_postgres(home)
        initdb: list[str | Path] = [binaries / "initdb", "-D", data, "-U", "postgres", *_INITDB]
        subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, timeout=60, cwd="/", **_unprivileged())
        settings = [f"-c{setting}" for setting in (*_SETTINGS, f"unix_socket_directories={home}")]
        with _serving([binaries / "postgres", "-D", data, *settings]) as server:
            cluster = Cluster(home)
            _wait_for(cluster, server)
            cluster.prepare()
            yield cluster
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def _serving(command: list[object]) -> Iterator["subprocess.Popen[bytes]"]:
    """Run the server as a child that ends with the tests, even when those are killed."""
    tied = ["setpriv", "--pdeathsig", "QUIT", *map(str, command)]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(tied, stdout=quiet, stderr=quiet, cwd="/", **_unprivileged()) as server:
        try:
            yield server
        finally:
            server.send_signal(signal.SIGQUIT)


def _wait_for(cluster: Cluster, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        try:
            cluster.say("SELECT 1")
        except psycopg.OperationalError:
            with contextlib.suppress(subprocess.TimeoutExpired):
                pytest.fail(f"PostgreSQL ended with {server.wait(timeout=0.05)}")
        else:
            return
    pytest.fail(f"PostgreSQL did not answer within {_PATIENCE} s")


def _find_binaries() -> Path:
    found = sorted(_BINARIES.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not found or shutil.which("setpriv") is None:
        pytest.skip(_NEEDED)
    return found[-1].parent


def _fast_place() -> str | None:
    """Memory, where there is plenty: a database per test is a few hundred files."""
    memory = Path("/dev/shm")  # noqa: S108 - the directory in it is made by mkdtemp
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > _ROOM
    return str(memory) if roomy else None


def _give_to_postgres(home: Path) -> None:
    if os.getuid() == 0:
        shutil.chown(home, "postgres", "postgres")


def _unprivileged() -> dict[str, Any]:
    """Run a program as somebody who is not root: PostgreSQL refuses root."""
    return {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}
