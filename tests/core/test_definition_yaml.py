"""YAML that no definition needs is refused, in bounded time; scalars stay what people wrote."""

import time

import pytest

from engine.pipeline import Complaint, check, parse, resolve
from engine.yaml_text import MAX_BYTES, read_yaml

PLAIN = "pipeline: p\nstages:\n- name: s\n  source:\n    git: https://h/r\n    tag: %s\n"
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join(['*' + before] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def only(text: str) -> Complaint:
    (complaint,) = check(text)
    return complaint


def test_a_definition_over_256_kib_is_refused_by_its_bytes() -> None:
    assert "262145 bytes" in only("#" * (MAX_BYTES + 1)).problem
    assert "bytes" in only("# " + "é" * (MAX_BYTES // 2)).problem
    assert check(PLAIN % "v1" + "#" * (MAX_BYTES - len(PLAIN % "v1"))) == ()


def test_an_alias_bomb_is_refused_where_it_passes_the_bound() -> None:
    complaint = only(BOMB)
    assert "by way of its aliases" in complaint.problem
    assert complaint.line == 5


def test_an_alias_that_holds_itself_is_refused() -> None:
    assert "which holds itself" in only("a: &a [*a]").problem


def test_an_alias_to_nothing_is_refused() -> None:
    assert "stands nowhere above" in only("a: *b").problem


def test_nesting_by_aliases_is_bounded() -> None:
    text = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 100))
    assert "levels deep by way of its aliases" in only(text).problem


@pytest.mark.parametrize("text", ["[" * 100_000, "- " * 100_000, "{a: " * 50_000, "? " * 100_000, "!!seq [" * 20_000])
def test_deep_nesting_is_refused_and_exhausts_nothing(text: str) -> None:
    assert check(text)


@pytest.mark.parametrize(
    "text",
    [
        "a: [" + "x," * 130_000 + "]",
        "".join(f"k{n}: \n" for n in range(30_000)),
        "pipeline: p\n" + "".join(f"{n:05}: x\n" for n in range(19_000)),
        "pipeline: p\nstages:\n" + "- {nme: x, sorce: {git: y}}\n" * 2_800,
        "pipeline: p\nvariables:\n" + "".join(f"  v{n}: '{'${x}' * 5}'\n" for n in range(6_000)),
        "pipeline: p\ndescription: '" + "${x}" * 60_000 + "'",
        "pipeline: p\ndescription: '" + "${" * 120_000 + "'",
        "pipeline: p\ngroup: '" + "a" * 250_000 + "'",
        "a: " + '"' + "\\x41" * 60_000 + '"',
        "- " + "&a " * 80_000,
        "pipeline: p\nvariables:\n"
        + "".join(f"  name_{n}: x\n" for n in range(7_000))
        + "starts:\n"
        + "".join(f"- {{webhook: a, parameters: {{x: nmae_{n}}}}}\n" for n in range(300)),
        "pipeline: p\nstages:\n- review: {reviewers: [" + "a,b," * 9_000 + "]}\n",
        "a: !" + "x" * 200_000 + " b",
    ],
)
def test_a_text_made_to_be_slow_is_answered_within_two_seconds(text: str) -> None:
    assert len(text) <= MAX_BYTES
    began = time.process_time()
    assert check(text)
    assert time.process_time() - began < 2


def test_there_are_at_most_a_hundred_complaints() -> None:
    assert len(check("pipeline: p\n" + "".join(f"x{n}: y\n" for n in range(500)))) == 100


def test_a_key_that_stands_twice_is_refused_with_both_lines() -> None:
    complaint = only(PLAIN % "v1" + "pipeline: q\n")
    assert (complaint.path, complaint.line) == ("pipeline", 7)
    assert "the first is on line 1" in complaint.problem


def test_several_documents_are_refused() -> None:
    assert "several documents" in only(PLAIN % "v1" + "---\npipeline: q\n").problem


@pytest.mark.parametrize("text", ["", "# nothing", "- a", "word", "5", "[]", "null", "--- ", "\ufeff"])
def test_a_text_that_is_no_mapping_is_refused(text: str) -> None:
    assert "no mapping" in only(text).problem


def test_an_empty_mapping_is_told_what_it_lacks() -> None:
    assert [one.path for one in check("{}")] == ["pipeline", "stages"]


@pytest.mark.parametrize(
    "tag", ["!!python/object/apply:os.system [id]", "!!binary aGk=", "!mine x", "!!set {a}", "!!timestamp 2001-01-01"]
)
def test_tags_beyond_the_core_are_refused(tag: str) -> None:
    assert any("has the tag" in one.problem for one in check(PLAIN % "v1" + f"description: {tag}\n"))


def test_core_tags_are_let_through() -> None:
    assert check(PLAIN % "!!str v1") == ()


@pytest.mark.parametrize(
    "text", ["a: [", "a: b: c", "\ta: b", "a: 'x", "a: \x07", "a: \ud800", "%YAML 9.9\n---\na: b", "\x00"]
)
def test_what_is_not_yaml_is_told_with_a_line(text: str) -> None:
    (complaint, *_) = check(text)
    assert complaint.line >= 1
    assert complaint.instead


def test_a_variable_that_wants_quotes_inside_braces_is_told_so() -> None:
    assert '"${name}" in quotes' in only("pipeline: p\nstages:\n- {name: ${tag}}\n").instead


def test_an_escaped_control_character_is_refused() -> None:
    assert any("unprintable" in one.problem for one in check(PLAIN % '"v\\0"'))


def test_keys_are_not_merged_from_elsewhere() -> None:
    found = check("pipeline: p\nstages:\n- &s\n  name: s\n  review: {reviewers: [a]}\n- <<: *s\n  name: t\n")
    assert any("cannot be merged" in one.problem for one in found)


def test_a_value_can_be_written_once_and_referred_to() -> None:
    text = "pipeline: p\nstages:\n- {name: a, review: &r {reviewers: [x]}}\n- {name: b, review: *r}\n"
    assert [stage.review.reviewers for stage in parse(text).pipeline.stages if stage.review] == [("x",), ("x",)]


@pytest.mark.parametrize("value", ["1.10", "007", "yes", "no", "1e3", "0x10", "2026-11-23", "1_000", "on", "5"])
def test_a_text_field_receives_what_was_written(value: str) -> None:
    written = parse(PLAIN % value).pipeline.stages[0].source
    filled = resolve("variables: {t: x}\n" + PLAIN % "${t}", {"t": value}).stages[0].source
    assert written is not None
    assert filled is not None
    assert written.tag == filled.tag == value


def test_the_tree_knows_where_everything_stands() -> None:
    tree, complaints = read_yaml("a:\n  - b: c\n  - d\n")
    assert tree is not None
    assert complaints == []
    place = tree.place_of(("a", 0, "b"))
    assert (place.line, place.column) == (2, 8)
    assert tree.place_of(("a", 0, "b"), of_key=True).column == 5
    assert tree.place_of(("a", 7)).line == 2
