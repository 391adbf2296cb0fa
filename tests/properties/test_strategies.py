"""Every strategy, under any order of asking, failing, waiting, changing the share and changing one's mind."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine.rollout.fleet import Done, Goal, GoalKind, HeaderTest, Matcher, ReleaseId, Rule, Wait
from engine.rollout.rolling import InstanceState
from engine.rollout.strategies import STRATEGIES, next_move
from engine.stages.rollout import WATCHED
from tests.support.model_fleet import ModelFleet

R0, R1, R2, LEFT = ReleaseId("hello@0"), ReleaseId("hello@1"), ReleaseId("hello@2"), ReleaseId("hello@left")
TESTERS = (Rule((HeaderTest("x-tester", Matcher.EXACT, "yes"),), "testers"),)
SHARED = st.sampled_from([1, 20, 50, 99])
QUICK = settings(max_examples=250, stateful_step_count=60, suppress_health_check=list(HealthCheck))


@st.composite
def goals(draw: st.DrawFn, share: st.SearchStrategy[int] = SHARED) -> Goal:
    instances = draw(st.integers(2, 5))
    return Goal(
        GoalKind.GRAY,
        R2,
        R1,
        instances,
        gray_instances=draw(st.integers(1, instances - 1)),
        share=draw(share),
        rules=draw(st.sampled_from([(), TESTERS])),
        max_unavailable=draw(st.integers(0, 2)),
        drain=timedelta(seconds=draw(st.sampled_from([0, 5]))),
        hold=timedelta(seconds=draw(st.sampled_from([0, 20]))),
        after_hold=draw(st.sampled_from(["upgrade", "remove"])),
        shelter=draw(st.booleans()),
    )


def first(goal: Goal, release: ReleaseId) -> Goal:
    return replace(goal, kind=GoalKind.PROMOTE, new=release, old=None)


def deployed(strategy: str, goal: Goal, *releases: ReleaseId) -> ModelFleet:
    """Deploy `releases` everywhere, one after another, without any failure."""
    model = ModelFleet(drain=goal.drain)
    for release in releases:
        model.reach(strategy, first(goal, release))
    return model


def least(goal: Goal) -> int:
    """How many ready instances the settings promise to plain requests, whatever part of them gray gets."""
    return max(1, goal.instances - goal.max_unavailable)


def assert_reached(model: ModelFleet, goal: Goal) -> None:
    fleet, kind = model.observe(), goal.kind
    if kind is GoalKind.ROLL_BACK and goal.old is None:
        assert not fleet.groups
        return
    seen = {copy.release for copy in model.plain()}
    if kind is not GoalKind.GRAY:
        assert seen == {goal.new if kind is GoalKind.PROMOTE else goal.old}
        kept = goal.shelter and kind is GoalKind.ROLL_BACK  # none of them ends while requests reach it
        assert len(model.plain()) == goal.instances or (kept and len(model.plain()) > goal.instances)
        assert fleet.route.matched is None
    elif goal.old in {group.release for group in fleet.groups.values()}:
        assert sorted(fleet.route.weights.values()) == sorted(part for part in (goal.share, 100 - goal.share) if part)
        assert goal.new in {copy.release for copy in model.ready()}
    assert model.asked == model.effective


class Rollout(RuleBasedStateMachine):
    """One workload whose strategy forgets everything between any two askings."""

    strategy = "canary"
    model: ModelFleet
    goal: Goal

    @initialize(
        goal=goals(),
        before=st.sampled_from([(), (R1,), (R0, R1)]),
        bad=st.booleans(),
        more=st.sampled_from([0, 0, 3]),
        left=st.booleans(),
    )
    def begin(self, goal: Goal, before: tuple[ReleaseId, ...], *, bad: bool, more: int, left: bool) -> None:
        self.model = deployed(self.strategy, replace(goal, instances=goal.instances + more), *before)
        self.model.loud = {R1} if before and goal.shelter else set()
        if before and left:
            self.model.reach(self.strategy, replace(goal, new=LEFT))
        self.model.least = least(goal) if before else 0
        self.model.bad = {R2} if bad else set()
        self.goal = replace(goal, old=R1 if before else None)

    @rule(passes=st.integers(1, 3))
    def ask(self, passes: int) -> None:
        for _ in range(passes):
            self.model.ask(self.strategy, self.goal)
            ready = {copy.group for copy in self.model.ready()}
            routed = {group for group, weight in self.model.asked.weights.items() if weight}
            assert not routed & ready or routed <= ready, "plain requests are left with a group that has nothing ready"

    @rule()
    def tend(self) -> None:
        self.model.tend()

    @rule()
    def take_up_route(self) -> None:
        self.model.take_up_route()

    @rule(passes=st.integers(1, 12))
    def go_on_without_failures(self, passes: int) -> None:
        for _ in self.model.settle(self.strategy, self.goal, passes):
            pass

    @precondition(lambda self: self.model.waiting())
    @rule(data=st.data())
    def an_instance_gets_ready(self, data: st.DataObject) -> None:
        self.model.change(data.draw(st.sampled_from(self.model.waiting())), InstanceState.READY)

    @precondition(lambda self: self.model.ready())
    @rule(data=st.data(), state=st.sampled_from([InstanceState.STARTING, InstanceState.UNREADY, None]))
    def an_instance_fails(self, data: st.DataObject, state: InstanceState | None) -> None:
        name = data.draw(st.sampled_from(sorted(copy.name for copy in self.model.ready())))
        self.model.fail(name, state)

    @rule(seconds=st.integers(1, 8))
    def time_passes(self, seconds: int) -> None:
        self.model.pass_time(timedelta(seconds=seconds))

    @rule(kind=st.sampled_from(GoalKind))
    def somebody_changes_their_mind(self, kind: GoalKind) -> None:
        self.goal = replace(self.goal, kind=kind)

    @rule(share=SHARED, data=st.data())
    def somebody_changes_the_share(self, share: int, data: st.DataObject) -> None:
        count = data.draw(st.integers(1, self.goal.instances - 1))
        self.goal = replace(self.goal, share=share, gray_instances=count)

    @precondition(lambda self: R2 in {copy.release for copy in self.model.plain()})
    @rule()
    def it_is_written_down_that_gray_has_had_its_share(self) -> None:
        self.goal = replace(self.goal, shared=True)

    @invariant()
    def no_promise_is_broken(self) -> None:
        if hasattr(self, "model"):
            assert not self.model.broken

    def teardown(self) -> None:
        if not hasattr(self, "model"):
            return
        if self.model.bad and self.goal.kind in (GoalKind.GRAY, GoalKind.PROMOTE):
            self.goal = replace(self.goal, kind=GoalKind.ROLL_BACK)
        self.model.reach(self.strategy, self.goal)
        if self.goal.kind is not GoalKind.ADOPT:
            assert_reached(self.model, self.goal)
        for _ in range(3):
            self.model.tend()
            self.model.pass_time(timedelta(seconds=60))
            assert self.model.ask(self.strategy, self.goal) == Done()
        assert not self.model.broken


class CanaryRollout(Rollout):
    strategy = "canary"


class IstioRollout(Rollout):
    strategy = "istio"


class BlueGreenRollout(Rollout):
    strategy = "blue_green"


TestCanaryRollout = CanaryRollout.TestCase
TestIstioRollout = IstioRollout.TestCase
TestBlueGreenRollout = BlueGreenRollout.TestCase
TestCanaryRollout.settings = QUICK
TestIstioRollout.settings = QUICK
TestBlueGreenRollout.settings = QUICK


@given(goal=goals(share=st.just(0)), strategy=st.sampled_from(sorted(STRATEGIES)), data=st.data())
@settings(QUICK, max_examples=150)
def test_a_header_only_rule_never_lets_a_plain_request_reach_the_new_release(
    goal: Goal, strategy: str, data: st.DataObject
) -> None:
    model = deployed(strategy, goal, *data.draw(st.sampled_from([(R1,), (R0, R1)])))
    stray = replace(goal, new=R0, share=50)
    if data.draw(st.booleans()):
        model.reach(strategy, stray)
    for _ in range(data.draw(st.integers(0, 8))):
        disturb(model, strategy, stray, data)
    goal = replace(goal, rules=TESTERS)
    for _ in range(40):
        disturb(model, strategy, goal, data)
        assert R2 not in {copy.release for copy in model.plain()}
    model.reach(strategy, goal)
    assert {copy.release for copy in model.plain()} == {R1}
    assert model.asked.matched is not None
    assert not model.broken


@given(goal=goals(), strategy=st.sampled_from(sorted(STRATEGIES)), kinds=st.sampled_from(["gray", "promote", "both"]))
@settings(QUICK, max_examples=100)
def test_a_release_that_never_gets_ready_gets_no_plain_request_and_takes_no_promised_capacity(
    goal: Goal, strategy: str, kinds: str
) -> None:
    model = deployed(strategy, goal, R1)
    model.bad, model.least = {R2}, least(goal)
    before = {"gray": [GoalKind.GRAY], "promote": [GoalKind.PROMOTE], "both": [GoalKind.GRAY, GoalKind.PROMOTE]}[kinds]
    for kind in before:
        for advice in model.settle(strategy, replace(goal, kind=kind), passes=30):
            assert advice != Done()
            assert {copy.release for copy in model.plain()} == {R1}
            assert len(model.plain()) >= least(goal)
    model.reach(strategy, replace(goal, kind=GoalKind.ROLL_BACK))
    assert_reached(model, replace(goal, kind=GoalKind.ROLL_BACK))
    assert not model.broken


@given(goal=goals(), strategy=st.sampled_from(sorted(STRATEGIES)), recreate=st.booleans(), data=st.data())
@settings(QUICK, max_examples=200)
def test_instances_that_cannot_leave_quietly_go_only_when_nobody_is_led_to_them(
    goal: Goal, strategy: str, *, recreate: bool, data: st.DataObject
) -> None:
    goal = replace(goal, shelter=True, recreate=recreate)
    found = data.draw(st.integers(0, 8), "more than the definition says")
    model = deployed(strategy, replace(goal, instances=goal.instances + found), R1)
    model.loud = {R1}
    if data.draw(st.booleans(), "a gray version was left"):
        model.reach(strategy, replace(goal, new=LEFT))
    new = data.draw(st.sampled_from([R2, R1, LEFT]))
    for kind in data.draw(st.lists(st.sampled_from([GoalKind.GRAY, GoalKind.ROLL_BACK]), max_size=2)):
        model.reach(strategy, replace(goal, new=new, kind=kind))
    ready = len(model.plain())
    for _ in model.settle(strategy, replace(goal, new=new, kind=GoalKind.PROMOTE)):
        assert len(model.plain()) >= min(ready, goal.instances)
    assert_reached(model, replace(goal, new=new, kind=GoalKind.PROMOTE))
    assert not model.broken


@given(goal=goals(), strategy=st.sampled_from(sorted(STRATEGIES)), passes=st.integers(0, 25))
@settings(QUICK, max_examples=150)
def test_a_promotion_aborted_at_any_pass_ends_with_everything_on_the_old_release(
    goal: Goal, strategy: str, passes: int
) -> None:
    model = deployed(strategy, goal, R1)
    model.least = least(goal)
    model.reach(strategy, goal)
    for _ in model.settle(strategy, replace(goal, kind=GoalKind.PROMOTE), passes):
        assert len(model.plain()) >= least(goal)
    for _ in model.settle(strategy, replace(goal, kind=GoalKind.ROLL_BACK)):
        assert len(model.plain()) >= least(goal)
    assert_reached(model, replace(goal, kind=GoalKind.ROLL_BACK))
    assert not model.broken


@given(goal=goals(), strategy=st.sampled_from(sorted(STRATEGIES)), data=st.data())
@settings(QUICK, max_examples=150)
def test_as_many_instances_as_were_promised_serve_after_all_of_gray_has_failed(
    goal: Goal, strategy: str, data: st.DataObject
) -> None:
    model, goal = in_review(strategy, goal)
    for _ in range(data.draw(st.integers(0, 8))):
        disturb(model, strategy, goal, data)
    model.bad = {R2}
    for copy in model.ready():
        if copy.release == R2:
            model.fail(copy.name, InstanceState.UNREADY)
    *_, last = model.settle(strategy, goal)
    assert isinstance(last, Wait)
    assert len(model.plain()) >= goal.instances
    assert not model.broken


@given(goal=goals(share=st.sampled_from([0, 1, 20, 50, 99])), strategy=st.sampled_from(sorted(STRATEGIES)))
@settings(QUICK, max_examples=100)
def test_while_people_are_asked_gray_that_comes_back_gets_its_share_back_without_a_launch(
    goal: Goal, strategy: str
) -> None:
    model, goal = in_review(strategy, goal)
    asked, count = model.asked, len(model.ready())
    model.bad = {R2}
    failed = [copy.name for copy in model.ready() if copy.release == R2]
    for name in failed:
        model.fail(name, InstanceState.UNREADY)
    watched(model, strategy, goal)
    assert R2 not in {copy.release for copy in model.plain()}
    model.bad = set()
    for name in failed:
        model.change(name, InstanceState.READY)
    watched(model, strategy, goal)
    assert model.asked == model.effective == asked
    assert len(model.ready()) == count
    assert model.ask(strategy, goal) == Done()
    assert not model.broken


def in_review(strategy: str, goal: Goal) -> tuple[ModelFleet, Goal]:
    """A fleet whose gray release has what it should have, and the goal from then on."""
    model = deployed(strategy, goal, R1)
    model.reach(strategy, goal)
    model.least = least(goal) if goal.share else 0
    return model, replace(goal, shared=True)


def watched(model: ModelFleet, strategy: str, goal: Goal) -> None:
    """Let time pass and do only what is done while people are asked, until it is nothing any more."""
    for _ in range(30):
        model.take_up_route()
        model.tend()
        for name in model.waiting():
            model.change(name, InstanceState.READY)
        model.pass_time(timedelta(seconds=2))
        advice = next_move(strategy, goal, model.observe(), model.now)
        if isinstance(advice, WATCHED):
            model.perform(advice)


def disturb(model: ModelFleet, strategy: str, goal: Goal, data: st.DataObject) -> None:
    """Let one thing happen: an answer, a pass, time, or something that goes wrong or right with an instance."""
    match data.draw(st.sampled_from(["ask", "tend", "route", "ready", "fail", "time", "go on"])):
        case "ask":
            model.ask(strategy, goal)
        case "tend":
            model.tend()
        case "route":
            model.take_up_route()
        case "ready" if model.waiting():
            model.change(data.draw(st.sampled_from(model.waiting())), InstanceState.READY)
        case "fail" if model.ready():
            names = sorted(copy.name for copy in model.ready())
            model.fail(data.draw(st.sampled_from(names)), InstanceState.UNREADY)
        case "go on":
            for _ in model.settle(strategy, goal, passes=4):
                pass
        case _:
            model.pass_time(timedelta(seconds=3))


@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
def test_every_strategy_can_be_asked_for_every_goal_on_an_empty_fleet(strategy: str) -> None:
    for kind in GoalKind:
        for old in (None, R1):
            model = ModelFleet()
            model.reach(strategy, Goal(kind, R2, old, instances=3, share=20))
