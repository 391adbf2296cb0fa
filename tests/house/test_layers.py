"""Imports point inward, and nothing is left out of the rule."""

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

from tests.support.tree import PACKAGES, ROOT


def contracts() -> list[dict[str, Any]]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    found: list[dict[str, Any]] = settings["tool"]["importlinter"]["contracts"]
    return found


def test_every_import_contract_is_kept() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_package_has_layers_that_name_all_its_modules() -> None:
    exhaustive = {
        container
        for contract in contracts()
        if contract["type"] == "layers" and contract.get("exhaustive")
        for container in contract["containers"]
    }
    assert set(PACKAGES) <= exhaustive


def test_each_library_of_the_outside_has_one_home() -> None:
    forbidden = {module for contract in contracts() for module in contract.get("forbidden_modules", ())}
    assert {"sqlalchemy", "starlette", "uvicorn", "rich", "typer", "slack_bolt", "telegram", "kubernetes"} <= forbidden
