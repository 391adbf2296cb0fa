"""Every state of a stage against every command: what stands in the table is taken, everything else is refused."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest

from engine import commands as c
from engine import events as e
from engine.errors import InvariantViolation, Refused
from engine.model import OnError, Override, RunState, StageState, Verdict
from engine.transitions import ACCEPTS, ENGINE, OVER_ACCEPTS, RUN_NEXT, STAGE_NEXT, UNWINDING_ACCEPTS, evolve
from tests.support.engine import GRAY, HOUR, OFFICIAL, SOURCE, Story, escalating, failing, gated
from tests.support.store import ANN, BOB

S = StageState


def paused() -> Story:
    return Story([failing(OnError.RETURN_TO_START), GRAY, gated("webhook:go")]).admitted().fail()


def in_gray() -> Story:
    return Story([GRAY, gated("webhook:go"), OFFICIAL]).admitted().note("launch", release="shop@2")


REACHED: Mapping[StageState, Callable[[], Story]] = {
    S.PENDING: lambda: Story([gated("webhook:go"), GRAY]),
    S.AWAITING_TRIGGER: lambda: Story([GRAY, gated("webhook:go")]).admitted().succeed(),
    S.RUNNING: in_gray,
    S.AWAITING_REVIEW: lambda: Story([GRAY, escalating(), gated("webhook:go")]).admitted().succeed().ask(),
    S.HELD: lambda: in_gray().fail(),
    S.FROZEN: lambda: in_gray().freeze(),
}


def commands_for(story: Story) -> dict[type[c.Command], c.Command]:
    run = story.run
    who: dict[str, Any] = {"run": run.id, "by": ANN}
    about = story.about()
    clock: dict[str, Any] = {"run": run.id, "by": ENGINE, "stage": run.position, "attempt": run.stage.attempt}
    deadline = story.clock.now() + HOUR
    made: list[c.Command] = [
        c.Admit(**who),
        c.Stop(**who),
        c.RollBack(**who),
        c.GiveUp(**who),
        c.Retry(**who),
        c.Adopt(**who, shown={"disputes": []}),
        c.CastVote(**who, verdict=Verdict.APPROVE),
        c.ChangeShare(**who, percent=30),
        c.MeetCondition(**who, key="webhook:go"),
        c.Expire(**clock),
        c.Remind(**clock),
        c.Escalate(**clock),
        c.Thaw(**who),
        c.OverruleFreezes(**who, override=Override(ANN, BOB, "The checkout is broken.", story.clock.now())),
        c.RemindGray(**who),
        c.ExpireGray(**who),
        c.EndGray(**who, reason="shop-2 took its place."),
        c.ReportNote(**about, note="so far"),
        c.ReportReview(**about, fingerprint="f", plan={}, deadline=deadline),
        c.ReportSuccess(**about),
        c.ReportFailure(**about, reason="It broke."),
        c.ReportChanged(**about, review=0, difference="other"),
        c.ReportFrozen(**about, until=deadline, sentence="Everything is frozen."),
        c.ReportUnwound(**about),
    ]
    return {type(command): command for command in made}


COMMANDS = tuple(commands_for(in_gray()))
NEEDS_MORE = {
    (S.PENDING, c.Retry): "only after a return to the start",
    (S.PENDING, c.RollBack): "nothing was placed yet",
    (S.PENDING, c.RemindGray): "a gray release has to be left alone",
    (S.PENDING, c.ExpireGray): "a gray release has to be left alone",
    (S.AWAITING_TRIGGER, c.RemindGray): "a gray release has to be left alone",
    (S.AWAITING_TRIGGER, c.ExpireGray): "a gray release has to be left alone",
    (S.RUNNING, c.ReportReview): "only a review can be opened",
    (S.RUNNING, c.ReportChanged): "a review has to have been passed",
}
"""Moves of the table that ask for more than the state of the stage; each has a test of its own."""


def test_every_command_is_tried() -> None:
    kinds = {kind for _, kind in ACCEPTS} | set(UNWINDING_ACCEPTS) | set(OVER_ACCEPTS)
    assert kinds == set(COMMANDS)
    assert {state for state, _ in ACCEPTS} == set(REACHED)


@pytest.mark.parametrize("kind", COMMANDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("state", REACHED)
def test_only_what_stands_in_the_table_is_accepted(state: StageState, kind: type[c.Command]) -> None:
    story = REACHED[state]()
    assert story.run.stage.state is state
    command = commands_for(story)[kind]
    story.clock.pass_time(timedelta(days=30))
    expected = ACCEPTS.get((state, kind))
    if expected is None or (state, kind) in NEEDS_MORE:
        assert story.refusal(command).args[0].startswith((f"Run {story.run.id} ", f"Stage {story.run.stage.name} "))
        return
    before = len(story.journal)
    story.say(command)
    began = type(story.journal[before])
    assert began is expected or (state, kind) == (S.PENDING, c.Stop)


@pytest.mark.parametrize("kind", COMMANDS, ids=lambda kind: kind.__name__)
def test_a_run_that_goes_back_takes_words_of_its_worker_and_of_who_gives_it_up(kind: type[c.Command]) -> None:
    story = in_gray().stop()
    command = commands_for(story)[kind]
    if kind in UNWINDING_ACCEPTS:
        story.say(command)
        assert type(story.journal[-1]) is UNWINDING_ACCEPTS[kind]
    else:
        assert "is being taken back" in str(story.refusal(command))


@pytest.mark.parametrize("kind", COMMANDS, ids=lambda kind: kind.__name__)
def test_a_run_that_is_over_takes_nothing(kind: type[c.Command]) -> None:
    story = Story([SOURCE]).admitted().succeed()
    assert story.run.state is RunState.SUCCEEDED
    refused = story.refusal(commands_for(story)[kind])
    assert str(refused).startswith("Run shop-1 is succeeded; it cannot be ")


@pytest.mark.parametrize(
    "kind", [kind for kind in COMMANDS if issubclass(kind, c.Report | c.Expire | c.Remind | c.Escalate)]
)
@pytest.mark.parametrize(("stage", "attempt"), [(0, 2), (1, 1), (0, 0), (-1, 1)])
def test_a_report_about_another_attempt_changes_nothing(kind: type[c.Command], stage: int, attempt: int) -> None:
    story = in_gray()
    facts = {name: getattr(commands_for(story)[kind], name) for name in kind.__dataclass_fields__}
    refused = story.refusal(kind(**{**facts, "stage": stage, "attempt": attempt}))
    assert "is at stage gray, attempt 1" in str(refused)


def test_paused_runs_are_sent_off_again_by_retry_alone() -> None:
    assert "has begun already" in str(paused().refusal(c.Admit(run=paused().run.id, by=ENGINE)))
    story = paused().retry()
    assert story.kinds(2) == ["RunResumed", "StageStarted"]
    assert story.run.stage.attempt == 2


def test_every_event_that_moves_a_stage_moves_the_run_too() -> None:
    assert {kind for _, kind in STAGE_NEXT} <= set(RUN_NEXT)


@pytest.mark.parametrize("state", REACHED)
def test_no_event_happens_in_a_state_that_the_tables_do_not_name(state: StageState) -> None:
    """What `evolve` is given beside the tables is a bug, and is called one."""
    story = REACHED[state]()
    event = e.StageIgnored(at=story.clock.now(), by=ENGINE, stage=story.run.position)
    with pytest.raises(InvariantViolation):
        evolve(story.run, event)
    with pytest.raises(InvariantViolation):
        evolve(None, event)


def test_a_refusal_says_what_to_do_instead() -> None:
    story = in_gray()
    vote = commands_for(story)[c.CastVote]
    refused: Refused = story.refusal(vote)
    assert str(refused) == "Run shop-1 is at stage gray, which is running; it cannot be voted on now."
    assert refused.hint == "A review has to be open."
