"""Placing files in a build directory beside the source: software packages for every builder, images for Docker.

The danger: the source holds a symbolic link, or a file, where something is to be placed. A package would be written
through the link to anywhere on this machine, or replace a part of the source that nobody sees missing.

The promise: what is placed lands inside the build directory, goes through no link and replaces nothing.
"""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from engine.disk import disk_errors
from engine.errors import StageFailure
from engine.ports import LogSink, Packages


class InTheWay(StageFailure):
    """What is to be placed in the build directory would replace something, or go through a link."""

    def __init__(self, what: str, path: str, why: str) -> None:
        super().__init__(f"{what} cannot be placed at {path}: {why}.", "Choose another place with to:.")


class NoPackages(StageFailure):
    """A build wants software packages, and nothing keeps any here."""

    def __init__(self) -> None:
        super().__init__("This Sluice keeps no software packages.", "Leave packages out of the build stage.")


async def place_packages(
    packages: Packages | None, wanted: Sequence[tuple[str, str]], tree: Path, beside: Path, log: LogSink
) -> None:
    """Put software packages into `tree`, each where it belongs; `beside` is an empty directory on the same disk."""
    if packages is None:
        if wanted:
            raise NoPackages
        return
    for number, (path, to) in enumerate(wanted):
        fetched = beside / f"package-{number}"
        log(f"Placing the package {path} in {to}")
        await packages.fetch(path, str(fetched))
        with disk_errors(beside):
            place(path, fetched, tree, to)


def place(what: str, source: Path, tree: Path, to: str) -> None:
    """Move the file or directory `source` to the path `to` in `tree`. Directories that are there are joined."""
    for moved in _files_of(source):
        inside = to if moved == source else os.path.normpath(f"{to}/{moved.relative_to(source).as_posix()}")
        target = _free_place(what, tree, inside)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(moved, target)


def _files_of(source: Path) -> list[Path]:
    return [source] if not source.is_dir() else sorted(path for path in source.rglob("*") if not path.is_dir())


def _free_place(what: str, tree: Path, inside: str) -> Path:
    parts = Path(inside).parts
    if ".." in parts or Path(inside).is_absolute():
        raise InTheWay(what, inside, "that is outside of the build directory")
    target = tree
    for part in parts:
        target /= part
        if target.is_symlink():
            raise InTheWay(what, inside, "there is a symbolic link on the way")
    if target.exists():
        raise InTheWay(what, inside, "it is in the source already")
    if any(parent.exists() and not parent.is_dir() for parent in target.parents if parent.is_relative_to(tree)):
        raise InTheWay(what, inside, "a file is on the way")
    return target
