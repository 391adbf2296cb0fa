"""Where finished bundles are kept, by content.

    sha256/HEX/                  the content; never changed
    images/ORG/REPOSITORY/TAG    the digest that a tag points to
    orders/HEX                   the digest that came of an order
    work/NAME/, work/NAME.lock   a build that is going on; the lock is held by a living process

The danger: a power cut, a killed bot, a full disk or two bots at once leave half a bundle that somebody then starts.

The promise: what can be found is whole. What is not referred to by anything is cleared away, unless somebody is still
at it.

Why it holds: content is finished, synced and renamed into place before anything points to it; pointers are files that
are replaced whole; pointers go before the content they point to when something is removed. A workspace is stale
exactly when its lock is free, and the kernel frees it when the holder dies.
"""

import asyncio
import contextlib
import os
import re
import secrets
from collections.abc import AsyncIterator, Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from engine.disk import disk_errors, remove_tree, sync_directory, sync_tree, try_lock, write_whole
from engine.errors import InvariantViolation, Refused, StageFailure
from engine.subprocesses import kill_marked, uninterrupted

_IMAGE = re.compile(
    r"([a-z0-9][a-z0-9._-]{0,127})/([a-z0-9][a-z0-9._-]{0,127}):([A-Za-z0-9_][A-Za-z0-9_.-]{0,127})", re.ASCII
)
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")


class UnusableImageName(Refused):
    """A name that no image can have."""

    def __init__(self, image: str) -> None:
        super().__init__(
            f"{image[:200]!r} is not the name of an image.",
            "Write organization/repository:tag, for example shop/api:v1.",
        )


class NoImage(StageFailure):
    """Nothing was built under that name, or it was removed."""

    def __init__(self, image: str, near: Collection[str]) -> None:
        others = f" There are {', '.join(near)}." if near else ""
        super().__init__(f"There is no image {image}.", f"Run the pipeline that builds it.{others}")


class NoContent(StageFailure):
    """A digest whose content is not kept any more."""

    def __init__(self, digest: str) -> None:
        super().__init__(f"The content {digest} is not kept any more.", "Build it again.")


@dataclass(frozen=True, slots=True)
class KeptImage:
    """One name and what it points to."""

    image: str
    digest: str
    at: datetime


def parse_image(image: str) -> tuple[str, str, str]:
    """Split a name into organization, repository and tag. Raises `UnusableImageName`."""
    found = _IMAGE.fullmatch(image)
    if not found:
        raise UnusableImageName(image)
    return found[1], found[2], found[3]


