"""Circles of pipelines: found in definitions, at the line that closes them."""

import pytest

from engine.channels import Wiring, circle, circle_complaints, hears, wiring_of
from engine.complaints import Complaint
from engine.pipeline import check, parse


def wired(name: str, starts: str = "", tells: str = "", waits: str = "") -> Wiring:
    return Wiring(name, frozenset(starts.split()), frozenset(waits.split()), frozenset(tells.split()))


def text(name: str, starts: str, tells: str) -> str:
    return f"""pipeline: {name}
starts: [{{channel: {starts}}}]
stages:
  - name: code
    source: {{git: "https://git.example.com/shop/api.git"}}
    tell:
      - channel: quiet
      - channel: {tells}
"""


def test_two_that_start_each_other_are_a_circle() -> None:
    both = [wired("a", "x", "y"), wired("b", "y", "x")]
    assert circle(both, "a") == (("a", "y"), ("b", "x"))


def test_one_that_starts_itself_is_a_circle() -> None:
    assert circle([wired("a", "x", "x")], "a") == (("a", "x"),)


def test_the_shortest_of_several_circles_is_named() -> None:
    many = [wired("a", "back", "go far"), wired("b", "go", "next"), wired("c", "next far", "back")]
    assert circle(many, "a") == (("a", "far"), ("c", "back"))


def test_a_line_of_pipelines_and_a_circle_elsewhere_are_no_circle_of_this_one() -> None:
    line = [wired("a", tells="x"), wired("b", "x", "y"), wired("c", "y", "y2"), wired("d", "z", "z")]
    assert circle(line, "a") == ()


def test_waiting_for_each_other_starts_nothing_and_is_no_circle() -> None:
    assert circle([wired("a", waits="x", tells="y"), wired("b", waits="y", tells="x")], "a") == ()


def test_a_definition_that_closes_a_circle_is_told_so_at_its_line() -> None:
    definition = parse(text("shop", "base-ready", "shop-ready"))
    others = [wired("base", "shop-ready", "base-ready"), wired("shop", "", "")]
    (complaint,) = circle_complaints(definition, others)
    assert complaint == Complaint(
        8,
        18,
        "stages[0].tell[1].channel",
        "closes a circle that would never end: shop tells shop-ready, which starts base, "
        "base tells base-ready, which starts shop",
        "another channel, or take one of the starts out",
    )


def test_what_a_definition_said_before_does_not_count() -> None:
    definition = parse(text("shop", "base-ready", "shop-ready"))
    assert list(circle_complaints(definition, [wired("shop", "shop-ready", "shop-ready")])) == []


@pytest.mark.parametrize("size", [2, 50, 400])
def test_a_large_circle_is_found(size: int) -> None:
    ring = [wired(f"p{n}", f"c{n}", f"c{(n + 1) % size}") for n in range(size)]
    assert len(circle(ring, "p0")) == size


def test_the_wiring_of_a_definition_is_read_from_starts_conditions_and_messages() -> None:
    assert wiring_of(parse(text("shop", "in", "out")).pipeline) == wired("shop", "in", "quiet out")


def test_who_is_not_heard_closes_no_circle() -> None:
    both = [wired("a", "x", "y"), wired("b", "y", "x")]
    assert circle(both, "a", lambda _teller, _channel, listener: listener != "b") == ()


def test_a_circle_through_hidden_pipelines_names_neither_them_nor_their_channels() -> None:
    definition = parse(text("shop", "base-ready", "shop-ready"))
    others = [wired("secret", "shop-ready", "inner"), wired("deep", "inner", "base-ready")]
    (complaint,) = circle_complaints(definition, others, hidden={"deep"})
    assert complaint.problem == (
        "closes a circle that would never end: shop tells shop-ready, which leads back to it through pipelines that "
        "you do not see"
    )


@pytest.mark.parametrize(
    ("heard", "teller", "group", "expected"),
    [
        ("", "base", "ours", True),
        ("", "base", "theirs", False),
        ("from: [base], ", "base", "theirs", True),
        ("from: [base], ", "other", "ours", False),
    ],
)
def test_a_listener_hears_its_own_group_or_whom_it_names(
    heard: str, teller: str, group: str, *, expected: bool
) -> None:
    (start,) = parse(text("shop", f"in, {heard}parameters: {{}}", "out")).pipeline.starts
    assert hears(start, "ours", teller, group) is expected


def test_whom_a_webhook_hears_is_no_pipeline() -> None:
    (complaint,) = check(text("shop", "x", "y").replace("{channel: x}", "{webhook: x, from: [base]}"))
    assert (complaint.path, complaint.problem) == ("starts[0].from", "is for channels: no pipeline tells this")
