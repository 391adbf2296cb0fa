"""Reviews beyond one vote: quorum, no approval of one's own, deputies, reminders."""

from datetime import timedelta

import pytest

from bot.presenters import present_run
from engine import commands as c
from engine.errors import Refused
from engine.model import Mode, PersonId, RunState, StageKind, StageRule, StageState, Verdict
from engine.transitions import ENGINE, missing_reviewers
from engine.voting import check_dead_ends, dead_end, needed
from tests.support.bot import words_of
from tests.support.engine import GRAY, HOUR, OFFICIAL, Story, escalating, quorum
from tests.support.store import ANN, BOB, EVE

S, R = StageState, RunState
CLEO = PersonId("cleo")


def asked(rule: StageRule) -> Story:
    """A review that is open, of a run that ann has asked for."""
    return Story([GRAY, rule, OFFICIAL]).admitted().succeed().ask(within=24 * HOUR)


def cast(story: Story, by: PersonId, verdict: Verdict = Verdict.APPROVE) -> c.CastVote:
    return c.CastVote(run=story.run.id, by=by, verdict=verdict)


def words(story: Story) -> str:
    return words_of(present_run(story.run, story.clock.now()))


def test_at_least_so_many_have_to_pass() -> None:
    story = asked(quorum(ANN, BOB, CLEO, at_least=2))
    assert "At least 2 of 3 must pass" in words(story)
    story.vote(CLEO)
    assert (story.run.state, missing_reviewers(story.run)) == (R.WAITING, (ANN, BOB))
    assert "At least 2 of 3 must pass; 1 more" in words(story)
    assert story.vote(ANN).run.stage.name == "official"


def test_a_vote_that_is_given_twice_is_no_quorum() -> None:
    story = asked(quorum(ANN, BOB, CLEO, at_least=2)).vote(CLEO)
    assert "counted once" in str(story.refusal(cast(story, CLEO)))
    assert story.run.stage.state is S.AWAITING_REVIEW


def test_one_refusal_is_enough_against_any_quorum() -> None:
    story = asked(quorum(ANN, BOB, CLEO, at_least=2)).vote(CLEO).vote(BOB, Verdict.REJECT)
    assert story.run.unwinding is not None


def test_whoever_asked_for_the_run_cannot_pass_it_and_is_told_who_can() -> None:
    story = asked(quorum(ANN, BOB, no_self=True))
    refused = story.refusal(cast(story, ANN))
    assert str(refused) == "You asked for run shop-1 yourself, so somebody else has to pass review."
    assert refused.hint == "bob can. You may still refuse it."
    assert missing_reviewers(story.run) == (BOB,)
    assert "May not pass it\nann, who asked for the run" in words(story)
    assert story.vote(BOB).run.stage.name == "official"


def test_whoever_asked_for_the_run_may_refuse_it() -> None:
    assert asked(quorum(ANN, BOB, no_self=True)).vote(ANN, Verdict.REJECT).run.unwinding is not None


def test_where_all_must_pass_all_but_whoever_asked_must() -> None:
    story = asked(quorum(ANN, BOB, CLEO, needed=Mode.ALL, no_self=True))
    assert "2 of 2 must pass" in words(story)
    story.vote(BOB)
    assert (story.run.stage.state, missing_reviewers(story.run)) == (S.AWAITING_REVIEW, (CLEO,))
    assert story.vote(CLEO).run.stage.name == "official"


def test_without_the_rule_whoever_asked_may_pass_it() -> None:
    assert asked(quorum(ANN, BOB)).vote(ANN).run.stage.name == "official"


@pytest.mark.parametrize(
    ("rule", "can_pass"),
    [
        (quorum(ANN, no_self=True), False),
        (quorum(BOB, no_self=True), True),
        (quorum(ANN, BOB, at_least=2, no_self=True), False),
        (quorum(ANN, BOB, CLEO, at_least=2, no_self=True), True),
        (quorum(ANN, needed=Mode.ALL, no_self=True), False),
        (quorum(ANN, BOB, needed=Mode.ALL, no_self=True), True),
        (quorum(ANN, no_self=True, deputies=(EVE,), after=HOUR), True),
        (quorum(ANN, no_self=True, deputies=(ANN,), after=HOUR), False),
        (quorum(ANN, BOB, at_least=2, no_self=True, deputies=(EVE,), after=HOUR), True),
    ],
)
def test_a_review_that_nobody_could_pass_is_known_before_the_run(rule: StageRule, can_pass: bool) -> None:  # noqa: FBT001 - a column
    assert (dead_end(rule, ANN) == "") is can_pass
    assert dead_end(rule, PersonId("clock")) == ""
    if not can_pass:
        with pytest.raises(Refused, match=r"Nobody could pass review: it needs .* and ann asks for the run"):
            check_dead_ends((GRAY, rule), ANN)


