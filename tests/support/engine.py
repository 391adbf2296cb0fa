"""A run to be told about: commands go in, and after each the journal, replayed, must give the run that stands."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from engine import commands as c
from engine import events as e
from engine.control import replay
from engine.errors import Refused
from engine.model import Mode, OnError, Override, PersonId, Run, StageKind, StageRule, StageState, Verdict
from engine.transitions import ENGINE, begin, decide, evolve
from tests.support.store import ANN, BOB, EVE, ManualClock, a_run

HOUR = timedelta(hours=1)
SOURCE = StageRule("code", StageKind.SOURCE)
BUILD = StageRule("image", StageKind.BUILD)
GRAY = StageRule("gray", StageKind.GRAY)
OFFICIAL = StageRule("official", StageKind.OFFICIAL)


def review(*reviewers: PersonId, needed: Mode = Mode.ANY, take_back: bool = True) -> StageRule:
    return StageRule(
        "review",
        StageKind.REVIEW,
        reviewers=reviewers or (ANN, BOB),
        votes_needed=needed,
        take_back_on_refusal=take_back,
        deadline=24 * HOUR,
    )


def quorum(
    *reviewers: PersonId,
    at_least: int = 0,
    needed: Mode = Mode.ANY,
    no_self: bool = False,
    deputies: tuple[PersonId, ...] = (),
    after: timedelta | None = None,
) -> StageRule:
    rule = review(*reviewers, needed=needed)
    return replace(rule, at_least=at_least, no_self_approval=no_self, deputies=deputies, escalate_after=after)


def escalating() -> StageRule:
    """A review that turns to eve when nobody has decided for an hour."""
    return quorum(ANN, BOB, deputies=(EVE,), after=HOUR)


def gated(*keys: str, mode: Mode = Mode.ALL) -> StageRule:
    return StageRule("gated", StageKind.BUILD, conditions=keys, mode=mode)


def failing(on_error: OnError, kind: StageKind = StageKind.BUILD) -> StageRule:
    return StageRule("shaky", kind, on_error=on_error, hold=HOUR)


@dataclass
class Story:
    """One run, its journal and its clock."""

    rules: Sequence[StageRule]
    run: Run = field(init=False)
    journal: list[e.Event] = field(init=False)
    clock: ManualClock = field(default_factory=ManualClock)

    def __post_init__(self) -> None:
        first = a_run(rules=tuple(self.rules))
        self.journal = begin(first, self.clock.now())
        self.run = evolve(None, self.journal[0])

    def admitted(self) -> "Story":
        return self.say(c.Admit(run=self.run.id, by=ENGINE))

    def say(self, command: c.Command) -> "Story":
        events = decide(self.run, command, self.clock.now())
        for event in events:
            self.run = evolve(self.run, event)
        self.journal += events
        assert replay(self.journal) == self.run
        return self

    def refusal(self, command: c.Command) -> Refused:
        """What is said when the command is refused. Nothing may have changed."""
        before = self.run
        try:
            decide(self.run, command, self.clock.now())
        except Refused as refused:
            assert self.run == before
            return refused
        raise AssertionError(f"{command} was accepted")

    # -- people

    def stop(self, reason: str = "enough") -> "Story":
        return self.say(c.Stop(run=self.run.id, by=ANN, reason=reason))

    def roll_back(self) -> "Story":
        return self.say(c.RollBack(run=self.run.id, by=ANN, reason="errors"))

    def retry(self) -> "Story":
        return self.say(c.Retry(run=self.run.id, by=ANN))

    def vote(self, by: PersonId, verdict: Verdict = Verdict.APPROVE, reason: str = "") -> "Story":
        return self.say(c.CastVote(run=self.run.id, by=by, verdict=verdict, reason=reason))

    def share(self, percent: int) -> "Story":
        return self.say(c.ChangeShare(run=self.run.id, by=ANN, percent=percent))

    def meet(self, key: str) -> "Story":
        return self.say(c.MeetCondition(run=self.run.id, by=ENGINE, key=key))

    def escalate(self) -> "Story":
        return self.say(c.Escalate(run=self.run.id, by=ENGINE, stage=self.run.position, attempt=self.run.stage.attempt))

    def overrule(self, by: PersonId = ANN, confirmed_by: PersonId = BOB) -> "Story":
        override = Override(by, confirmed_by, "The checkout is broken.", self.clock.now())
        return self.say(c.OverruleFreezes(run=self.run.id, by=confirmed_by, override=override))

    def thaw(self) -> "Story":
        return self.say(c.Thaw(run=self.run.id, by=ENGINE))

    def expire(self) -> "Story":
        return self.say(c.Expire(run=self.run.id, by=ENGINE, stage=self.run.position, attempt=self.run.stage.attempt))

    # -- the worker

    def succeed(self, **outputs: object) -> "Story":
        return self.say(c.ReportSuccess(**self.about(), outputs=outputs))

    def fail(self, reason: str = "It broke.") -> "Story":
        return self.say(c.ReportFailure(**self.about(), reason=reason))

    def note(self, note: str, **outputs: object) -> "Story":
        return self.say(c.ReportNote(**self.about(), note=note, outputs=outputs))

    def ask(self, fingerprint: str = "f1", within: timedelta = HOUR) -> "Story":
        deadline = self.clock.now() + within
        return self.say(c.ReportReview(**self.about(), fingerprint=fingerprint, plan={"plan": 1}, deadline=deadline))

    def changed(self, review_at: int) -> "Story":
        return self.say(c.ReportChanged(**self.about(), review=review_at, difference="image v1 is now v2"))

    def freeze(self, within: timedelta = HOUR) -> "Story":
        until = self.clock.now() + within
        return self.say(c.ReportFrozen(**self.about(), until=until, sentence="Everything is frozen."))

    def unwound(self) -> "Story":
        return self.say(c.ReportUnwound(**self.about()))

    def about(self) -> dict[str, Any]:
        run = self.run
        return {"run": run.id, "by": ENGINE, "stage": run.position, "attempt": run.stage.attempt, "token": 1}

    # -- how it stands

    def states(self) -> list[StageState]:
        return [stage.state for stage in self.run.stages]

    def kinds(self, last: int) -> list[str]:
        return [type(event).__name__ for event in self.journal[-last:]]
