"""What can be asked of a run. Every change of a run is one of these, handed to `engine.control.Control.submit`.

People's commands name who asks. The worker's reports carry the fencing token of its lease: a report under an old token
is refused, so a worker that was thought dead cannot write any more.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from engine.model import Json, Override, PersonId, RunId, RunState, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Something asked of one run by one person (the worker and the clock have names of their own)."""

    run: RunId
    by: PersonId


@dataclass(frozen=True, slots=True, kw_only=True)
class Admit(Command):
    """The workload is free: begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop(Command):
    """End the run as `final` at the next safe point, with whatever it placed taken back."""

    reason: str = ""
    final: RunState = RunState.CANCELLED


@dataclass(frozen=True, slots=True, kw_only=True)
class RollBack(Command):
    """Take the new version back while the run is not over."""

    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveUp(Command):
    """End a run that is being taken back and cannot be: what it placed stays as it is, and nobody tries any more."""

    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry(Command):
    """Try the held stage again, or begin anew after a return to the start.

    `settle` decides about what somebody else has changed or holds: ``restore`` or ``adopt`` it; empty decides nothing.
    """

    settle: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopt(Command):
    """While a review is open, take what somebody else has put in the place of the old version as a version.

    `shown` is what the person saw of it, as `engine.stages.settling.shown` says it. The review begins again.
    """

    shown: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class CastVote(Command):
    """A reviewer's verdict. `stage`, `attempt` and `fingerprint`: what the person saw; empty means what is open now."""

    verdict: Verdict
    reason: str = ""
    stage: int | None = None
    attempt: int | None = None
    fingerprint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeShare(Command):
    """Give gray another share of the plain requests, in percent."""

    percent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MeetCondition(Command):
    """A webhook or channel that stages of the run wait for has been called."""

    key: str
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expire(Command):
    """A deadline of one stage attempt has passed."""

    stage: int
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Remind(Command):
    """Nobody has decided for a while: say so."""

    stage: int
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalate(Command):
    """The reviewers have not decided for as long as they may: from now on deputies may, too."""

    stage: int
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Thaw(Command):
    """What froze the stage may not do so any more: it is looked at again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OverruleFreezes(Command):
    """Let the run through freezes, as one person has asked and another has confirmed."""

    override: Override


@dataclass(frozen=True, slots=True, kw_only=True)
class RemindGray(Command):
    """The gray release will soon have stood for as long as it may: say so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpireGray(Command):
    """The gray release has stood for as long as it may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndGray(Command):
    """The gray release that stands on after the run is replaced, promoted by another run, or ended."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report(Command):
    """What the worker found out about the stage attempt that it acts on. `token` is its lease's.

    `seen` is the newest journal entry of the run that the worker knew when it looked (None: it does not matter).
    """

    stage: int
    attempt: int
    token: int
    seen: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportNote(Report):
    """Something worth keeping about an act: an intent, a wait, a trouble. `outputs` are merged into the stage's."""

    note: str
    outputs: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportReview(Report):
    """The review can be opened: this is the plan's fingerprint, and until when somebody must decide."""

    fingerprint: str
    plan: Json
    deadline: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSuccess(Report):
    """The stage did what it is for."""

    outputs: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFailure(Report):
    """The stage failed for good."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportChanged(Report):
    """What was approved is no longer what would be released: ask again. `review` is the review stage's position."""

    review: int
    difference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFrozen(Report):
    """The stage may not begin to release anything before `until`; `sentence` says which freeze that is."""

    until: datetime
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportUnwound(Report):
    """Everything that the run placed is taken back."""
