"""What packages contain: files named by their SHA-256 in one directory, shared by all that have the same content.

The danger: a crash half-way leaves half a file that is taken for a whole one; a disk runs full of what nobody refers
to; tidying takes away a content at the very moment that somebody uploads it again.

The promise: under a checksum lies the whole content or nothing. It holds because a content is written as a draft, made
to survive a power cut (`fsync`), and then given its second name (a hard link), which a rename puts in place: onto a
content that is there, it replaces it by the same bytes, so that whoever uploads a file again also mends it. The draft
takes nothing more then, and stays until it is dropped, so that whoever died between the disk and the index finds it
and does the same again. What is kept has a fresh time of change, and tidying looks at that
time under the lock that keeping holds: what was kept within the grace is never taken away, whether somebody refers to
it already or not. The lock is a file in the directory, so that this holds for all processes that share it; processes
that share a database have to share this directory.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import secrets
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from engine.disk import disk_errors, sync_directory
from engine.errors import Broken, Interrupted, InvariantViolation

_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)
PIECE = 1024 * 1024
"""Bytes that are held in memory while a file is read."""


class DamagedPackage(Broken):
    """A content is not there any more, or is not what its name says."""

    def __init__(self, sha256: str) -> None:
        super().__init__(
            f"The content {sha256} of a package is lost or damaged on this machine's disk.",
            "Look at the disk, and upload the same file again: that mends it.",
        )


class DraftChanged(Interrupted):
    """A draft went away, or grew, while somebody worked with it: it was kept, tidied away, or another one writes it."""

    def __init__(self) -> None:
        super().__init__(
            "What had come of the file has changed meanwhile.", "Ask how much of it is there, or begin it again."
        )


@dataclass(frozen=True, slots=True)
class PackageFiles:
    """The directory `root`, with `content/` and `drafts/` in it. Every call may wait for the disk: not for the loop."""

    root: Path

    def draft(self, name: str) -> Path:
        """Where the draft of this name (made by Sluice: letters and digits) lies, whether it is there or not."""
        if not name.isalnum():
            raise InvariantViolation("A draft has a name that Sluice did not make.")
        return self.root / "drafts" / name

    def length(self, name: str) -> int:
        """How many bytes of a draft have arrived; 0 when there is none."""
        try:
            return self.draft(name).stat().st_size
        except FileNotFoundError:
            return 0

    def append(self, name: str, content: bytes, at: int | None = None) -> None:
        """Add to a draft, which need not be there. What was added survives a power cut only after `sync`.

        `at`: how many bytes the draft has now. Adds nothing and raises `DraftChanged` when it has not, or when it was
        made a content.
        """
        place = self.draft(name)
        with disk_errors(self.root):
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with place.open("ab") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                found = os.fstat(file.fileno())
                if (at is not None and found.st_size != at) or (content and found.st_nlink > 1):
                    raise DraftChanged
                file.write(content)

    def sync(self, name: str) -> None:
        """Make what a draft has survive a power cut; nothing when there is no draft."""
        with disk_errors(self.root), contextlib.suppress(FileNotFoundError):
            descriptor = os.open(self.draft(name), os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def measured(self, name: str) -> tuple[int, str]:
        """How many bytes a draft has, and its SHA-256 in 64 hex digits. Raises `DraftChanged` when there is none."""
        self.sync(name)
        with disk_errors(self.root):
            try:
                with self.draft(name).open("rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
                    return file.tell(), digest
            except FileNotFoundError as error:
                raise DraftChanged from error

    def keep(self, name: str, sha256: str, now: datetime) -> None:
        """Make the whole draft the content of this checksum, too. `now` counts as its time of change.

        It may be done again, until the draft is dropped. Raises `DraftChanged` when there is no such draft any more.
        """
        place = self.place(sha256)
        with disk_errors(self.root), self._keeping():
            is_new = not place.parent.exists()
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                os.utime(self.draft(name), (now.timestamp(), now.timestamp()))
                _place_beside(self.draft(name), place)
            except FileNotFoundError as error:
                raise DraftChanged from error
            sync_directory(place.parent)
            if is_new:
                sync_directory(place.parent.parent)

    def drop(self, name: str) -> None:
        """Forget a draft."""
        with disk_errors(self.root):
            self.draft(name).unlink(missing_ok=True)

    def place(self, sha256: str) -> Path:
        """Where the content of this checksum lies, whether it is there or not."""
        return self.root / "content" / sha256[:2] / sha256

    def found(self, sha256: str, size: int) -> Path:
        """Where the content lies. Raises `DamagedPackage` when it is not there, or has another length."""
        place = self.place(sha256)
        try:
            if place.stat().st_size == size:
                return place
        except FileNotFoundError:
            pass
        raise DamagedPackage(sha256)

    def copy(self, sha256: str, size: int, to: Path) -> None:
        """Put the content into a new file `to`, compared with its checksum on the way; whole or not at all."""
        draft = to.with_name(f".{secrets.token_hex(12)}.part")
        with disk_errors(to.parent):
            try:
                if _copied(self.found(sha256, size), draft) != sha256:
                    raise DamagedPackage(sha256)
                draft.replace(to)
            finally:
                draft.unlink(missing_ok=True)

    def sweep(self, needed: Collection[str], uploads: Collection[str], before: datetime) -> int:
        """Take away contents that nobody needs and drafts that belong to no upload, untouched since `before`.

        Returns how many bytes became free.
        """
        freed = 0
        with disk_errors(self.root):
            for place in (self.root / "content").glob("??/*"):
                freed += 0 if place.name in needed else self._removed(place, before)
            for place in (self.root / "drafts").glob("*"):
                freed += 0 if place.name in uploads else self._removed(place, before)
        return freed

    def _removed(self, place: Path, before: datetime) -> int:
        with self._keeping():
            try:
                found = place.stat()
            except FileNotFoundError:
                return 0
            if found.st_mtime >= before.timestamp():
                return 0
            place.unlink()
            return found.st_size if found.st_nlink == 1 else 0

    @contextlib.contextmanager
    def _keeping(self) -> Iterator[None]:
        """Let nobody else keep or take away a content, in this process or in another one. Waits."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        held = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(held, fcntl.LOCK_EX)
            yield
        finally:
            os.close(held)


def _place_beside(draft: Path, place: Path) -> None:
    """Let a draft lie at `place`, too, in one step; where the disk knows no links, there alone."""
    link = draft.with_suffix(".kept")
    link.unlink(missing_ok=True)
    try:
        link.hardlink_to(draft)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        link = draft
    link.replace(place)
    if link != draft:
        link.unlink(missing_ok=True)  # a rename onto another name of the same file leaves both


def _copied(source: Path, to: Path) -> str:
    """Copy and return the checksum of what was copied."""
    digest = hashlib.sha256()
    with source.open("rb") as reading, to.open("xb") as writing:
        while piece := reading.read(PIECE):
            digest.update(piece)
            writing.write(piece)
    return digest.hexdigest()
