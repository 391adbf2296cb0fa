"""What the engine needs from the outside, as protocols.

Adapters live in `storage`, `engine.targets` and beside them. What a store keeps is told in `engine.book`, and offered
here, too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from engine.book import (
    Book,
    Claim,
    Entry,
    Journal,
    LogLine,
    Logs,
    Pipelines,
    Releases,
    Runs,
    Store,
    StoredPipeline,
    Timer,
    Timers,
)
from engine.model import Release
from engine.rollout.fleet import Fleet, Move, ReleaseId

__all__ = [
    "Book",
    "BuildOrder",
    "Builder",
    "Built",
    "Claim",
    "Clock",
    "Commit",
    "Entry",
    "Forge",
    "Instance",
    "Journal",
    "LogLine",
    "LogSink",
    "Logs",
    "Pipelines",
    "Placement",
    "Releases",
    "Runs",
    "Store",
    "StoredPipeline",
    "Target",
    "Timer",
    "Timers",
    "Traffic",
]


class Clock(Protocol):
    """The time of day, aware UTC."""

    def now(self) -> datetime:
        """This moment."""
        ...


class LogSink(Protocol):
    """Where the words of one stage attempt go."""

    def __call__(self, text: str, /) -> None:
        """Keep `text` (one or more lines, no line end needed). Never blocks and never fails the stage."""
        ...


@dataclass(frozen=True, slots=True)
class Placement:
    """One workload at one target: its fixed ports, and every release that a move may name.

    `port` is what visitors use, `preview_port` always leads to the route's preview group. `drain` is how long an
    instance goes on answering after it left the route.
    """

    workload: str
    port: int
    releases: Mapping[ReleaseId, Release]
    preview_port: int | None = None
    drain: timedelta = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Instance:
    """One running copy, for people. `status` is starting, ready, unready, draining or ended; `event` the latest one."""

    name: str
    group: str
    release: ReleaseId
    status: str
    event: str
    node: str
    address: str
    started_at: datetime | None
    cpu: str = ""
    memory: str = ""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Requests that each group has had since the counting began, and how many of them failed (5xx, or no answer)."""

    requests: Mapping[str, int] = field(default_factory=dict)
    failed: Mapping[str, int] = field(default_factory=dict)


class Target(Protocol):
    """A place where workloads run.

    Every call may be repeated: after a crash the engine observes and asks again. A call that cannot be carried out now
    raises `Interrupted` (try again) or `Broken` (somebody must mend the place), and leaves what was there.
    """

    async def observe(self, placement: Placement) -> Fleet:
        """What is there now."""
        ...

    async def perform(self, placement: Placement, move: Move) -> None:
        """Write down durably that `move` is wanted, and begin it. Returns without waiting for its end."""
        ...

    async def tend(self, placement: Placement) -> None:
        """Make one pass at bringing what is there nearer to what is wanted: launch, check, drain, end."""
        ...

    async def forget(self, workload: str) -> None:
        """End everything of `workload` at once, without draining, and its routes."""
        ...

    async def instances(self, workload: str) -> tuple[Instance, ...]:
        """Every instance of `workload`, those that drain included."""
        ...

    async def traffic(self, workload: str) -> Traffic:
        """The proxy's own counters."""
        ...

    async def effective_route(self, workload: str) -> str:
        """The routing configuration that the proxy follows now, as YAML for people."""
        ...

    async def keep(self) -> tuple[str, ...]:
        """Look after the place itself (supervisor, proxy): mend what can be mended.

        Returns sentences on what was wrong.
        """
        ...


@dataclass(frozen=True, slots=True)
class Commit:
    """A resolved revision. `url` holds no credentials; `ref` is the branch or tag as asked for."""

    url: str
    ref: str
    sha: str
    subject: str
    author: str
    at: datetime


class Forge(Protocol):
    """Where source comes from."""

    async def resolve(self, url: str, *, branch: str | None, tag: str | None, log: LogSink) -> Commit:
        """The commit that the branch or tag (neither: the default branch) points to now, fetched."""
        ...

    async def export(self, commit: Commit, directory: str, log: LogSink) -> None:
        """Put the tree at `commit` into the empty `directory`."""
        ...


@dataclass(frozen=True, slots=True)
class BuildOrder:
    """What is to be built. `variables` are the build script's environment; `image` is organization/repository:tag."""

    commit: Commit
    image: str
    script: str
    procfile: str
    variables: Mapping[str, str]
    timeout: timedelta


@dataclass(frozen=True, slots=True)
class Built:
    """What came of it.

    `digest` is ``sha256:`` and 64 hex digits of the content; `reused` says nothing had to be built.
    """

    image: str
    digest: str
    reused: bool


class Builder(Protocol):
    """Makes images."""

    async def build(self, order: BuildOrder, log: LogSink) -> Built:
        """Build, or find the result of an equal order again. Cancelling the task ends every process it started."""
        ...

    async def find(self, image: str) -> str:
        """The digest that organization/repository:tag points to now. Raises `StageFailure` when there is none."""
        ...
