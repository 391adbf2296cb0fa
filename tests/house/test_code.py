"""Rules about the code that no linter knows."""

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.support.tree import PACKAGES, ROOT, files, python_files

LONGEST = 400
SENTENCE = 3
POLLS = ROOT / "tests/support/eventually.py"
"""The one place where tests may wait by the clock: it looks again until a deadline."""
SKIPS_BY_CALL = {"pytest.skip", "pytest.xfail"}
SKIPS_BY_MARK = {"pytest.mark.skip", "pytest.mark.skipif", "pytest.mark.xfail"}
EMPTY_NAMES = ("utils", "util", "helpers", "helper", "common", "base", "misc")
EMPTY_ENDINGS = re.compile(r"(Manager|Handler|Impl|Helper|Util|Utils)$")


@pytest.mark.parametrize("package", PACKAGES)
def test_no_file_of_the_code_is_longer_than_anybody_reads(package: str) -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in python_files(package)}
    assert {_name(path): lines for path, lines in lengths.items() if lines > LONGEST} == {}


def test_every_module_says_in_a_sentence_what_it_is_for() -> None:
    silent = [_name(path) for path in python_files(*PACKAGES) if not _says_something(path)]
    assert silent == []


def test_nothing_has_a_name_that_says_nothing() -> None:
    empty = [_name(path) for path in python_files(*PACKAGES, "tests") if path.stem in EMPTY_NAMES]
    for path in python_files(*PACKAGES, "tests"):
        classes = (node for node in ast.walk(_tree(path)) if isinstance(node, ast.ClassDef))
        empty += [f"{_name(path)}: {one.name}" for one in classes if EMPTY_ENDINGS.search(one.name)]
    assert empty == []


def test_no_test_sleeps() -> None:
    found = [f"{_name(path)}:{line}" for path in python_files("tests") if path != POLLS for line in _sleeps(path)]
    assert found == []


def test_no_test_is_skipped_without_a_reason() -> None:
    found = [f"{_name(path)}:{line}" for path in python_files("tests") for line in _silent_skips(path)]
    assert found == []


def test_no_test_patches() -> None:
    patches = re.compile(r"unittest\.mock|monkeypatch\.setattr|mocker\b")
    found = [
        _name(path) for path in python_files("tests") if path != Path(__file__) and patches.search(path.read_text())
    ]
    assert found == []


def test_every_test_that_starts_real_parts_is_marked_live() -> None:
    unmarked = [_name(path) for path in python_files("tests/live") if "mark.live" not in path.read_text()]
    assert [name for name in unmarked if Path(name).name.startswith("test_")] == []


def test_only_the_files_that_may_be_there_are_at_the_top() -> None:
    agreed = {"bot", "engine", "storage", "tests", "deploy", "pyproject.toml", "Makefile", "LICENSE"}
    agreed |= {"README.md", "CONTRIBUTING.md", "CHANGELOG.md"}
    tops = {path.relative_to(ROOT).parts[0] for path in files()}
    assert {name for name in tops if not name.startswith(".")} == agreed


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    """A home directory, or a place of the machine that this runs on."""
    here = [re.escape(str(place)) for place in (ROOT, Path.home(), Path(sys.prefix)) if place != place.parent]
    places = re.compile(rf"(?<![\w.:/-])(?:/(?:home|Users)/\w|(?:{'|'.join(here)})(?![\w-]))")
    assert _lines_with(places) == []


def test_no_file_names_a_package_registry() -> None:
    under = {
        "org": "pypi pythonhosted npmjs golang debian",
        "com": "npmjs",
        "io/": "docker ghcr quay",  # without the slash the first is also the name of a package of Debian's
    }
    hosts = [rf"\b{name}\.{end}" for end, names in under.items() for name in names.split()]
    assert _lines_with(re.compile("|".join(hosts))) == []


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def _says_something(path: Path) -> bool:
    said = ast.get_docstring(_tree(path)) or ""
    return said.split("\n\n")[0].rstrip().endswith((".", ":", "?")) and len(said.split()) >= SENTENCE


def _sleeps(path: Path) -> Iterator[int]:
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Attribute) and node.attr == "sleep" and isinstance(node.value, ast.Name):
            if node.value.id in ("asyncio", "time"):
                yield node.lineno
        elif isinstance(node, ast.ImportFrom) and any(name.name == "sleep" for name in node.names):
            yield node.lineno


def _silent_skips(path: Path) -> Iterator[int]:
    nodes = list(ast.walk(_tree(path)))
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    bare = [node for node in nodes if isinstance(node, ast.Attribute) and id(node) not in called]
    yield from (node.lineno for node in bare if ast.unparse(node) in SKIPS_BY_MARK)
    yield from (node.lineno for node in nodes if isinstance(node, ast.Call) and not _gives_a_reason(node))


def _gives_a_reason(call: ast.Call) -> bool:
    name = ast.unparse(call.func)
    if name not in SKIPS_BY_CALL | SKIPS_BY_MARK:
        return True
    in_place = bool(call.args) and name in SKIPS_BY_CALL
    return in_place or any(word.arg == "reason" for word in call.keywords)


def _lines_with(pattern: re.Pattern[str]) -> list[str]:
    found = []
    for path in files():
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if pattern.search(line):
                found.append(f"{_name(path)}:{number}: {line.strip()[:80]}")
    return found
