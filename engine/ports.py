"""What the engine needs from the outside, as protocols.

Adapters live in `storage`, `engine.targets` and beside them. What a store keeps is told in `engine.book`, and offered
here, too.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from engine.book import (
    Book,
    Claim,
    Entry,
    Journal,
    Pipelines,
    Releases,
    Runs,
    Store,
    StoredPipeline,
    Timer,
    Timers,
)
from engine.deployment import Deployment
from engine.image_build import BUNDLE, Recipe
from engine.left import LogLine, Logs
from engine.model import Json, Release
from engine.rollout.fleet import Fleet, Move, ReleaseId
from engine.secret_variables import of_variables, revealed, tag_of

__all__ = [
    "Book",
    "BuildOrder",
    "Builder",
    "Built",
    "Claim",
    "Clock",
    "Commit",
    "Dispute",
    "Entry",
    "Forge",
    "Hotfix",
    "Images",
    "Instance",
    "Journal",
    "LogLine",
    "LogSink",
    "Logs",
    "Packages",
    "Pipelines",
    "Placement",
    "Releases",
    "Runs",
    "Secrets",
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
    instance goes on answering after it left the route. `spec` are the settings that are in force now (None for a
    target that needs no more than the ports); `pipeline` and `run` say on whose behalf, for labels. `firm` says that
    what somebody else has changed meanwhile may be overwritten: a way back waits for nobody; `back_to` is the release
    that it leads to. `overruled` are the fields in which a person has decided so: object, field, manager
    (`Dispute.key`).
    """

    workload: str
    port: int
    releases: Mapping[ReleaseId, Release]
    preview_port: int | None = None
    drain: timedelta = timedelta(seconds=5)
    spec: Deployment | None = None
    pipeline: str = ""
    run: str = ""
    firm: bool = False
    back_to: ReleaseId | None = None
    overruled: frozenset[tuple[str, str, str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Dispute:
    """One field of an object at a target that somebody else (`manager`) changed or holds.

    `thing` names the object (``Deployment shop/web``), `field` its path (``spec.replicas``); `ours` and `theirs` are
    the two values as people read them. `decided` says that the release itself decides this field, so that theirs
    cannot stay. `held` says that nothing was changed: the field is somebody else's, and the release will need it.
    `hotfix` says that it is part of a change that can be adopted as a version of its own.
    """

    thing: str
    field: str
    manager: str
    ours: str
    theirs: str
    decided: bool = False
    held: bool = False
    hotfix: bool = False

    @property
    def key(self) -> tuple[str, str, str]:
        """What a person decides about: this field of this object, and who is overruled."""
        return self.thing, self.field, self.manager

    def __str__(self) -> str:
        """Say it in one sentence."""
        if self.held:
            return f"{self.thing}: {self.field} ({self.theirs}) is managed by {self.manager}."
        return f"{self.thing}: {self.field} is {self.theirs} by {self.manager}; Sluice wants {self.ours}."


@dataclass(frozen=True, slots=True)
class Hotfix:
    """What somebody else has put in the place of the release that is everywhere.

    `release` is it as a version of its own, `disputes` is how it differs; nothing, if it is Sluice's already.
    """

    release: Release
    disputes: tuple[Dispute, ...] = ()


@dataclass(frozen=True, slots=True)
class Instance:
    """One running copy, for people. `status` is starting, ready, unready, draining or ended; `event` the latest one.

    `cpu` and `memory` are what it has set aside for itself (requests), as Kubernetes writes quantities. `image` is what
    it runs, where the place tells; `changed_by` is who has put it there instead of the release's own.
    """

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
    image: str = ""
    changed_by: str = ""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Requests that each group has had since the counting began, and how many of them failed (5xx, or no answer)."""

    requests: Mapping[str, int] = field(default_factory=dict)
    failed: Mapping[str, int] = field(default_factory=dict)


class Target(Protocol):
    """A place where workloads run.

    A workload is named by `engine.deployment.Deployment.workload_id`. Every call may be repeated: after a crash the
    engine observes and asks again. A call that cannot be carried out now
    raises `Interrupted` (try again) or `Broken` (somebody must mend the place), and leaves what was there.
    """

    async def fit(self, workload: str, spec: Deployment) -> Deployment:
        """`spec` as this place takes it, what was left to the place filled in.

        Raises `StageFailure` when the place can never do it, with what to write instead.
        """
        ...

    async def found(self, workload: str, spec: Deployment) -> Release | None:
        """What runs under this name that Sluice has not placed, as a release: what a way back leads to."""
        ...

    async def manifest(self, placement: Placement, release: ReleaseId) -> str:
        """What is written down of a release as the configuration that it is deployed with, as YAML for people."""
        ...

    async def applied(self, placement: Placement) -> Mapping[str, Json]:
        """What the run of `placement` has applied and is there still, by names that people know the objects by."""
        ...

    async def observe(self, placement: Placement) -> Fleet:
        """What is there now."""
        ...

    async def changes(self, placement: Placement, moves: Sequence[Move]) -> tuple[str, ...]:
        """Which objects and fields `moves` would change, a sentence each; changes nothing."""
        ...

    async def disputes(self, placement: Placement) -> tuple[Dispute, ...]:
        """Every field that moves would have to take from somebody else, or that somebody else has changed."""
        ...

    async def restore(self, placement: Placement, disputes: Sequence[Dispute], by: str) -> None:
        """Put back what Sluice wants in the disputed fields; `by` is the person who decided it."""
        ...

    async def hotfix(self, placement: Placement) -> Hotfix | None:
        """What others have made of the last of `placement`'s releases, which is everywhere; None if it is still that.

        Raises `StageFailure` while not every instance runs it.
        """
        ...

    async def adopt(
        self, placement: Placement, disputes: Sequence[Dispute], by: str, hotfix: Release | None = None
    ) -> None:
        """Make the disputed fields Sluice's own as they are now, without changing anything.

        With `hotfix` what runs is that release from now on. Raises `StageFailure` when it runs no more.
        """
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
    """A resolved revision. `url` holds no credentials; `ref` is the branch or tag as asked for.

    `account` is the code account that it was fetched with; empty: none.
    """

    url: str
    ref: str
    sha: str
    subject: str
    author: str
    at: datetime
    account: str = ""


class Images(Protocol):
    """Where images are found that somebody else has built."""

    async def find(self, image: str) -> str:
        """The digest that organization/repository:tag points to now. Raises `StageFailure` when there is none."""
        ...


class Secrets(Protocol):
    """Secret variables, whose values nothing keeps: ask at the moment in which one is handed on."""

    async def values(self, pipeline: str, names: Iterable[str]) -> Mapping[str, str]:
        """The values of a pipeline's secrets, by name. Raises `Refused` for one without a value."""
        ...


class Packages(Protocol):
    """Software packages that builds are made with."""

    async def fetch(self, path: str, into: str) -> None:
        """Put organization/repository/package/version, all of its files or the one named after it, into a directory.

        `into` is made when it is not there. Every file is written whole and compared with its checksum. May be
        repeated. Raises `StageFailure` when there is no such package, with what to write instead, and `Broken` when
        its content is damaged.
        """
        ...


class Forge(Protocol):
    """Where source comes from."""

    async def resolve(
        self, url: str, *, branch: str | None, tag: str | None, log: LogSink, account: str = "", at: str = ""
    ) -> Commit:
        """The commit that the branch or tag (neither: the default branch) points to now, fetched.

        With `at`, that commit, which the branch must still have, and the tag still point to; `StageFailure` otherwise.
        `account` names a bound code account, for repositories that are not everybody's.
        """
        ...

    async def export(self, commit: Commit, directory: str, log: LogSink) -> None:
        """Put the tree at `commit` into the empty `directory`."""
        ...


@dataclass(frozen=True, slots=True)
class BuildOrder:
    """What is to be built. `variables` are the build script's environment; `image` is organization/repository:tag.

    `builder` is ``docker``, ``bundle``, or empty when the source decides; `recipe` is what a Docker Engine needs.
    `pipeline` and `run` say on whose behalf, for labels. `secrets` are values by name: `variables` and the recipe's
    arguments hold markers in their place, so that an order can be written down.
    """

    commit: Commit
    image: str
    script: str
    procfile: str
    variables: Mapping[str, str]
    timeout: timedelta
    builder: str = BUNDLE
    recipe: Recipe = field(default_factory=Recipe)
    pipeline: str = ""
    run: str = ""
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def tag(self) -> str:
        """What the markers in the recipe's arguments have, and nothing that only looks like one."""
        return tag_of(self.variables)

    def environment(self) -> dict[str, str]:
        """The variables with the values of secrets: for what is started now, to be kept nowhere."""
        return {**self.variables, **{name: self.secrets[name] for name in of_variables(self.variables)}}

    def arguments(self) -> dict[str, str]:
        """The recipe's arguments with the values of secrets in them: for what is started now, to be kept nowhere."""
        return {name: revealed(value, self.tag, self.secrets) for name, value in self.recipe.arguments.items()}


@dataclass(frozen=True, slots=True)
class Built:
    """What came of it.

    `digest` is ``sha256:`` and 64 hex digits of the content; `reused` says nothing had to be built. `builder` is what
    made it, `why` says it where that may surprise, and `place` where it can be had: an image's full name with its
    registry, empty for a bundle.
    """

    image: str
    digest: str
    reused: bool
    builder: str = BUNDLE
    place: str = ""
    why: str = ""


class Builder(Protocol):
    """Makes images."""

    async def build(self, order: BuildOrder, log: LogSink) -> Built:
        """Build, or find the result of an equal order again. Cancelling the task ends every process it started."""
        ...

    async def find(self, image: str) -> str:
        """The digest that organization/repository:tag points to now. Raises `StageFailure` when there is none."""
        ...