@pytest.mark.parametrize(
    ("rule", "because"),
    [
        (quorum(ANN, BOB), ""),
        (quorum(ANN, BOB, needed=Mode.ALL), "bob is not known here"),
        (quorum(BOB, EVE), "bob and eve are not known here"),
        (quorum(ANN, BOB, no_self=True), "bob is not known here and ann asks for the run"),
        (quorum(BOB, deputies=(ANN,), after=HOUR), ""),
    ],
)
def test_a_review_of_people_who_are_not_known_is_a_dead_end(rule: StageRule, because: str) -> None:
    assert dead_end(rule, ANN, (ANN, CLEO)).endswith(f"and {because}." if because else "")
    assert bool(dead_end(rule, ANN, (ANN, CLEO))) is bool(because)


def test_deputies_may_vote_from_their_time_on_and_not_before() -> None:
    story = asked(escalating())
    early = story.refusal(cast(story, EVE))
    assert str(early) == "eve is a deputy for review of run shop-1, and may decide from 01 March, 13:00 UTC on."
    assert "Deputies\neve, from 01 March, 13:00 UTC" in words(story)
    story.refusal(c.Escalate(run=story.run.id, by=ENGINE, stage=1, attempt=1))
    story.clock.pass_time(HOUR)
    story.escalate()
    assert missing_reviewers(story.run) == (ANN, BOB, EVE)
    assert "Deputies\neve, since 01 March, 13:00 UTC" in words(story)
    assert "no deputies to turn to" in str(story.refusal(c.Escalate(run=story.run.id, by=ENGINE, stage=1, attempt=1)))
    assert story.vote(EVE).run.stage.name == "official"


def test_where_all_must_pass_a_deputy_stands_in_for_one_who_has_not_voted() -> None:
    rule = quorum(ANN, BOB, needed=Mode.ALL, deputies=(EVE,), after=HOUR)
    story = asked(rule).vote(BOB)
    story.clock.pass_time(HOUR)
    story.escalate()
    assert needed(rule, ANN) == 2
    assert story.vote(EVE).run.stage.name == "official"


def test_a_deputy_who_asked_for_the_run_cannot_pass_it() -> None:
    story = asked(quorum(BOB, no_self=True, deputies=(ANN, EVE), after=HOUR))
    story.clock.pass_time(HOUR)
    story.escalate()
    assert "You asked for run shop-1 yourself" in str(story.refusal(cast(story, ANN)))
    assert missing_reviewers(story.run) == (BOB, EVE)


def test_a_review_that_begins_again_is_the_reviewers_again_at_first() -> None:
    story = asked(escalating())
    story.clock.pass_time(HOUR)
    story.escalate().share(40)
    assert (story.run.stage.is_escalated, story.run.stage.deputies_from) == (False, None)
    story.ask("f2", within=24 * HOUR)
    assert story.run.stage.deputies_from == story.clock.now() + HOUR
    assert missing_reviewers(story.run) == (ANN, BOB)


def test_the_deadline_decides_whatever_quorum_was_missing() -> None:
    story = asked(quorum(ANN, BOB, CLEO, at_least=3)).vote(ANN)
    story.clock.pass_time(timedelta(days=1))
    assert story.expire().run.stage.state is S.REJECTED


def test_a_run_written_down_before_there_were_quorums_means_what_it_meant() -> None:
    old = StageRule("review", StageKind.REVIEW, reviewers=(ANN, BOB), votes_needed=Mode.ALL, deadline=HOUR)
    assert (needed(old, ANN), dead_end(old, ANN)) == (2, "")
    assert asked(old).vote(ANN).vote(BOB).run.stage.name == "official"
