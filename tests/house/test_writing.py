"""What is written about Sluice is true of it."""

import re
from pathlib import Path

import pytest

from bot.grammar import help_rows, parse
from bot.settings import Settings
from engine.errors import Refused
from engine.pipeline import check
from tests.support.tree import ROOT, files, python_files

README = (ROOT / "README.md").read_text()
TABLE = re.compile(r"<!-- commands: begin -->\n(.*?)<!-- commands: end -->", re.DOTALL)
ENVIRONMENT_ONLY = {"SLUICE_AS", "SLUICE_LOG"}
"""Settings of the command line, which are no part of `Settings`."""


def documents() -> list[Path]:
    return [path for path in files() if path.suffix == ".md"]


def said_in(text: str) -> list[str]:
    return re.findall(r"^ann \u203a (.+)$", text, re.MULTILINE)


def targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_the_readme_holds_a_conversation() -> None:
    assert len(said_in(README)) >= 5


@pytest.mark.parametrize("line", said_in(README))
def test_what_ann_says_in_the_readme_can_be_said(line: str) -> None:
    assert parse(line).verb.name == line.split(maxsplit=1)[0]


def test_a_line_that_cannot_be_said_would_be_noticed() -> None:
    with pytest.raises(Refused):
        parse("aprove hello-2")


def test_the_pipelines_in_the_readme_are_some() -> None:
    found = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    assert len(found) == 3
    assert [check(text, frozenset({"ann"}), clusters={"default"}) for text in found] == [(), (), ()]


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_make_command_that_is_written_down_exists(path: Path) -> None:
    named = re.findall(r"(?:`|^ {4})make (?:PYTHON=\S+ )?([a-z]+)", path.read_text(), re.MULTILINE)
    assert set(named) - targets() == set()


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_to_a_file_leads_to_one(path: Path) -> None:
    linked = re.findall(r"\]\(([^):#]+)\)", path.read_text())
    assert [link for link in linked if not (path.parent / link).exists()] == []


def test_the_table_of_commands_is_the_grammar() -> None:
    written = TABLE.search((ROOT / "bot/README.md").read_text())
    assert written is not None
    rows = ("| `{}` | {} |\n".format(form.replace("|", "\\|"), does) for form, does in help_rows())
    assert written.group(1) == "| say | to |\n|---|---|\n" + "".join(rows)


@pytest.mark.parametrize("package", ["bot", "storage"])
def test_a_package_page_names_every_module(package: str) -> None:
    page = (ROOT / package / "README.md").read_text()
    below = {path.relative_to(ROOT / package).parts[0] for path in python_files(package)} - {"__init__.py"}
    assert [name for name in sorted(below) if f"`{name}`" not in page and f"`{name}/`" not in page] == []


def test_the_readme_lists_every_setting_and_no_other() -> None:
    listed = set(re.findall(r"^\| `(SLUICE_\w+)` \|", README, re.MULTILINE))
    assert listed == {f"SLUICE_{name.upper()}" for name in Settings.model_fields} | ENVIRONMENT_ONLY


def test_the_defaults_in_the_readme_are_the_settings_defaults() -> None:
    rows = dict(re.findall(r"^\| `SLUICE_(\w+)` \| `([^`]+)` \|", README, re.MULTILINE))
    fields = {name.upper(): field for name, field in Settings.model_fields.items() if field.default_factory is None}
    wrong = {name: said for name, said in rows.items() if name in fields and said != _shown(fields[name].default)}
    assert wrong == {}


def test_the_changelog_tells_of_this_version() -> None:
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    assert f"## {version.group(1)}" in (ROOT / "CHANGELOG.md").read_text()


def _shown(value: object) -> str:
    return {"()": "[]", "False": "false", "True": "true"}.get(str(value), str(value))
