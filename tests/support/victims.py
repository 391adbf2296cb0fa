"""Starts a Sluice in a process of its own on a home, lets it be killed, and starts the next one: see `victim`."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.house_on_disk import House

WITHIN = 80.0
_CHECKOUT = Path(__file__).parents[2]


@dataclass(slots=True)
class Ended:
    """How a process ended: exit code (-9: killed), how often it committed to the journal, and its complaints."""

    code: int
    commits: int
    complaints: str

    @property
    def was_killed(self) -> bool:
        """Whether kill -9 ended it."""
        return self.code == -signal.SIGKILL


@dataclass
class Home:
    """A house in which one version is deployed everywhere, with releases of new ones by processes that may die."""

    house: House
    deployed: str = ""
    is_spoiled: bool = False
    _file: Path = field(init=False)

    def __post_init__(self) -> None:
        self._file = self.house.root / "pipeline.yaml"
        self._file.write_text(self.house.pipeline)

    def settle(self) -> None:
        """Deploy the first version."""
        self.deployed = self.house.new_tag()
        done = subprocess.run(
            self._words(self.deployed, "approve"),
            env=self._environment(0),
            cwd=_CHECKOUT,
            check=False,
            capture_output=True,
            text=True,
            timeout=WITHIN,
        )
        assert done.returncode == 0, done.stderr

    def clear(self) -> None:
        """End everything that was deployed."""
        words = self._words(self.deployed, "fire")
        subprocess.run(words, env=self._environment(0), cwd=_CHECKOUT, check=True, timeout=WITHIN)

    @contextmanager
    def used(self) -> Iterator[None]:
        """Whoever fails inside leaves a house that the next one must not move into."""
        self.is_spoiled = True
        yield
        self.is_spoiled = False

    async def play(self, tag: str, ending: str, die_at: int = 0) -> Ended:
        """Release `tag` from wherever it stands; the process dies at the given commit."""
        process = await asyncio.create_subprocess_exec(
            *self._words(tag, ending),
            env=self._environment(die_at),
            cwd=_CHECKOUT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(WITHIN):
                out, complaints = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode is not None
        commits = json.loads(out)["commits"] if process.returncode == 0 else 0
        return Ended(process.returncode, commits, complaints.decode())

    def _words(self, tag: str, ending: str) -> list[str]:
        settings = self.house.settings
        place = [str(settings.home), settings.database, str(self._file)]
        return [sys.executable, "-m", "tests.support.victim", *place, tag, ending]

    def _environment(self, die_at: int) -> dict[str, str]:
        return {**os.environ, "SLUICE_DIE_AT": str(die_at), "SLUICE_AS": "ann"}
