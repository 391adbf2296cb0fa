"""Votes, deadlines, splits, and plans that change under a review."""

from datetime import timedelta
from typing import Any

import pytest

from engine import commands as c
from engine.model import Mode, PersonId, RunState, StageState, Verdict
from engine.transitions import ENGINE, missing_reviewers, needs_worker
from tests.support.engine import BUILD, GRAY, HOUR, OFFICIAL, Story, review
from tests.support.store import ANN, BOB, EVE

S, R = StageState, RunState


def asked(*reviewers: PersonId, needed: Mode = Mode.ANY, take_back: bool = True) -> Story:
    rules = [GRAY, review(*reviewers, needed=needed, take_back=take_back), OFFICIAL]
    return Story(rules).admitted().succeed().ask()


def cast(story: Story, by: PersonId = ANN, verdict: Verdict = Verdict.APPROVE, **seen: Any) -> c.CastVote:
    return c.CastVote(run=story.run.id, by=by, verdict=verdict, **seen)


def test_one_approval_is_enough_when_one_is_asked_for() -> None:
    story = asked().vote(BOB)
    assert story.kinds(3) == ["Voted", "StageSucceeded", "StageStarted"]
    assert story.run.stage.name == "official"


def test_all_reviewers_have_to_approve_when_all_are_asked_for() -> None:
    story = asked(needed=Mode.ALL).vote(ANN)
    assert (story.run.state, missing_reviewers(story.run)) == (R.WAITING, (BOB,))
    assert story.vote(BOB).run.stage.name == "official"


@pytest.mark.parametrize("needed", Mode)
def test_a_refused_review_stops_the_official_release(needed: Mode) -> None:
    story = asked(needed=needed).vote(BOB, Verdict.REJECT, "Errors in checkout.")
    assert story.run.unwinding is not None
    assert story.unwound().run.state is R.REJECTED
    assert story.run.reason == "bob refused: Errors in checkout."
    assert story.states() == [S.SUCCEEDED, S.REJECTED, S.SKIPPED]


def test_a_refusal_can_leave_gray_where_it_is() -> None:
    story = asked(take_back=False).vote(ANN, Verdict.REJECT)
    assert (story.run.state, story.run.reason) == (R.REJECTED, "ann refused.")
    assert story.kinds(2) == ["StageRejected", "RunEnded"]


def test_a_reviewer_may_change_their_mind_until_it_is_decided() -> None:
    story = asked(needed=Mode.ALL).vote(ANN).vote(ANN, Verdict.REJECT)
    assert story.run.stage.state is S.REJECTED
    assert [(vote.person, vote.verdict) for vote in story.run.stage.votes] == [(ANN, Verdict.REJECT)]
    assert "is being taken back" in str(story.refusal(cast(story)))


def test_outsiders_cannot_decide() -> None:
    story = asked()
    assert str(story.refusal(cast(story, EVE))) == "Only ann and bob can decide about review of run shop-1."


def test_a_second_press_is_counted_once() -> None:
    story = asked(needed=Mode.ALL).vote(ANN)
    assert "it is counted once" in str(story.refusal(cast(story)))


@pytest.mark.parametrize("seen", [{"attempt": 2}, {"fingerprint": "f0"}, {"stage": 0}])
def test_a_stale_button_is_told_apart(seen: dict[str, Any]) -> None:
    story = asked()
    refused = story.refusal(cast(story, **seen))
    assert (str(refused), refused.hint) == (
        "That button belongs to an earlier review of run shop-1; nothing was counted.",
        "Use the newest card.",
    )
    story.say(cast(story, stage=1, attempt=1, fingerprint="f1"))


def test_nobody_deciding_in_time_is_a_refusal() -> None:
    story = asked()
    story.clock.pass_time(HOUR)
    story.expire()
    assert story.run.stage.state is S.REJECTED
    assert story.unwound().run.reason == "Nobody decided before the deadline."


