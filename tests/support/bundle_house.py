"""What the tests of the builder stand on: a repository, and a script whose children do not want to end."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from engine.builders.bundle import BundleBuilder
from engine.forges.git import GitForge
from engine.ports import BuildOrder, Commit, LogSink
from tests.support.repository import Repository


class CountingForge(GitForge):
    """Counts the exports: each is a build from the beginning."""

    exports = 0

    async def export(self, commit: Commit, directory: str, log: LogSink) -> None:
        self.exports += 1
        await super().export(commit, directory, log)


class House:
    """A repository, a forge that counts and a builder, under one directory."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.root = place / "shelf"
        self.repository = Repository(place / "source")
        self.repository.commit({"server.py": "one\n", "Procfile": "# how\nweb: python3 server.py\n"})
        self.forge = CountingForge(place / "forge", allow_local=True)
        self.builder = BundleBuilder(self.root, self.forge)
        self.log: list[str] = []

    async def order(self, script: str = "", **settings: Any) -> BuildOrder:
        commit = await self.forge.resolve(self.repository.url, branch="main", tag=None, log=self.log.append)
        order = BuildOrder(commit, "shop/api:v1", script, "", {}, timedelta(minutes=1))
        return replace(order, **settings)

    async def build(self, script: str = "", **settings: Any) -> str:
        return (await self.builder.build(await self.order(script, **settings), self.log.append)).digest

    def left_over(self) -> list[str]:
        return [path.name for path in (self.root / "work").iterdir()]


def runaway(place: Path) -> str:
    """Return a script that starts a child, one in another session, and one that ignores TERM, and waits for ever."""
    name = f"{place}/runaway"
    return f"""
        cp "$(command -v tail)" {name}
        {name} -f /dev/null &
        setsid {name} -f /dev/null &
        (trap '' TERM; exec {name} -f /dev/null) &
        (setsid bash -c 'trap "" TERM; {name} -f /dev/null; true' &)
        while test "$(grep -lszx '{name}' /proc/[0-9]*/cmdline | wc -l)" -lt 4; do :; done
        touch {place}/ready
        wait
    """


def alive(place: Path) -> list[int]:
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                words = (process / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if words[0] == f"{place}/runaway".encode():
                found.append(int(process.name))
    return found
