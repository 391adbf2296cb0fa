"""A PostgreSQL of the tests' own: one cluster for the session, on a socket in its own directory, no port at all."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import psycopg
import pytest

from storage.store import SqlStore

_BINARIES = Path("/usr/lib/postgresql")
_SETTINGS = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "autovacuum=off",
    "max_connections=60",
    "shared_buffers=16MB",
)
_ROOM = 1 << 30
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
        self._say(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def drop(self, url: str) -> None:
        name = url.partition("@/")[2].partition("?")[0]
        self._say(f"DROP DATABASE {name} WITH (FORCE)")

    def prepare(self) -> None:
        self._say("CREATE DATABASE sluice TEMPLATE template0")
        SqlStore.open(self.url("sluice")).close()

    def _say(self, statement: str) -> None:
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
        _run(
            binaries / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "--no-sync", "-E", "UTF8", "--no-locale"
        )
        options = " ".join(
            f"-c {setting}" for setting in (*_SETTINGS, "listen_addresses=", f"unix_socket_directories={home}")
        )
        _run(binaries / "pg_ctl", "-D", data, "-w", "-l", home / "log", "-o", options, "start")
        try:
            cluster = Cluster(home)
            cluster.prepare()
            yield cluster
        finally:
            _run(binaries / "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _find_binaries() -> Path:
    found = sorted(_BINARIES.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not found or (os.getuid() == 0 and shutil.which("runuser") is None):
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


def _run(*command: object) -> None:
    """Run a program as somebody who is not root: PostgreSQL refuses root."""
    unprivileged = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    subprocess.run(
        [*unprivileged, *map(str, command)],
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=60,
        cwd="/",
        stderr=subprocess.DEVNULL,
    )
