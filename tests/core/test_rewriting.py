"""A value is changed in a definition's text, and nothing else of it is."""

import pytest

from engine.errors import Refused
from engine.rewriting import NotChangeable, Path, value_at, with_value, without_item, written

TEXT = """\
# the shop
pipeline: shop  # its name
stages:
  # where from
  - name: code
    source: {git: "https://git.example.com/a/b.git", branch: main}  # b

  # who
  - name: review
    review:
      reviewers:   # these
        - ann
        - bob
      mode: one
  - name: last
    official: {}
"""


@pytest.mark.parametrize(
    ("path", "value", "before", "after"),
    [
        (("pipeline",), "cart", "pipeline: shop  #", "pipeline: cart  #"),
        (("stages", 0, "source", "git"), "ssh://x/y", '"https://git.example.com/a/b.git"', "ssh://x/y"),
        (("stages", 0, "source", "branch"), "a: b", "branch: main}", 'branch: "a: b"}'),
        (("stages", 0, "source", "tag"), "v1", "{git: ", "{tag: v1, git: "),
        (("stages", 1, "review", "mode"), "all", "mode: one", "mode: all"),
        (("group",), "fruit", "shop  # its name\n", "shop\n"),
    ],
)
def test_only_the_value_changes(path: Path, value: str, before: str, after: str) -> None:
    changed = with_value(TEXT, path, value)
    assert value_at(changed, path) == value
    if path != ("group",):
        assert changed == TEXT.replace(before, after, 1)
    assert changed.count("#") == TEXT.count("#")


def test_a_key_that_is_missing_comes_below_the_first() -> None:
    assert with_value("pipeline: a\nstages: []\n", ("group",), "x") == "pipeline: a\ngroup: x\nstages: []\n"


def test_a_mapping_that_is_missing_is_made_for_its_key() -> None:
    path: Path = ("stages", 0, "source", "on")
    changed = with_value(with_value(TEXT, (*path, "a"), "1"), (*path, "b"), ["2"])
    assert changed == TEXT.replace("{git:", "{on: {b: [2], a: 1}, git:")
    below: Path = ("stages", 1, "review", "on", "a")
    assert value_at(with_value(TEXT, below, "1"), below) == "1"


def test_a_list_on_lines_of_its_own_becomes_one_line_and_what_follows_stays() -> None:
    changed = with_value(TEXT, ("stages", 1, "review", "reviewers"), ["cleo", "d e"])
    assert value_at(changed, ("stages", 1, "review", "reviewers")) == ["cleo", "d e"]
    assert value_at(changed, ("stages", 1, "review", "mode")) == "one"
    assert "- name: last\n    official: {}\n" in changed


@pytest.mark.parametrize(
    ("number", "gone", "kept"), [(0, "# where from", "# who"), (1, "# who", "# where from"), (2, "last", "# who")]
)
def test_an_item_goes_with_the_comment_above_it(number: int, gone: str, kept: str) -> None:
    changed = without_item(TEXT, ("stages", number))
    assert gone not in changed
    assert kept in changed
    names = [value_at(TEXT, ("stages", n, "name")) for n in range(3) if n != number]
    assert [value_at(changed, ("stages", n, "name")) for n in range(2)] == names


@pytest.mark.parametrize(
    "odd",
    ["", "a: b", "# x", "'", '"', "- a", "&a", "*a", "!!int 3", "null", "~", "{", "${x}", "a\nb", "☃", "a:", " a "],
)
def test_any_text_is_written_so_that_it_is_read_as_just_that(odd: str) -> None:
    assert value_at(with_value(TEXT, ("pipeline",), odd), ("pipeline",)) == odd
    assert value_at(with_value(TEXT, ("stages", 0, "source", "branch"), odd), ("stages", 0, "source", "branch")) == odd
    assert "\n" not in written(odd)


def test_what_is_written_in_a_way_of_its_own_is_left_to_its_author() -> None:
    with pytest.raises(NotChangeable):
        with_value("pipeline: a\nstages: b\n", ("stages", 0, "name"), "x")
    with pytest.raises(NotChangeable):
        without_item("stages: [a, b]\n", ("stages", 0))
    with pytest.raises(Refused):
        with_value("a: &x b\nc: *x\n", ("a",), "d")
    with pytest.raises(Refused):
        with_value("{", ("a",), "d")
