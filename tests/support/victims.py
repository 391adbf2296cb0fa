"""Starts a Sluice in a process of its own on a home, lets it be killed, and starts the next one: see `victim`."""

import asyncio
import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support import forked, victim
from tests.support.house_on_disk import House

WITHIN = 80.0


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
        done = asyncio.run(self.play(self.deployed, "approve"))
        assert done.code == 0, done.complaints

    def clear(self) -> None:
        """End everything that was deployed."""
        done = asyncio.run(self.play(self.deployed, "fire"))
        assert done.code == 0, done.complaints

    @contextmanager
    def used(self) -> Iterator[None]:
        """Whoever fails inside leaves a house that the next one must not move into."""
        self.is_spoiled = True
        yield
        self.is_spoiled = False

    async def play(self, tag: str, ending: str, die_at: int = 0) -> Ended:
        """Release `tag` from wherever it stands; the process dies at the given commit."""
        settings = self.house.settings
        words = [str(settings.home), settings.database, str(self._file), tag, ending]
        ended = await forked.run(victim.main, words, {"SLUICE_DIE_AT": str(die_at), "SLUICE_AS": "ann"}, WITHIN)
        commits = json.loads(ended.out)["commits"] if ended.code == 0 and ending != "fire" else 0
        return Ended(ended.code, commits, ended.complaints)
