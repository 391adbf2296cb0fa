"""The command `sluice` as a whole: what it offers, and what it loads before it answers."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bot.cli.command import COMMANDS, OnDemand, app
from engine.errors import Broken
from tests.support.notes import notes

HEAVY = {"alembic", "docker", "kubernetes", "slack_bolt", "sqlalchemy", "starlette", "telegram"}


def test_the_help_tells_every_command_and_what_it_is_for() -> None:
    said = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"})
    assert said.exit_code == 0
    told = [line.strip("│ ").split(maxsplit=1) for line in said.stdout.splitlines()]
    assert [words[0] for words in told if words and words[0] in COMMANDS and len(words) > 1] == list(COMMANDS)


def test_a_command_that_is_mistyped_is_answered_with_the_nearest_one() -> None:
    said = CliRunner().invoke(app, ["chek"], env={"COLUMNS": "200"})
    assert said.exit_code == 2
    assert "Did you mean 'check'?" in said.output


def test_a_command_that_breaks_while_it_is_loaded_is_not_called_unknown() -> None:
    class Breaking(OnDemand):
        def __getitem__(self, name: str) -> object:
            raise KeyError(name)

    with pytest.raises(KeyError):
        Breaking(COMMANDS).get("serve")
    assert Breaking(COMMANDS).get("nothing") is None


@pytest.mark.parametrize("command", ["say", "chat", "watch", "link"])
def test_whoever_talks_to_the_running_bot_does_not_wait_for_what_only_the_bot_needs(command: str) -> None:
    program = "import sys; from bot.cli.command import app, COMMANDS, OnDemand; OnDemand(COMMANDS)[sys.argv[1]]"
    done = subprocess.run(
        [sys.executable, "-c", f"{program}; print(*sys.modules)", command], check=True, capture_output=True, text=True
    )
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "httpx" in loaded
    assert not loaded & HEAVY


@pytest.mark.parametrize("words", ["serve", "migrate", "doctor", "person add ann", "timeline shop-1", "audit export"])
def test_no_command_says_a_part_of_a_password_that_is_not_encoded(tmp_path: Path, words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from bot.cli.command import main; main()", *words.split()],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "SLUICE_DATABASE": "postgresql+psycopg://sluice:p@Sup3rS3cretTail@127.0.0.1:1/x",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 1
    assert "write @ as %40" in said
    assert "Sup3r" not in said
    assert "Traceback" not in said


def checked(home: Path, *files: str, piped: str = "") -> Result:
    environment = {"SLUICE_HOME": str(home), "SLUICE_DATABASE": "", "SLUICE_LOCAL_GIT": "1", "COLUMNS": "200"}
    return CliRunner().invoke(app, ["check", *files], input=piped, env=environment)


def test_check_says_that_no_reviewer_was_looked_up_where_no_sluice_has_run(tmp_path: Path) -> None:
    file = tmp_path / "notes.yaml"
    file.write_text(notes(tmp_path, review="{reviewers: [nobody-knows]}"))
    said = checked(tmp_path / "home", str(file))
    assert said.exit_code == 0
    assert "notes.yaml: nothing to complain about." in said.output
    assert f"Reviewers were not looked up: no Sluice has run in {tmp_path / 'home'}." in said.output


def test_check_reads_several_files_and_what_is_piped_and_ends_with_the_worst(tmp_path: Path) -> None:
    right, wrong = tmp_path / "right.yaml", tmp_path / "wrong.yaml"
    right.write_text(notes(tmp_path))
    wrong.write_text("pipeline: wrong\n")
    said = checked(tmp_path, str(wrong), str(right), "-", piped=notes(tmp_path))
    assert said.exit_code == 1
    assert "stages" in said.output
    assert "right.yaml: nothing to complain about." in said.output
    assert "what was piped: nothing to complain about." in said.output
    assert checked(tmp_path, "-", piped="- a").exit_code == 1
    assert checked(tmp_path, str(right), str(right)).exit_code == 0


def test_check_names_a_file_that_it_cannot_read(tmp_path: Path) -> None:
    said = checked(tmp_path, str(tmp_path / "nosuch.yaml"))
    assert said.exit_code == 1
    assert "nosuch.yaml cannot be read: No such file or directory." in str(said.exception)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"SLUICE_PORT": "99999"}, "SLUICE_PORT: "),
        ({"SLUICE_HOOKS_PORT": "-1"}, "SLUICE_HOOKS_PORT: "),
        ({"SLUICE_HOME": "{place}/file"}, "/file: "),
        ({"SLUICE_HOME": "{place}/file/home"}, "/file/home: "),
    ],
)
@pytest.mark.parametrize("command", [["serve"], ["person", "add", "ann"]])
def test_settings_that_cannot_be_are_answered_in_words(
    tmp_path: Path, settings: dict[str, str], said: str, command: list[str]
) -> None:
    (tmp_path / "file").touch()
    given = {name: value.format(place=tmp_path) for name, value in settings.items()}
    done = CliRunner().invoke(app, command, env={"SLUICE_DATABASE": "", "SLUICE_HOME": str(tmp_path / "home"), **given})
    assert isinstance(done.exception, Broken)
    assert said in str(done.exception)


def test_a_console_port_that_is_taken_is_answered_with_the_setting_that_changes_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        given = {"SLUICE_HOME": str(tmp_path), "SLUICE_DATABASE": "", "SLUICE_PORT": str(other.getsockname()[1])}
        done = CliRunner().invoke(app, ["serve"], env=given)
    assert isinstance(done.exception, Broken)
    assert "Address already in use." in str(done.exception)
    assert "SLUICE_PORT" in done.exception.hint


def test_the_version_is_told() -> None:
    said = CliRunner().invoke(app, ["--version"])
    assert said.exit_code == 0
    assert said.output.startswith("sluice ")