class Shelf:
    """The directory `root` of finished bundles. Every call blocks: the builder takes it off the event loop."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._work = root / "work"

    def find(self, image: str) -> str:
        """Return the digest that `image` points to. Raises `NoImage`."""
        digest = self._read(self._pointer(image))
        if digest is None or not self._content(digest).is_dir():
            organization, repository, _ = parse_image(image)
            near = [kept.image for kept in self.images() if kept.image.startswith(f"{organization}/{repository}:")]
            raise NoImage(image, sorted(near)[-4:])
        return digest

    def directory(self, digest: str) -> Path:
        """Return where the content is. Raises `NoContent`."""
        place = self._content(digest)
        if not place.is_dir():
            raise NoContent(digest)
        return place

    def find_order(self, key: str) -> str | None:
        """Return the digest that came of an order with `key`, if it is still kept; it then counts as new to `prune`."""
        digest = self._read(self._root / "orders" / key)
        if digest is None:
            return None
        try:
            os.utime(self._content(digest), None)
        except FileNotFoundError:
            return None
        return digest

    def images(self) -> list[KeptImage]:
        """List every name that points to content that is kept, newest first."""
        found = [self._kept(pointer) for pointer in (self._root / "images").glob("*/*/*")]
        return sorted((kept for kept in found if kept), key=lambda kept: kept.at, reverse=True)

    def keep(self, tree: Path, digest: str) -> None:
        """Take `tree`, a directory in a workspace, as the content of `digest`."""
        place = self._content(digest)
        with disk_errors(self._root):
            place.parent.mkdir(parents=True, exist_ok=True)
            if not place.is_dir():
                sync_tree(tree)
                with contextlib.suppress(FileExistsError, NotADirectoryError):
                    _rename_new(tree, place)
            os.utime(place, None)
            sync_directory(place.parent)

    def remember_order(self, key: str, digest: str) -> None:
        """Let an equal order find `digest`."""
        with disk_errors(self._root):
            write_whole(self._root / "orders" / key, digest)

    def point(self, image: str, digest: str) -> str | None:
        """Let `image` point to `digest`; returns the digest that it pointed to until now."""
        pointer = self._pointer(image)
        before = self._read(pointer)
        if before != digest:
            with disk_errors(self._root):
                write_whole(pointer, digest)
        return before

    @contextlib.asynccontextmanager
    async def workspace(self) -> AsyncIterator[Path]:
        """Yield a new directory for one build; its name is the mark of the build's processes. Gone afterwards."""
        place, lock = self._make_workspace()
        try:
            yield place
        finally:
            await uninterrupted(asyncio.to_thread(self._drop, place, lock))

    def sweep(self) -> int:
        """End what dead bots left running and remove what they left half-made. Returns how many builds that were."""
        swept = 0
        for mark in {entry.name.removesuffix(".lock") for entry in self._entries(self._work)}:
            place = self._work / mark
            lock = try_lock(self._lock_of(place))
            if lock is None:
                continue
            kill_marked(mark)
            self._drop(place, lock)
            swept += 1
        for draft in self._drafts():
            draft.unlink(missing_ok=True)
        return swept

    def prune(self, keep: Collection[str], made_before: datetime) -> tuple[str, ...]:
        """Remove content that is not in `keep` and was made (or found again) before that moment, names first."""
        gone = tuple(digest for digest in self._digests() if digest not in keep and self._made_at(digest) < made_before)
        for pointer in (*(self._root / "images").glob("*/*/*"), *self._entries(self._root / "orders")):
            if self._read(pointer) in gone:
                pointer.unlink(missing_ok=True)
        self._work.mkdir(parents=True, exist_ok=True)
        for digest in gone:
            grave = self._work / f"pruned-{secrets.token_hex(8)}"
            with contextlib.suppress(FileNotFoundError):
                self._content(digest).rename(grave)
            remove_tree(grave)
        return gone

    def _make_workspace(self) -> tuple[Path, int]:
        with disk_errors(self._root):
            self._work.mkdir(parents=True, exist_ok=True)
            lock = None
            while lock is None:  # a sweep may be looking at the new lock right now
                place = self._work / f"build-{secrets.token_hex(16)}"
                lock = try_lock(self._lock_of(place))
            try:
                place.mkdir(mode=0o700)
            except BaseException:
                self._drop(place, lock)
                raise
        return place, lock

    def _drop(self, place: Path, lock: int) -> None:
        remove_tree(place)
        self._lock_of(place).unlink(missing_ok=True)
        os.close(lock)

    def _lock_of(self, place: Path) -> Path:
        return place.with_name(f"{place.name}.lock")

    def _drafts(self) -> Iterator[Path]:
        """Find pointers that were being written when somebody died, an hour ago at least."""
        an_hour_ago = datetime.now(UTC).timestamp() - 3600
        for pattern in ("images/*/*/.*", "orders/.*"):
            for draft in self._root.glob(pattern):
                with contextlib.suppress(FileNotFoundError):
                    if draft.stat().st_mtime < an_hour_ago:
                        yield draft

    def _pointer(self, image: str) -> Path:
        return self._root.joinpath("images", *parse_image(image))

    def _content(self, digest: str) -> Path:
        found = _DIGEST.fullmatch(digest)
        if not found:
            raise InvariantViolation(f"{digest!r} is not a digest.")
        return self._root / "sha256" / found[1]

    def _kept(self, pointer: Path) -> KeptImage | None:
        image = "{}/{}:{}".format(*pointer.relative_to(self._root / "images").parts)
        digest = self._read(pointer)
        if digest is None or not _IMAGE.fullmatch(image) or not self._content(digest).is_dir():
            return None
        return KeptImage(image, digest, datetime.fromtimestamp(pointer.stat().st_mtime, UTC))

    def _digests(self) -> list[str]:
        return [f"sha256:{entry.name}" for entry in self._entries(self._root / "sha256")]

    def _made_at(self, digest: str) -> datetime:
        return datetime.fromtimestamp(self._content(digest).stat().st_mtime, UTC)

    @staticmethod
    def _entries(place: Path) -> list[Path]:
        return list(place.iterdir()) if place.is_dir() else []

    @staticmethod
    def _read(pointer: Path) -> str | None:
        try:
            text = pointer.read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            return None
        return text if _DIGEST.fullmatch(text) else None


def _rename_new(source: Path, target: Path) -> None:
    """Rename a directory; another process that was faster has made the same content."""
    try:
        source.rename(target)
    except OSError:
        if not target.is_dir():
            raise
