"""What several processes may do to the same directory at once, and what has to survive a power cut.

A file is written whole or not at all, a directory appears whole or not at all (`rename`), a lock is held by a living
process or by nobody (`flock`). What the operating system says about a full or failing disk becomes `Broken`, with the
place and what is left there.
"""

import asyncio
import contextlib
import errno
import fcntl
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from engine.errors import Broken

_LOOK_AGAIN = 0.05
_MANY_FILES = 2000
_FULL = (errno.ENOSPC, errno.EDQUOT)
_DISK_ERRORS = (*_FULL, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.EMFILE, errno.ENFILE)


class DiskFull(Broken):
    """There is no room left."""

    def __init__(self, place: Path) -> None:
        super().__init__(
            f"The disk is full: {place} has {describe_free(place)} left.",
            "Make room there; it goes on by itself.",
        )


@contextlib.contextmanager
def disk_errors(place: Path) -> Iterator[None]:
    """Translate what a disk refuses inside the block. `place` is named when the error names no file."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise DiskFull(place) from error
        if error.errno in _DISK_ERRORS:
            name = error.filename or place
            raise Broken(f"{name} cannot be used: {error.strerror}.", f"Mend {place}; it goes on by itself.") from error
        raise


def describe_free(place: Path) -> str:
    """How much room there is for us at `place`, for people."""
    try:
        return f"{free_bytes(place) / 1024 / 1024:.1f} MiB"
    except OSError:
        return "nothing known"


def free_bytes(place: Path) -> int:
    """How much room there is for us on the disk of `place` or of its nearest parent that exists."""
    while not place.exists() and place != place.parent:
        place = place.parent
    return shutil.disk_usage(place).free


@contextlib.asynccontextmanager
async def locked(path: Path) -> AsyncIterator[None]:
    """Hold the lock file `path`, waiting for whoever holds it. It is free when its holder dies."""
    held = try_lock(path)
    while held is None:
        await asyncio.sleep(_LOOK_AGAIN)
        held = try_lock(path)
    try:
        yield
    finally:
        os.close(held)


def try_lock(path: Path) -> int | None:
    """Take the lock file now: a descriptor to close, or None when somebody holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return None
        raise
    if not _is_at(path, descriptor):
        os.close(descriptor)
        return None
    return descriptor


def _is_at(path: Path, descriptor: int) -> bool:
    """Whether the open file still has its name: whoever removed it held the lock, and it means nothing now."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def write_whole(path: Path, text: str) -> None:
    """Put `text` into `path`: after a crash the file has the old content or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name[:80]}.{secrets.token_hex(6)}")
    try:
        with draft.open("x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make the names in `path` survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(path: Path) -> None:
    """Make everything under `path` survive a power cut."""
    files = [Path(place, name) for place, _, names in os.walk(path) for name in names]
    if len(files) > _MANY_FILES:
        os.sync()
        return
    for file in files:
        if not file.is_symlink():
            _sync_file(file)
    for place, _, _ in os.walk(path, topdown=False):
        sync_directory(Path(place))


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_tree(path: Path) -> None:
    """Remove `path` and everything under it, directories that may not be written to included."""
    for place, directories, _ in os.walk(path):
        for name in directories:
            inner = Path(place, name)
            if not inner.is_symlink():
                with contextlib.suppress(OSError):
                    inner.chmod(0o700)
    shutil.rmtree(path, ignore_errors=True)
