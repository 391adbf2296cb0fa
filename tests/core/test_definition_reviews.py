"""The review section: what a number of votes may be, and what cannot come true is refused when it is defined."""

from datetime import timedelta

import pytest

from engine.model import Mode
from engine.pipeline import check, parse, stage_rules

PEOPLE = ("ann", "bob", "cleo", "dora")


def of(review: str) -> str:
    return f"pipeline: p\nstages:\n- name: r\n  review: {review}\n"


def test_every_setting_reaches_the_state_machine() -> None:
    text = of(
        "{reviewers: [ann, bob, cleo], mode: at least 2, no_self_approval: true, deputies: [dora], "
        "escalate_after: 4h, remind_after: 2h, remind_every: 3h, deadline: 2d}"
    )
    assert check(text, people=PEOPLE) == ()
    (rule,) = stage_rules(parse(text).pipeline)
    assert (rule.at_least, rule.no_self_approval, rule.deputies) == (2, True, ("dora",))
    hours = (rule.escalate_after, rule.remind_after, rule.remind_every)
    assert hours == tuple(timedelta(hours=hours) for hours in (4, 2, 3))


def test_a_review_without_them_asks_one_and_anybody() -> None:
    (rule,) = stage_rules(parse(of("{reviewers: [ann]}")).pipeline)
    assert (rule.at_least, rule.votes_needed, rule.no_self_approval, rule.deputies) == (0, Mode.ANY, False, ())


@pytest.mark.parametrize(
    ("review", "path", "problem", "instead"),
    [
        ("{reviewers: [ann, bob], mode: at least 3}", "mode", "asks for 3 votes of 2 reviewers", "at least 2"),
        ("{reviewers: [ann], mode: at least 2}", "mode", "asks for 2 votes of 1 reviewer", "more reviewers"),
        ("{reviewers: [ann], mode: at least 0}", "mode", "neither one nor all nor a number", "at least 2"),
        ("{reviewers: [ann], mode: two}", "mode", "'two' is neither one nor all", "at least 2"),
        ("{reviewers: [ann], mode: 2}", "mode", "'2' is neither one nor all", "at least 2"),
        ("{reviewers: [ann], no_self_approval: maybe}", "no_self_approval", "neither true nor false", "true or false"),
        ("{reviewers: [ann], deputies: [bob]}", "deputies", "are never asked", "escalate_after"),
        ("{reviewers: [ann], escalate_after: 1h}", "escalate_after", "has nobody to turn to", "deputies"),
        ("{reviewers: [ann], deputies: [ann], escalate_after: 1h}", "deputies", "who is a reviewer already", "people"),
        ("{reviewers: [ann], deputies: [bob, bob], escalate_after: 1h}", "deputies", "more than once", "once"),
        ("{reviewers: [ann], deputies: [bo], escalate_after: 1h}", "deputies[0]", "nobody is known as 'bo'", "bob"),
        (
            "{reviewers: [ann], deputies: [bob], escalate_after: 1d, deadline: 8h}",
            "escalate_after",
            "comes after the deadline of 8h",
            "a later deadline",
        ),
        ("{reviewers: [ann], deputies: [bob], escalate_after: 7d}", "escalate_after", "deadline of 7d", "less"),
        ("{reviewers: [ann], remind_after: 8h, deadline: 8h}", "remind_after", "after the deadline of 8h", "less"),
        ("{reviewers: [ann], remind_every: 1s}", "remind_every", "is too short", "1m or more"),
    ],
)
def test_what_cannot_come_true_is_refused_with_what_to_write(
    review: str, path: str, problem: str, instead: str
) -> None:
    (found,) = check(of(review), people=PEOPLE)
    assert (found.path, found.line) == (f"stages[0].review.{path}", 4)
    assert problem in found.problem
    assert instead in found.instead
