"""What has happened to a run: the journal's entries.

The journal is the truth; a stored run is what `evolve` makes of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from engine.model import Json, Override, PersonId, Run, RunState, Vote


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One fact: when it became so, and by whom."""

    at: datetime
    by: PersonId


@dataclass(frozen=True, slots=True, kw_only=True)
class StageEvent(Event):
    """A fact about one stage, named by its position."""

    stage: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequested(Event):
    """A person, the clock, a hook or another run asked for this run; `run` is its first value."""

    run: Run


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Event):
    """The run has its workload and begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageAwaited(StageEvent):
    """The stage's turn has come, but its trigger conditions are not met yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionMet(Event):
    """A trigger condition was met, for every stage that waits for it now or later."""

    key: str
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StageStarted(StageEvent):
    """The worker may act on the stage. `attempt` counts from 1."""

    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StageNoted(StageEvent):
    """What the worker is about to do, waits for, or is troubled by."""

    note: str
    outputs: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewOpened(StageEvent):
    """The reviewers are asked about the plan with this fingerprint.

    `deputies_from` is when deputies will be, too, if there are any.
    """

    fingerprint: str
    plan: Json
    deadline: datetime
    deputies_from: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Voted(StageEvent):
    """A reviewer gave a verdict, or changed it."""

    vote: Vote


@dataclass(frozen=True, slots=True, kw_only=True)
class VotesVoided(StageEvent):
    """The plan is no longer the one that was voted on; the review begins again."""

    difference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reminded(StageEvent):
    """The missing reviewers were reminded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewEscalated(StageEvent):
    """The reviewers have not decided in their time; from now on the deputies may, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageFrozen(StageEvent):
    """The stage does not begin to release anything before `until`; `sentence` says which freeze that is."""

    until: datetime
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StageThawed(StageEvent):
    """The freeze is over, was taken away or overruled; the stage is looked at again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FreezeOverruled(Event):
    """Freezes do not hold this run any more."""

    override: Override


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSucceeded(StageEvent):
    """The stage did what it is for. `outputs` are added to what it noted before."""

    outputs: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StageFailed(StageEvent):
    """The attempt failed, or its hold ran out."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StageHeld(StageEvent):
    """The failed stage can be retried until `until`."""

    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StageIgnored(StageEvent):
    """The stage failed and the run goes on, as the definition says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRejected(StageEvent):
    """The review was refused, by a person or by its deadline."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRetried(StageEvent):
    """A person asked for another attempt. `settle`: as in `engine.commands.Retry`."""

    settle: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnedToStart(Event):
    """The run stands before its first stage again and waits for a person."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResumed(Event):
    """A person sent the run off again after a return to the start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareChanged(Event):
    """Gray is to get `percent` of the plain requests; it was `before`."""

    percent: int
    before: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GrayReminded(Event):
    """Nobody has promoted the gray release for long; it may stand until `until`."""

    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class GrayKept(Event):
    """The gray release has stood for as long as it may, and is kept, as the definition says, until `until`."""

    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class GrayEnded(Event):
    """The gray release that stood on after the run does not stand any longer."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnwindingBegan(Event):
    """The run goes back: what it placed is taken away, then it ends as `final`."""

    final: RunState
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded(Event):
    """Nothing more will happen."""

    state: RunState
    reason: str = ""
