"""Any commands in any order: nothing but refusals, never a state outside the tables, and the journal tells it all."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine import commands as c
from engine.errors import Refused
from engine.model import Mode, OnError, Override, PersonId, Run, RunState, StageKind, StageRule, StageState, Verdict
from engine.transitions import ACCEPTS, ENGINE, consequence, missing_reviewers, needs_worker
from engine.voting import dead_end
from tests.support.engine import Story
from tests.support.store import ANN, BOB, EVE

S, R = StageState, RunState
KEYS = ("webhook:a", "channel:b")
OPEN = {S.PENDING, S.AWAITING_TRIGGER, S.RUNNING, S.AWAITING_REVIEW, S.HELD, S.FROZEN}
AT_REST = {
    R.QUEUED: {S.PENDING},
    R.RUNNING: {S.RUNNING},
    R.WAITING: {S.PENDING, S.AWAITING_TRIGGER, S.AWAITING_REVIEW, S.HELD, S.FROZEN},
}
"""In which states the present stage of a run can rest that is not being taken back."""


@st.composite
def stage_rules(draw: st.DrawFn) -> StageRule:
    kind = draw(st.sampled_from(StageKind))
    people = draw(st.lists(st.sampled_from((ANN, BOB)), min_size=1, unique=True)) if kind is StageKind.REVIEW else ()
    return StageRule(
        name=kind.value,
        kind=kind,
        on_error=draw(st.sampled_from(OnError)),
        hold=timedelta(hours=1),
        conditions=tuple(draw(st.lists(st.sampled_from(KEYS), unique=True))),
        mode=draw(st.sampled_from(Mode)),
        reviewers=tuple(people),
        votes_needed=draw(st.sampled_from(Mode)),
        take_back_on_refusal=draw(st.booleans()),
        deadline=timedelta(hours=1) if kind in (StageKind.REVIEW, StageKind.GRAY) else None,
        pass_on_deadline=draw(st.booleans()),
        keep_on_deadline=draw(st.booleans()),
        at_least=draw(st.integers(0, len(people))),
        no_self_approval=draw(st.booleans()),
        deputies=draw(st.sampled_from(((), (EVE,)))),
        escalate_after=draw(st.sampled_from((None, timedelta(minutes=30)))),
    )


def off(number: int) -> st.SearchStrategy[int]:
    """Mostly the number itself, sometimes another one."""
    return st.sampled_from((number, number, number, number, number - 1, number + 1))


class AnyCommands(RuleBasedStateMachine):
    """One run, at the hands of everybody at once."""

    @initialize(rules=st.lists(stage_rules(), min_size=1, max_size=5))
    def begin(self, rules: list[StageRule]) -> None:
        self.story = Story(rules)
        self.attempts = [0] * len(rules)
        self.furthest = 0

    def say(self, command: c.Command) -> None:
        """Submit; a `Refused` is an answer, anything else that is raised is a bug. Replay is checked by the story."""
        before = self.story.run
        try:
            self.story.say(command)
        except Refused:
            return
        self.check_move(before, command)

    def check_move(self, before: Run, command: c.Command) -> None:
        after = self.story.run
        if before.state.is_over:
            said = {"GrayReminded", "GrayKept", "GrayEnded"}
            assert set(self.story.kinds(after.seq - before.seq)) <= said, "nothing else happens to a run that is over"
            assert replace(after, seq=0, gray_until=None) == replace(before, seq=0, gray_until=None)
            return
        assert after.seq == len(self.story.journal) > before.seq
        if before.unwinding is None:
            assert (before.stage.state, type(command)) in ACCEPTS
        if after.position < before.position:
            assert {"ReturnedToStart", "VotesVoided"} & set(self.story.kinds(after.seq - before.seq))
        if before.unwinding is not None:
            ended = R.FAILED if isinstance(command, c.GiveUp) else before.unwinding.final
            assert after.unwinding == before.unwinding or after.state is ended

    @rule(by=st.sampled_from((ANN, ENGINE)))
    def admit(self, by: PersonId) -> None:
        self.say(c.Admit(run=self.story.run.id, by=by))

    @rule()
    def stop(self) -> None:
        self.say(c.Stop(run=self.story.run.id, by=ANN))

    @rule()
    def roll_back(self) -> None:
        self.say(c.RollBack(run=self.story.run.id, by=ANN))

    @rule()
    def give_up(self) -> None:
        self.say(c.GiveUp(run=self.story.run.id, by=ANN))

    @rule()
    def retry(self) -> None:
        self.say(c.Retry(run=self.story.run.id, by=ANN))

    @rule(
        by=st.sampled_from((ANN, BOB, EVE)),
        verdict=st.sampled_from(Verdict),
        fingerprint=st.sampled_from(("", "1", "2")),
    )
    def vote(self, by: PersonId, verdict: Verdict, fingerprint: str) -> None:
        self.say(c.CastVote(run=self.story.run.id, by=by, verdict=verdict, fingerprint=fingerprint))

    @rule(percent=st.integers(-1, 101))
    def split(self, percent: int) -> None:
        self.say(c.ChangeShare(run=self.story.run.id, by=ANN, percent=percent))

    @rule()
    def adopt(self) -> None:
        self.say(c.Adopt(run=self.story.run.id, by=ANN, shown={"disputes": [], "hotfix": True}))

    @rule(key=st.sampled_from((*KEYS, "webhook:else")))
    def meet(self, key: str) -> None:
        self.say(c.MeetCondition(run=self.story.run.id, by=ENGINE, key=key, variables={"tag": key}))

    @rule(data=st.data(), kind=st.sampled_from((c.Remind, c.Expire, c.Escalate)), wait=st.sampled_from((0, 30, 90)))
    def clock(self, data: st.DataObject, kind: type[c.Remind | c.Expire | c.Escalate], wait: int) -> None:
        self.story.clock.pass_time(timedelta(minutes=wait))
        run = self.story.run
        stage, attempt = data.draw(off(run.position)), data.draw(off(run.stage.attempt))
        self.say(kind(run=run.id, by=ENGINE, stage=stage, attempt=attempt))

    @rule(second=st.sampled_from((ANN, BOB)), thaw=st.booleans())
    def let_through(self, second: PersonId, thaw: bool) -> None:  # noqa: FBT001 - drawn by name
        run = self.story.run
        if thaw:
            self.say(c.Thaw(run=run.id, by=ENGINE))
            return
        override = Override(ANN, second, "The checkout is broken.", self.story.clock.now())
        self.say(c.OverruleFreezes(run=run.id, by=second, override=override))
        assert self.story.run.override is None or self.story.run.override.confirmed_by is BOB

    @rule(what=st.sampled_from(("remind", "expire", "end")), wait=st.sampled_from((0, 40, 90)))
    def clock_of_gray(self, what: str, wait: int) -> None:
        self.story.clock.pass_time(timedelta(minutes=wait))
        run = self.story.run
        match what:
            case "remind":
                self.say(c.RemindGray(run=run.id, by=ENGINE))
            case "expire":
                self.say(c.ExpireGray(run=run.id, by=ENGINE))
            case _:
                self.say(c.EndGray(run=run.id, by=ENGINE, reason="shop-2 took its place."))

    @precondition(lambda self: needs_worker(self.story.run))
    @rule(release=st.booleans())
    def work(self, release: bool) -> None:  # noqa: FBT001 - drawn by name
        """Do what a worker would do with success, so that runs get far."""
        run, about = self.story.run, self.story.about()
        if release and run.stage.kind in (StageKind.GRAY, StageKind.OFFICIAL):
            self.say(c.ReportNote(**about, note="launch", outputs={"release": f"r{run.seq}"}))
        if run.unwinding is not None:
            self.say(c.ReportUnwound(**about))
        elif run.stage.kind is StageKind.REVIEW:
            deadline = self.story.clock.now() + timedelta(hours=1)
            self.say(c.ReportReview(**about, fingerprint="1", plan={}, deadline=deadline))
        else:
            self.say(c.ReportSuccess(**about))

    @rule(data=st.data(), what=st.integers(0, 6))
    def report_anything(self, data: st.DataObject, what: int) -> None:
        run = self.story.run
        stage, attempt = data.draw(off(run.position)), data.draw(off(run.stage.attempt))
        about = {**self.story.about(), "stage": stage, "attempt": attempt, "seen": data.draw(st.none() | off(run.seq))}
        deadline = self.story.clock.now() + timedelta(hours=1)
        reports = (
            c.ReportSuccess(**about),
            c.ReportFailure(**about, reason="It broke."),
            c.ReportNote(**about, note="so far", outputs={"n": run.seq}),
            c.ReportReview(**about, fingerprint="2", plan={}, deadline=deadline),
            c.ReportChanged(**about, review=data.draw(st.integers(-1, 5)), difference="other"),
            c.ReportUnwound(**about),
            c.ReportFrozen(**about, until=deadline, sentence="Everything is frozen."),
        )
        self.say(reports[what])

    @invariant()
    def it_rests_where_the_tables_say(self) -> None:
        run = self.story.run
        assert consequence(run, self.story.clock.now()) is None, "what follows of itself has followed"
        if run.state.is_over:
            assert run.unwinding is None
            assert not run.paused
            assert run.ended_at is not None
            assert not OPEN & set(self.story.states())
        elif run.unwinding is None:
            assert run.stage.state in AT_REST[run.state]
            assert run.paused == (run.state is R.WAITING and run.stage.state is S.PENDING)
        else:
            assert run.state is R.RUNNING
            assert needs_worker(run)

    @invariant()
    def attempts_are_never_used_twice(self) -> None:
        now = [stage.attempt for stage in self.story.run.stages]
        assert all(after >= before for before, after in zip(self.attempts, now, strict=True))
        self.attempts = now

    @invariant()
    def what_is_open_has_a_deadline(self) -> None:
        stage = self.story.run.stage
        if self.story.run.unwinding is None and stage.state in (S.HELD, S.AWAITING_REVIEW):
            assert stage.deadline is not None

    @invariant()
    def a_gray_release_that_is_left_alone_has_an_end_and_no_other_has(self) -> None:
        run, happened = self.story.run, set(self.story.kinds(self.story.run.seq))
        is_alone = run.state.is_over or (run.unwinding is None and run.stage.state in (S.PENDING, S.AWAITING_TRIGGER))
        official = [stage for stage in run.stages if stage.kind is StageKind.OFFICIAL and stage.outputs]
        placed = any(
            stage.kind is StageKind.GRAY and {"release", "placed"} & set(stage.outputs) for stage in run.stages
        )
        if not is_alone or not placed or "UnwindingBegan" in happened:
            assert run.gray_until is None
        elif not official and "GrayEnded" not in happened:
            assert run.gray_until is not None

    @invariant()
    def nothing_official_without_the_votes(self) -> None:
        run = self.story.run
        if run.state.is_over or run.unwinding is not None:
            return
        for stage, rule_ in zip(run.stages[: run.position], run.rules, strict=False):
            assert stage.state in (S.SUCCEEDED, S.IGNORED)
            by_time = rule_.pass_on_deadline and "passed" in stage.outputs
            if stage.kind is StageKind.REVIEW and stage.state is S.SUCCEEDED and not by_time:
                passed = {vote.person for vote in stage.votes if vote.verdict is Verdict.APPROVE}
                assert len(passed) >= max(1, rule_.at_least)
                assert run.requested_by not in passed or not rule_.no_self_approval
                assert passed <= {*rule_.reviewers} or (stage.is_escalated and passed <= {ANN, BOB, EVE})


TestAnyCommands = AnyCommands.TestCase


@given(st.lists(stage_rules(), min_size=1, max_size=6))
def test_a_run_that_meets_no_trouble_reaches_its_end(rules: list[StageRule]) -> None:
    story = Story(rules)
    assume(not any(dead_end(rule_, story.run.requested_by) for rule_ in rules))
    for key in {key for rule_ in rules for key in rule_.conditions}:
        story.meet(key)
    story.admitted()
    while not story.run.state.is_over:
        if story.run.stage.kind is not StageKind.REVIEW:
            story.succeed()
            continue
        story.ask()
        while story.run.stage.state is S.AWAITING_REVIEW:
            if people := missing_reviewers(story.run):
                story.vote(people[-1])
            else:
                can_turn_to = story.run.rule.escalate_after and not story.run.stage.is_escalated
                story.clock.pass_time(timedelta(minutes=30 if can_turn_to else 60))
                story.escalate() if can_turn_to else story.expire()
    assert story.run.state is R.SUCCEEDED
    assert set(story.states()) == {S.SUCCEEDED}
