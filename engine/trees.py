"""A tree of files as a value: brought into one form, refused when it points out of itself, named by its content.

The digest covers paths, kinds, the executable bit, contents and the targets of symbolic links. It does not cover
owners, times, or the permission bits that a umask decides, so that the same content has the same name on every
machine.
"""

import hashlib
import os
import stat
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from engine.errors import StageFailure

_BLOCK = 1024 * 1024
_FORM = b"sluice tree 1\0"


class EscapingLink(StageFailure):
    """A symbolic link leads out of the tree."""

    def __init__(self, path: str, target: str) -> None:
        super().__init__(
            f"The symbolic link {path} leads out of the tree, to {target}.",
            "Let it point to a file inside the tree, by a relative path.",
        )


class StrangeFile(StageFailure):
    """Something that is no file, directory or symbolic link."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"{path} is a device, a pipe or a socket; a tree may hold files, directories and symbolic links only.",
            "Remove it at the end of the build script.",
        )


def settle(tree: Path, moment: datetime, *, writable: bool = True) -> None:
    """Check every entry and give it its final form: permission bits by the executable bit alone, all times `moment`.

    Raises `EscapingLink` or `StrangeFile`.
    """
    seconds = int(moment.timestamp())
    for path, info in _entries(tree, deepest_first=True):
        if stat.S_ISLNK(info.st_mode):
            _check_link(tree, path)
        elif stat.S_ISDIR(info.st_mode):
            path.chmod(0o755)
        elif stat.S_ISREG(info.st_mode):
            path.chmod(_bits(info, writable=writable))
        else:
            raise StrangeFile(_name(tree, path))
        os.utime(path, (seconds, seconds), follow_symlinks=False)
    tree.chmod(0o755)
    os.utime(tree, (seconds, seconds))


def _bits(info: os.stat_result, *, writable: bool) -> int:
    bits = 0o755 if info.st_mode & stat.S_IXUSR else 0o644
    return bits if writable else bits & ~0o222


def _check_link(tree: Path, path: Path) -> None:
    target = str(path.readlink())
    depth = len(path.relative_to(tree).parts) - 1
    for part in Path(target).parts:
        depth += -1 if part == ".." else 1
        if depth < 0 or Path(target).is_absolute():
            raise EscapingLink(_name(tree, path), target)
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(tree)):
        raise EscapingLink(_name(tree, path), target)


def digest_of(tree: Path) -> str:
    """Name the content of `tree`: ``sha256:`` and 64 hex digits."""
    whole = hashlib.sha256(_FORM)
    for path, info in sorted(_entries(tree), key=lambda entry: _relative(tree, entry[0])):
        kind, content = _describe(path, info)
        name = _relative(tree, path)
        whole.update(b"%c%d:%s%s" % (kind, len(name), name, content))
    return f"sha256:{whole.hexdigest()}"


def _describe(path: Path, info: os.stat_result) -> tuple[bytes, bytes]:
    """Return the kind of an entry as one byte, and 32 bytes for its content."""
    if stat.S_ISLNK(info.st_mode):
        return b"l", hashlib.sha256(os.fsencode(path.readlink())).digest()
    if stat.S_ISDIR(info.st_mode):
        return b"d", bytes(32)
    return b"x" if info.st_mode & stat.S_IXUSR else b"f", _digest_file(path)


def _digest_file(path: Path) -> bytes:
    content = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            content.update(block)
    return content.digest()


def _entries(tree: Path, *, deepest_first: bool = False) -> Iterator[tuple[Path, os.stat_result]]:
    def refuse(error: OSError) -> None:
        raise error

    for place, directories, files in os.walk(tree, topdown=not deepest_first, onerror=refuse):
        for name in (*directories, *files):
            path = Path(place, name)
            yield path, path.lstat()


def _relative(tree: Path, path: Path) -> bytes:
    return os.fsencode(path.relative_to(tree))


def _name(tree: Path, path: Path) -> str:
    return path.relative_to(tree).as_posix().encode("utf-8", "replace").decode()