def test_a_review_is_passed_by_people_alone() -> None:
    story = Story([review(), OFFICIAL]).admitted()
    assert "only its reviewers can pass it" in str(story.refusal(c.ReportSuccess(**story.about())))
    story.ask()
    assert "cannot be changed now" in str(story.refusal(c.ReportSuccess(**story.about())))


def test_another_split_voids_the_votes_and_asks_again() -> None:
    story = asked(needed=Mode.ALL).vote(ANN)
    story.clock.pass_time(timedelta(minutes=50))
    story.share(40)
    stage = story.run.stage
    assert story.kinds(2) == ["ShareChanged", "VotesVoided"]
    assert (stage.state, stage.votes, stage.fingerprint, stage.deadline) == (S.RUNNING, (), "", None)
    assert stage.note == ("The gray share was changed from as defined to 40 %; what was voted before does not count.")
    assert needs_worker(story.run)
    assert story.run.share == 40
    assert "belongs to an earlier review" in str(story.ask("f2").refusal(cast(story, BOB, fingerprint="f1")))
    assert story.vote(ANN).run.stage.state is S.AWAITING_REVIEW


def test_the_time_of_a_review_that_is_asked_again_begins_anew() -> None:
    """The worker holds a running stage against its timeout: an old start would fail it at once."""
    story = asked()
    story.clock.pass_time(timedelta(minutes=50))
    assert story.share(40).run.stage.started_at == story.clock.now()


def test_a_split_is_a_percentage_that_is_not_set_already() -> None:
    story = asked().share(40).ask("f2")
    assert "is set to 40 % already" in str(story.refusal(c.ChangeShare(run=story.run.id, by=ANN, percent=40)))
    for percent in (-1, 101):
        refused = story.refusal(c.ChangeShare(run=story.run.id, by=ANN, percent=percent))
        assert str(refused) == f"{percent} is not a share."
        assert f"`split {story.run.id} 20`" in refused.hint


def test_without_gray_there_is_nothing_to_split() -> None:
    for story in (Story([BUILD]).admitted(), Story([review(), OFFICIAL]).admitted().ask()):
        refused = story.refusal(c.ChangeShare(run=story.run.id, by=ANN, percent=5))
        assert "has no gray release to split traffic with now" in str(refused)


def test_what_was_looked_at_under_another_split_is_not_reported() -> None:
    """The share may change between the worker's look and its report: the review would open on the wrong plan."""
    story = Story([GRAY, review(), OFFICIAL]).admitted()
    seen = story.run.seq
    story.share(40)
    late = c.ReportSuccess(**story.about(), seen=seen)
    assert "was changed while stage gray was looked at" in str(story.refusal(late))
    story.succeed()
    seen = story.run.seq
    story.share(50)
    late_question = c.ReportReview(
        **story.about(), seen=seen, fingerprint="f", plan={}, deadline=story.clock.now() + HOUR
    )
    assert "was changed while stage review was looked at" in str(story.refusal(late_question))


def test_a_plan_that_changed_after_the_votes_is_voted_on_again() -> None:
    story = asked().vote(ANN)
    story.changed(review_at=1)
    assert story.states() == [S.SUCCEEDED, S.RUNNING, S.PENDING]
    assert (story.run.position, story.run.stage.votes, story.run.stage.note) == (1, (), "image v1 is now v2")
    story.ask("f2").vote(BOB)
    assert story.run.stage.name == "official"
    assert story.run.stage.attempt == 2, "an attempt is never used twice"


def test_only_a_passed_review_can_begin_again() -> None:
    story = asked().vote(ANN)
    for position in (0, 2, 7, -2):
        refused = story.refusal(c.ReportChanged(**story.about(), review=position, difference="x"))
        assert "has passed no review at stage" in str(refused)


def test_a_reminder_changes_nothing_else() -> None:
    story = asked(needed=Mode.ALL).vote(ANN)
    before = story.run.stage
    story.say(c.Remind(run=story.run.id, by=ENGINE, stage=1, attempt=1))
    assert story.run.stage == before
    assert story.kinds(1) == ["Reminded"]
