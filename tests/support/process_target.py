"""A process target with the demo's service on it, for tests: real supervisord, real Envoy, nothing left afterwards."""

import shlex
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from engine.model import Release, RunId
from engine.ports import Placement
from engine.rollout.fleet import Fleet, Group, Launch, Move, ReleaseId, Reroute, Route
from engine.targets.fronted.keep import identity
from engine.targets.process import ProcessTarget
from tests.support.eventually import eventually

_SERVER = Path(__file__).parents[2] / "deploy/demo/server.py"
_BETWEEN_LOOKS = 0.02


DEMO = f"{sys.executable} {shlex.quote(str(_SERVER))}"
"""The command that starts the demo's service."""


class WallClock:
    """The time of day."""

    def now(self) -> datetime:
        """This moment."""
        return datetime.now(UTC)


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def runs(pid: int) -> bool:
    """Whether there is such a process, and not only its remains."""
    return identity(pid) != ""


@dataclass
class Place:
    """One root, one workload, and as many targets over it, one after another, as a test wants."""

    root: Path
    port: int = field(default_factory=free_port)
    preview_port: int | None = None
    workload: str = "hello"
    drain: timedelta = timedelta(milliseconds=300)
    releases: dict[ReleaseId, Release] = field(default_factory=dict)
    commands: dict[str, str] = field(default_factory=dict)
    between: float = _BETWEEN_LOOKS

    def __post_init__(self) -> None:
        self.target = self.another_target()

    def another_target(self) -> ProcessTarget:
        """A target that knows nothing but what is on disk: the bot after it was killed."""
        self.target = ProcessTarget(self.root / "place", self.bundle, WallClock())
        return self.target

    @property
    def placement(self) -> Placement:
        """What every call is given."""
        return Placement(self.workload, self.port, self.releases, self.preview_port, self.drain)

    def release(
        self,
        version: str,
        environment: Mapping[str, str] | None = None,
        command: str = "",
        http: str | None = "/healthz",
    ) -> ReleaseId:
        """A release of the demo's service; `command` runs something else in its place."""
        name = ReleaseId(f"{self.workload}@{version}")
        self.commands[f"sha256:{version}"] = command or DEMO
        settings = {
            "service": {"port": self.port},
            "environment": dict(environment or {}),
            "readiness": {"http": http, "every": "50ms", "within": "5s"},
        }
        image, digest = f"shop/{self.workload}:{version}", f"sha256:{version}"
        run, now = RunId(f"{self.workload}-1"), datetime.now(UTC)
        self.releases[name] = Release(name, self.workload, image, digest, settings, "", run, {}, now)
        return name

    def bundle(self, digest: str) -> Path:
        """The directory of a bundle."""
        folder = self.root / "bundles" / digest.replace(":", "-")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "Procfile").write_text(f"web: {self.commands[digest]}\n")
        return folder

    async def perform(self, move: Move) -> None:
        """Ask for a move."""
        await self.target.perform(self.placement, move)

    async def fleet(self) -> Fleet:
        """One pass, and what is there then."""
        await self.target.tend(self.placement)
        return await self.target.observe(self.placement)

    async def until(self, condition: Callable[[Fleet], bool], what: str, within: float = 25.0) -> Fleet:
        """Make passes until the fleet is as wanted."""
        seen: list[Fleet] = []

        async def look() -> bool:
            seen.append(await self.fleet())
            return condition(seen[-1])

        try:
            await eventually(look, what, within, self.between)
        except AssertionError as error:
            raise AssertionError(f"{error}; last seen {seen[-1:]}") from None
        return seen[-1]

    async def settled(self, group: str) -> Group:
        """Wait until a group is as it was asked for."""
        fleet = await self.until(lambda fleet: fleet.groups[group].is_settled(), f"{group} settles")
        return fleet.groups[group]

    async def launch(self, group: str, release: ReleaseId, count: int) -> None:
        """Launch a group and wait until it is ready."""
        await self.perform(Launch(group, release, count))
        await self.settled(group)

    async def route(self, weights: Mapping[str, int] | None = None, **others: object) -> None:
        """Send requests elsewhere and wait until it is in effect."""
        await self.perform(Reroute(Route(weights or {}, **others)))  # type: ignore[arg-type]
        await self.until(lambda fleet: fleet.in_effect, "the route is in effect")
