"""The build directory as the archive that a Docker Engine is given: what belongs into it, and nothing else.

The danger: a Dockerfile's path, a symbolic link in the source, or a package with the name of a directory leads out of
the build directory, and a file of this machine (a key, a password) ends up in an image that is pushed; a device or a
pipe stops the packing for ever; a forgotten data set fills the disks of two machines.

The promise: the archive holds only files, directories and links that lead nowhere but inside; what is placed beside
the source never goes through a link and never replaces anything; what is larger than its limit is refused with what is
large in it. Equal sources make equal archives, so that the engine's cache holds: owners and times are levelled.
"""

import os
import stat
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from docker.utils.build import exclude_paths

from engine.builders.placing import InTheWay
from engine.errors import StageFailure
from engine.image_build import BASE_IMAGE, Recipe
from engine.trees import settle

IGNORE = ".dockerignore"
INLINE = ".sluice.Dockerfile"
MOST_ENTRIES = 200_000
_LONGEST_DOCKERFILE = 1024 * 1024
_LARGEST_SHOWN = 3


class NoDockerfile(StageFailure):
    """There is nothing to build by."""

    def __init__(self, path: str, near: list[str]) -> None:
        others = f" There are {', '.join(near)}." if near else ""
        super().__init__(
            f"The source has no file {path} to build by.",
            f"Add it, name another with dockerfile: in the build stage, or write it there with inline:.{others}",
        )


class NoUseForBase(StageFailure):
    """A base image is chosen, and the Dockerfile builds on whatever it likes."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"{path} does not build on the base image that the build stage names.",
            f"Write ARG {BASE_IMAGE} before its first FROM, and FROM ${{{BASE_IMAGE}}}; or leave base_image out.",
        )


class ContextTooLarge(StageFailure):
    """The build directory holds more than it may."""

    def __init__(self, size: int, limit: int, largest: list[str]) -> None:
        super().__init__(
            f"The build directory holds {_written(size)}, and {_written(limit)} is the most. "
            f"The largest in it: {', '.join(largest)}.",
            f"Name what the image does not need in {IGNORE}, or raise context_limit.",
        )


class TooManyFiles(StageFailure):
    """The build directory holds more entries than anybody means to send."""

    def __init__(self) -> None:
        super().__init__(
            f"The build directory holds more than {MOST_ENTRIES} files.",
            f"Name what the image does not need in {IGNORE}.",
        )


@dataclass(frozen=True, slots=True)
class Context:
    """A build directory that was checked: its entries by path, and the Dockerfile's path in it."""

    tree: Path
    entries: tuple[str, ...]
    dockerfile: str
    at: datetime


def lay_out(tree: Path, recipe: Recipe, at: datetime) -> Context:
    """Check a build directory and settle what is sent of it; `at` becomes the time of everything in it."""
    settle(tree, at)
    dockerfile = _dockerfile(tree, recipe)
    entries = _entries(tree, dockerfile)
    if len(entries) > MOST_ENTRIES:
        raise TooManyFiles
    _check_size(tree, entries, recipe.context_limit)
    return Context(tree, entries, dockerfile, at)


def has_dockerfile(tree: Path, recipe: Recipe) -> bool:
    """Whether a source can be built by its Dockerfile."""
    return bool(recipe.inline.strip()) or (tree / recipe.dockerfile).is_file()


def _dockerfile(tree: Path, recipe: Recipe) -> str:
    if recipe.inline.strip():
        path, text = INLINE, recipe.inline
        if os.path.lexists(tree / INLINE):
            raise InTheWay("The Dockerfile of the build stage", INLINE, "it is in the source already")
        (tree / INLINE).write_text(text, encoding="utf-8")
    else:
        path = recipe.dockerfile
        if not (tree / path).is_file():
            raise NoDockerfile(path, _others(tree))
        with (tree / path).open("rb") as file:
            text = file.read(_LONGEST_DOCKERFILE).decode("utf-8", "replace")
    if recipe.base_image and not builds_on_argument(text):
        raise NoUseForBase("The Dockerfile" if path == INLINE else path)
    return path


