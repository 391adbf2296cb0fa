"""How much is logged is said in any case of letters; what is no level is refused like every other setting."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


def sluice(home: Path, level: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "SLUICE_HOME": str(home), "SLUICE_LOG": level}
    words = [sys.executable, "-c", "from bot.cli.command import main; main()", "key"]
    return subprocess.run(words, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("level", ["info", "Debug", "", "WARNING"])
def test_a_level_is_taken_in_any_case(tmp_path: Path, level: str) -> None:
    assert sluice(tmp_path, level).returncode == 0


@pytest.mark.parametrize("level", ["loud", "10"])
def test_what_is_no_level_is_refused_with_the_reason(tmp_path: Path, level: str) -> None:
    done = sluice(tmp_path, level)
    assert done.returncode == 1
    assert "SLUICE_LOG: this is no level of a log." in done.stderr
    assert "DEBUG, INFO, WARNING" in done.stderr
    assert "Traceback" not in done.stderr
