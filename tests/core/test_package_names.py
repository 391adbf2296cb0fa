"""Names of packages: one way to write each, and no way to write anything else."""

import pytest

from bot.packages.cards import PAGE, listed
from bot.packages.naming import names
from engine.packages import BadName, BadPath, checked, parse
from storage.package_refusals import size_of
from storage.packages import Package
from tests.support.store import ANN, T0

LONG = "a" * 64


@pytest.mark.parametrize(
    "path",
    [
        "acme/shop/api",
        "acme/shop/api/1.0.0-rc.1+build~2",
        "a/b/c/1/X",
        "acme/shop/api/v1/api_1.0.0_amd64.tar.gz",
        "acme/shop/api/2026-01-01/python-3.11.whl",
        f"{LONG}/{LONG}/{LONG}/{'V' * 128}/{'f' * 200}",
        "a-b/c_d/e.f/1/a__",
    ],
)
def test_what_packages_are_called_is_read_as_it_is_written(path: str) -> None:
    assert str(parse(path)) == path
    assert parse(path).of_version.of_package == parse("/".join(path.split("/")[:3]))


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "a..b",
        ".hidden",
        "-rf",
        "a/b",
        "a\\b",
        "a b",
        "a\n",
        "a\x00",
        "a%2e",
        "a.",
        "~",
        "+a",
        "CON",
        "nul.tar",
        "com1.tar.gz",
        "é",
        "e\u0301",
        "\uff0e\uff0e",
        "\u2024\u2024",
        "a\u202etar",
        "a\u200b",
        "\u0430pi",
        "a" * 201,
        "$HOME",
        "${tag}",
        "a;b",
        "a'b",
        'a"b',
        "a|b",
        "*",
        "a?",
    ],
)
def test_what_climbs_hides_looks_alike_or_means_something_elsewhere_is_no_name(name: str) -> None:
    for part in ("organization", "version", "file"):
        with pytest.raises(BadName) as refused:
            checked(part, name)
        assert refused.value.hint
        assert str(refused.value).isascii()
        assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    "path", ["", "a", "a/b", "a/b/c/d/e/f", "/a/b/c", "a/b/c/", "a//c", "C:/b/c", "A/b/c", "a/B/c"]
)
def test_what_is_no_path_is_refused_with_how_to_write_one(path: str) -> None:
    with pytest.raises((BadPath, BadName)) as refused:
        parse(path)
    assert refused.value.hint


def test_how_many_parts_a_path_has_to_have_is_said() -> None:
    with pytest.raises(BadPath) as refused:
        parse("a/b/c", 4, 5)
    assert refused.value.hint == "Write organization/repository/package/version[/file]."


def test_paths_that_some_disks_cannot_tell_apart_fold_to_the_same() -> None:
    assert parse("a/b/c/1.0-RC/X.tar").folded == parse("a/b/c/1.0-rc/x.tar").folded
    assert parse("a/b/c/1").with_file("x") == parse("a/b/c/1/x")
    with pytest.raises(BadName):
        parse("a/b/c/1").with_file("../x")


@pytest.mark.parametrize(
    ("text", "path", "is_named"),
    [
        ("packages: [acme/shop/api/1.0]", "acme/shop/api", True),
        ("packages: [acme/shop/api/1.0]", "acme/shop/api/1.0", True),
        ("packages: [acme/shop/api/1.0]", "acme/shop/api/1.0/api.tar", True),
        ("packages: [acme/shop/api/1.0]", "acme/shop/api/2.0", False),
        ("- acme/shop/api/1.0/api.tar", "acme/shop/api/1.0", True),
        ("- acme/shop/api/1.0/api.tar", "acme/shop/api/1.0/notes.txt", False),
        ("- acme/shop/api/${tag}", "acme/shop/api/9", True),
        ("- acme/shop/api-tools/1.0", "acme/shop/api", False),
        ("- my-acme/shop/api/1.0", "acme/shop/api", False),
        ("image: acme/shop:api", "acme/shop/api", False),
    ],
)
def test_a_definition_names_a_package_when_a_build_would_take_it(text: str, path: str, *, is_named: bool) -> None:
    assert names(text, parse(path)) is is_named


def test_sizes_are_said_as_people_say_them() -> None:
    said = [size_of(size) for size in (0, 1023, 1024, 1536, 5 * 1024**3, 3 * 1024**4)]
    assert said == ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "5.0 GiB", "3.0 TiB"]


def test_a_long_list_says_that_there_is_more() -> None:
    many = [Package(parse(f"a/b/c{number}"), "", ANN, T0) for number in range(PAGE + 1)]
    card = listed(many, "")
    assert card.table is not None
    assert len(card.table.rows) == PAGE
    assert "more" in card.text
