"""The words of the house as values: runs, stages, votes, releases, people. No behaviour beyond reading itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NewType

from engine.rollout.fleet import ReleaseId

RunId = NewType("RunId", str)
"""A pipeline's name and the run's number, ``shop-41``: what people type."""
PersonId = NewType("PersonId", str)
RoomId = NewType("RoomId", str)
"""Chat and channel, for example ``web:lobby`` or ``terminal:ann``."""

Json = Mapping[str, Any]
"""A JSON object: only str, int, float, bool, None, list and dict inside."""


class RunState(StrEnum):
    """Where a run is."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    ROLLED_BACK = "rolled_back"

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen to the run."""
        return self not in (RunState.QUEUED, RunState.RUNNING, RunState.WAITING)


class StageState(StrEnum):
    """Where a stage of a run is."""

    PENDING = "pending"
    AWAITING_TRIGGER = "awaiting_trigger"
    RUNNING = "running"
    AWAITING_REVIEW = "awaiting_review"
    HELD = "held"
    FROZEN = "frozen"
    SUCCEEDED = "succeeded"
    IGNORED = "ignored"
    FAILED = "failed"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    ROLLED_BACK = "rolled_back"
    SKIPPED = "skipped"


class StageKind(StrEnum):
    """What a stage does."""

    SOURCE = "source"
    BUILD = "build"
    GRAY = "gray"
    REVIEW = "review"
    OFFICIAL = "official"


class OnError(StrEnum):
    """What becomes of a run whose stage failed."""

    RETURN_TO_START = "return_to_start"
    STOP = "stop"
    IGNORE = "ignore"


class Mode(StrEnum):
    """How many of several are needed."""

    ALL = "all"
    ANY = "any"


class Verdict(StrEnum):
    """What a reviewer says."""

    APPROVE = "approve"
    REJECT = "reject"


class Way(StrEnum):
    """How a run brings an earlier release back: because the present one is bad, at once, or through its reviews.

    One that adopts brings nothing: it takes what runs already as a version.
    """

    ROLL_BACK = "roll_back"
    FAST = "fast"
    REVIEWED = "reviewed"
    ADOPT = "adopt"


@dataclass(frozen=True, slots=True)
class Vote:
    """One reviewer's present verdict on one attempt of a review, given for one plan fingerprint."""

    person: PersonId
    verdict: Verdict
    at: datetime
    fingerprint: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class StageRun:
    """One stage of one run. `conditions` are the names of the trigger conditions met so far, early ones included.

    `deadline` is a moment that comes by itself: of a hold, of a review, of the end of a freeze. `deputies_from` is when
    the deputies of a review may vote, too, and `is_escalated` that they may.
    """

    name: str
    kind: StageKind
    state: StageState = StageState.PENDING
    attempt: int = 0
    started_at: datetime | None = None
    ended_at: datetime | None = None
    reason: str = ""
    note: str = ""
    outputs: Json = field(default_factory=dict)
    conditions: tuple[str, ...] = ()
    deadline: datetime | None = None
    fingerprint: str = ""
    votes: tuple[Vote, ...] = ()
    deputies_from: datetime | None = None
    is_escalated: bool = False


@dataclass(frozen=True, slots=True)
class StageRule:
    """What the state machine needs to know of a stage's definition, kept in the run from its first event on.

    `deadline` is a review's, or how long a gray release may stand; `pass_on_deadline` and `keep_on_deadline` say what
    becomes of the one and of the other then. A review needs `at_least` so many votes (0: as many as
    `votes_needed` says). Reminders come after `remind_after` and every `remind_every` (None: as
    `engine.aftermath` has it).
    """

    name: str
    kind: StageKind
    on_error: OnError = OnError.STOP
    hold: timedelta = timedelta(hours=1)
    conditions: tuple[str, ...] = ()
    mode: Mode = Mode.ALL
    reviewers: tuple[PersonId, ...] = ()
    votes_needed: Mode = Mode.ANY
    take_back_on_refusal: bool = True
    deadline: timedelta | None = None
    pass_on_deadline: bool = False
    keep_on_deadline: bool = False
    at_least: int = 0
    no_self_approval: bool = False
    deputies: tuple[PersonId, ...] = ()
    escalate_after: timedelta | None = None
    remind_after: timedelta | None = None
    remind_every: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Unwinding:
    """A run that is being taken back: what it will be when that is done, who asked, and why."""

    final: RunState
    by: PersonId
    reason: str


@dataclass(frozen=True, slots=True)
class Override:
    """That a run goes on in spite of freezes: who asked for it and why, and who, another person, confirmed it."""

    by: PersonId
    confirmed_by: PersonId
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a push brought: a ``branch`` or ``tag``, the commit that it pointed to, and for which source stage."""

    kind: str
    ref: str
    sha: str
    stage: str


@dataclass(frozen=True, slots=True)
class Run:
    """One go through one version of a pipeline. `seq` counts its journal entries: the version of this value.

    `because` is why it was asked for, if whoever asked said so. `redeploys` is the earlier release that it brings back,
    or the one that it adopts, on which `way`. `depth` counts the runs that led to it, each by a hook or a channel.
    `gray_until` is set while a gray release of this run may stand, also after the run: until when. `override` lets it
    through freezes.
    """

    id: RunId
    pipeline: str
    number: int
    version: int
    workload: str
    variables: Mapping[str, str]
    rules: tuple[StageRule, ...]
    stages: tuple[StageRun, ...]
    requested_by: PersonId
    room: RoomId
    created_at: datetime
    state: RunState = RunState.QUEUED
    position: int = 0
    seq: int = 0
    started_at: datetime | None = None
    ended_at: datetime | None = None
    reason: str = ""
    paused: bool = False
    share: int | None = None
    unwinding: Unwinding | None = None
    redeploys: ReleaseId | None = None
    way: Way | None = None
    because: str = ""
    depth: int = 0
    pushed: Pushed | None = None
    gray_until: datetime | None = None
    override: Override | None = None

    @property
    def is_straight(self) -> bool:
        """Whether it brings a release back in one stage of its own, and not through those of its pipeline."""
        return self.redeploys is not None and self.way is not Way.REVIEWED

    @property
    def stage(self) -> StageRun:
        """The stage that the run is at."""
        return self.stages[self.position]

    @property
    def rule(self) -> StageRule:
        """What the definition says of the stage that the run is at."""
        return self.rules[self.position]


@dataclass(frozen=True, slots=True)
class Release:
    """A workload at a version, with the configuration that it is deployed with.

    `number` counts the releases of the workload that were deployed everywhere (None until then). `settings` is the
    rendered deployment configuration, `manifest` the YAML that people are shown. What `changed_by`, somebody else, has
    made of the release before was taken as a version by `adopted_by`. One that is `idle` was found without instances,
    and a way back to it leads to none.
    """

    id: ReleaseId
    workload: str
    image: str
    digest: str
    settings: Json
    manifest: str
    run: RunId
    variables: Mapping[str, str]
    created_at: datetime
    number: int | None = None
    deployed_at: datetime | None = None
    changed_by: str = ""
    adopted_by: str = ""
    idle: bool = False


@dataclass(frozen=True, slots=True)
class Person:
    """One human. `email` and `phone` are where notifications go."""

    id: PersonId
    email: str = ""
    phone: str = ""