def builds_on_argument(text: str) -> bool:
    """Whether a Dockerfile declares the argument for the base image before its first FROM, and builds on it."""
    is_declared = False
    for line in text.splitlines():
        words = line.split()
        match words[0].upper() if words else "":
            case "ARG":
                is_declared = is_declared or any(word.partition("=")[0] == BASE_IMAGE for word in words[1:])
            case "FROM":
                if not is_declared:
                    return False
                if any(word in (f"${BASE_IMAGE}", f"${{{BASE_IMAGE}}}") for word in words[1:]):
                    return True
    return False


def _others(tree: Path) -> list[str]:
    found = sorted(path.relative_to(tree).as_posix() for path in tree.glob("**/*Dockerfile*") if path.is_file())
    return found[:_LARGEST_SHOWN]


def _entries(tree: Path, dockerfile: str) -> tuple[str, ...]:
    ignored = _ignored(tree)
    if not ignored:
        return tuple(sorted(path.relative_to(tree).as_posix() for path in tree.rglob("*")))
    return tuple(sorted(exclude_paths(str(tree), ignored, dockerfile=dockerfile)))


def _ignored(tree: Path) -> list[str]:
    if not (tree / IGNORE).is_file():
        return []
    lines = (tree / IGNORE).read_text(encoding="utf-8", errors="replace").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def _check_size(tree: Path, entries: tuple[str, ...], limit: int) -> None:
    sizes = {name: info.st_size for name in entries if stat.S_ISREG((info := (tree / name).lstat()).st_mode)}
    whole = sum(sizes.values())
    if limit and whole > limit:
        largest = sorted(sizes, key=lambda name: sizes[name], reverse=True)[:_LARGEST_SHOWN]
        raise ContextTooLarge(whole, limit, [f"{name} ({_written(sizes[name])})" for name in largest])


def pack(context: Context, archive: Path) -> None:
    """Write the archive, with the Dockerfile and .dockerignore kept from being copied if nobody asked for them."""
    with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as tar:
        for name in context.entries:
            if name != IGNORE:
                _add(tar, context, name)
        if context.dockerfile == INLINE:
            _add_ignore(tar, context)
        elif IGNORE in context.entries:
            _add(tar, context, IGNORE)


def _add(tar: tarfile.TarFile, context: Context, name: str) -> None:
    path = context.tree / name
    info, entry = path.lstat(), tarfile.TarInfo(name)
    entry.mode, entry.mtime = stat.S_IMODE(info.st_mode), int(context.at.timestamp())
    if stat.S_ISLNK(info.st_mode):
        entry.type, entry.linkname = tarfile.SYMTYPE, str(path.readlink())
        tar.addfile(entry)
    elif stat.S_ISDIR(info.st_mode):
        entry.type = tarfile.DIRTYPE
        tar.addfile(entry)
    else:
        entry.size = info.st_size
        with path.open("rb") as content:
            tar.addfile(entry, content)


def _add_ignore(tar: tarfile.TarFile, context: Context) -> None:
    """The written Dockerfile is no part of what COPY finds; neither is a list that is there for its sake alone."""
    own = context.tree / IGNORE
    lines = own.read_text(encoding="utf-8", errors="replace").splitlines() if own.is_file() else [IGNORE]
    own.unlink(missing_ok=True)
    own.write_text("\n".join([*lines, INLINE, ""]), encoding="utf-8")
    own.chmod(0o644)
    _add(tar, context, IGNORE)


def archive_chunks(archive: Path, size: int = 256 * 1024) -> Iterator[bytes]:
    """Read the archive piece by piece."""
    with archive.open("rb") as file:
        while chunk := file.read(size):
            yield chunk


def _written(size: int) -> str:
    mebibytes = size / 1024**2
    return f"{mebibytes:.1f} MiB" if mebibytes < 1024 else f"{mebibytes / 1024:.1f} GiB"  # noqa: PLR2004 - by unit
