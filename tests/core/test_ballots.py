"""What a review's card says about who may not pass it."""

from dataclasses import replace

import pytest

from bot.ballots import about_voters
from engine.model import PersonId, Run, StageKind, StageRule, StageRun, StageState
from tests.support.store import ANN, BOB, a_run


def in_review(by: str, *, no_self_approval: bool = True) -> Run:
    rule = StageRule("review", StageKind.REVIEW, reviewers=(ANN, BOB), no_self_approval=no_self_approval)
    run = a_run(rules=(rule,))
    stage: StageRun = replace(run.stages[0], state=StageState.AWAITING_REVIEW)
    return replace(run, stages=(stage,), position=0, requested_by=PersonId(by))


@pytest.mark.parametrize("by", ["github:octo", "git.example.com:octo"])
def test_a_review_says_that_nobody_is_barred_for_a_login_that_is_no_persons(by: str) -> None:
    [field] = about_voters(in_review(by))
    assert by in field.value
    assert "nobody is kept from passing it" in field.value


def test_a_review_names_the_person_who_is_barred() -> None:
    [field] = about_voters(in_review("ann"))
    assert field.value == "ann, who asked for the run"


@pytest.mark.parametrize("by", ["hook:deploys", "sluice", "eve"])
def test_where_nobody_pushed_as_a_stranger_nothing_is_said_of_it(by: str) -> None:
    assert list(about_voters(in_review(by))) == []
    assert list(about_voters(in_review("github:octo", no_self_approval=False))) == []
