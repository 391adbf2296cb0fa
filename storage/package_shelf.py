"""`PackageShelf`: packages as the rest of Sluice uses them, the index and the contents kept in step.

The promise: what somebody was told is kept can be fetched, whole, under that name, with that content, for as long as
nobody deletes it; and a name that had a content never comes to mean another one. It holds because a content is on the
disk before the index names it (`storage.package_files`), all that may be refused is looked at in the one transaction
that writes the index (whoever writes takes turns, also with other processes, so two uploads of one version are one
after the other), and a deleted file leaves its name and checksum behind.

A version takes files for a day after its first one, unless a build has taken all of it: what was built from a version
can be built from it again.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from engine.disk import DiskFull, disk_errors, free_bytes
from engine.errors import Refused, StageFailure
from engine.model import PersonId
from engine.packages import PackagePath, parse
from engine.ports import Clock
from storage.book import SqlBook
from storage.package_files import PackageFiles
from storage.package_refusals import NoPackage, PackageTaken, QuotaExceeded, TooLarge, VersionClosed, WrongContent
from storage.package_uploads import PackageUpload
from storage.packages import PackageFile, SqlPackages
from storage.store import SqlStore

OPEN_FOR = timedelta(days=1)
GRACE = timedelta(days=1)
"""How long a content stays that nobody refers to (any more)."""
SPARE = 64 * 1024 * 1024
"""Bytes of the disk that are left to the database and everything else."""
IN_ONE_GO = "-"
"""In place of a checksum: what nobody else can go on with."""
_TOLD = 3
Note = Callable[[SqlBook, bool], None]
"""Writes something down in the transaction that takes a file; told whether the file is new."""


@dataclass(frozen=True, slots=True)
class Limits:
    """In bytes: the largest file, what one organization may have, and all of them together."""

    file: int
    organization: int
    total: int


@dataclass(frozen=True, slots=True)
class PackageShelf:
    """`engine.ports.Packages`, and everything else that is done with packages."""

    store: SqlStore
    files: PackageFiles
    clock: Clock
    limits: Limits

    async def may_take(self, path: PackagePath, size: int) -> None:
        """Raise what would be refused about a file of this size, before any of it has come."""
        if size > self.limits.file:
            raise TooLarge(self.limits.file)
        file = PackageFile(path, size, "", PersonId(""), self.clock.now())
        if not await self.store.read(lambda book: _is_there(book.packages, path)):
            await self.store.read(lambda book: self._fits(book.packages, file, besides=""))
        await asyncio.to_thread(self._space, size)

    async def set_aside(self, draft: str, path: PackagePath, size: int, by: PersonId, lasts: timedelta) -> None:
        """Set room aside for a draft that comes in one go and `lasts` so long at most; `take` gives it back.

        Raises as `may_take` does. `let_go` gives it back when nothing comes of it; so does time.
        """
        await self.may_take(path, size)
        now = self.clock.now()
        upload = PackageUpload(draft, path, size, IN_ONE_GO, by, now, now + lasts)

        def keep(book: SqlBook) -> None:
            book.packages.take_turn()
            if not _is_there(book.packages, path):
                self._fits(book.packages, PackageFile(path, size, "", by, now), besides="")
            book.packages.uploads.add(upload)

        await self.store.transact(keep)

    async def let_go(self, draft: str) -> None:
        """Forget a draft, and what was set aside for it."""
        await asyncio.to_thread(self.files.drop, draft)
        await self.store.transact(lambda book: book.packages.uploads.drop(draft))

    async def take(
        self,
        draft: str,
        path: PackagePath,
        by: PersonId,
        *,
        sha256: str = "",
        size: int | None = None,
        note: Note | None = None,
    ) -> tuple[PackageFile, bool]:
        """Make a whole draft the file at `path`. Returns the file, and whether it is new.

        `sha256` and `size` (bytes): what was announced; empty and None: nothing was. The draft is used up, also when
        it is refused. Raises `WrongContent`, `PackageTaken`, `VersionClosed`, `TooLarge`, `QuotaExceeded`; what raises
        anything else (`DraftChanged`: there is no such draft), or dies before it returns, may be tried again.
        """
        try:
            file = await asyncio.to_thread(self._measured, draft, path, by)
            if size is not None and size != file.size:
                raise WrongContent(f"It has {file.size} bytes, and {size} were announced")
            if sha256 and sha256 != file.sha256:
                raise WrongContent(f"Its SHA-256 is {file.sha256}, and {sha256} was announced")
            await self.store.read(lambda book: self._admitted(book.packages, file, draft))
            await asyncio.to_thread(self.files.keep, draft, file.sha256, file.at)
            is_new = await self.store.transact(lambda book: self._written(book, file, draft, note))
        except Refused:
            await asyncio.to_thread(self.files.drop, draft)
            raise
        await asyncio.to_thread(self.files.drop, draft)
        return file, is_new

    async def find(self, path: PackagePath) -> tuple[PackageFile, Path]:
        """A file and where its content lies. Raises `NoPackage`."""
        file = await self.store.read(lambda book: book.packages.file(path))
        if file is None or file.deleted_at is not None or file.path != path:
            raise NoPackage(path, await self._near(path))
        return file, await asyncio.to_thread(self.files.found, file.sha256, file.size)

    async def only_file(self, path: PackagePath) -> PackagePath:
        """The file that a path means: the one it names, or the version's only one. Raises `NoPackage` or `Refused`."""
        if path.file:
            return path
        files = await self.store.read(lambda book: book.packages.files(path))
        if not files:
            raise NoPackage(path, await self._near(path))
        if len(files) > 1:
            names = ", ".join(str(one.path) for one in files[:_TOLD])
            raise Refused(f"{path} has {len(files)} files.", f"Name one: {names}.")
        return files[0].path

    async def fetch(self, path: str, into: str) -> None:
        """Put what a build asks for into a directory: `engine.ports.Packages`."""
        try:
            wanted = parse(path, 4, 5)
        except Refused as error:
            raise StageFailure(str(error), error.hint) from error
        now = self.clock.now()
        files = await self.store.transact(lambda book: _taken(book.packages, wanted, now))
        if not files:
            near = await self._near(wanted)
            others = f"There is {', '.join(near)}." if near else "`packages` lists what there is."
            raise StageFailure(f"There is no package {wanted}.", others)
        await asyncio.to_thread(self._put_into, files, Path(into))

    async def delete(self, path: PackagePath, by: PersonId, *, note: Note | None = None) -> list[PackageFile]:
        """Delete a file, a version or a package. Raises `NoPackage`. The content goes after a while: see `tidy`."""
        now = self.clock.now()

        def delete(book: SqlBook) -> list[PackageFile]:
            gone = deleted(book, path, by, now)
            if note is not None:
                note(book, True)
            return gone

        return await self.store.transact(delete)

    async def tidy(self) -> int:
        """Free what nobody refers to any more. Returns how many bytes that was."""
        now = self.clock.now()
        expired = await self.store.read(lambda book: book.packages.uploads.expired(now))
        for name in expired:
            if await self.store.transact(lambda book, name=name: book.packages.uploads.expire(name, now)):  # type: ignore[misc]
                await asyncio.to_thread(self.files.drop, name)
        needed, uploads = await self.store.read(
            lambda book: (book.packages.contents(now - GRACE), book.packages.uploads.ids())
        )
        return await asyncio.to_thread(self.files.sweep, needed, uploads, now - GRACE)

    def _measured(self, draft: str, path: PackagePath, by: PersonId) -> PackageFile:
        if self.files.length(draft) > self.limits.file:
            raise TooLarge(self.limits.file)
        size, sha256 = self.files.measured(draft)
        return PackageFile(path, size, sha256, by, self.clock.now())

    def _written(self, book: SqlBook, file: PackageFile, draft: str, note: Note | None) -> bool:
        book.packages.take_turn()
        is_new = self._admitted(book.packages, file, draft)
        if is_new:
            book.packages.put(file)
        book.packages.uploads.finish(draft)
        if note is not None:
            note(book, is_new)
        return is_new

    def _admitted(self, packages: SqlPackages, file: PackageFile, draft: str) -> bool:
        """Whether the file is new; False when the very same is there. Raises what is to be refused."""
        there = packages.file(file.path)
        if there is not None and there.path != file.path:
            raise PackageTaken(file.path, f"differs only in case from {there.path}, which is there")
        if there is not None and there.sha256 != file.sha256:
            when = "has" if there.deleted_at is None else "had, before it was deleted,"
            raise PackageTaken(file.path, f"{when} another content (sha256 {there.sha256[:12]}..., not this one)")
        if there is not None and there.deleted_at is None:
            return False
        self._fits(packages, file, besides=draft)
        return True

    def _fits(self, packages: SqlPackages, file: PackageFile, besides: str) -> None:
        """Raise when there is no room for a file; what is set aside for the upload `besides` is its own."""
        if packages.file(file.path) is None:
            _open(packages, file.path, file.at)
        of, most = file.path.organization, self.limits.organization
        used = packages.used(of) + packages.uploads.reserved(file.at, of, besides)
        if used + file.size > most:
            largest = packages.largest(of, _TOLD)
            raise QuotaExceeded(of, "SLUICE_PACKAGES_ORGANIZATION", (used, most, file.size), largest)
        used, most = packages.used_in_all() + packages.uploads.reserved(file.at, None, besides), self.limits.total
        if used + file.size > most and not packages.holds(file.sha256):
            largest = packages.largest(None, _TOLD)
            raise QuotaExceeded("The package store", "SLUICE_PACKAGES_TOTAL", (used, most, file.size), largest)

    def _space(self, size: int) -> None:
        if size + SPARE > free_bytes(self.files.root):
            raise DiskFull(self.files.root)

    def _put_into(self, files: Sequence[PackageFile], into: Path) -> None:
        with disk_errors(into):
            into.mkdir(parents=True, exist_ok=True)
        for one in files:
            self.files.copy(one.sha256, one.size, into / one.path.file)

    async def _near(self, path: PackagePath) -> list[str]:
        """What there is instead: files of the version, else versions of the package."""
        files = await self.store.read(lambda book: book.packages.files(path.of_version))
        if path.file and files:
            return [str(one.path) for one in files[:_TOLD]]
        versions = await self.store.read(lambda book: book.packages.versions(path, _TOLD))
        return [str(one.path) for one in versions]


def deleted(book: SqlBook, path: PackagePath, by: PersonId, now: datetime) -> list[PackageFile]:
    """Delete in a transaction. Raises `NoPackage`."""
    gone = book.packages.delete(path, by, now) if path.version or book.packages.find(path) else None
    if gone is None or (path.version and not gone):
        raise NoPackage(path)
    return gone


def _is_there(packages: SqlPackages, path: PackagePath) -> bool:
    there = packages.file(path)
    return there is not None and there.deleted_at is None


def _taken(packages: SqlPackages, path: PackagePath, now: datetime) -> list[PackageFile]:
    """The files that a build takes. A version that it takes whole takes no more files."""
    if not path.file:
        packages.close(path, now)
    return packages.files(path)


def _open(packages: SqlPackages, path: PackagePath, now: datetime) -> None:
    """Raise when the version takes no more files, or there is one that differs only in case."""
    version = packages.version(path)
    if version is None:
        return
    if version.path != path.of_version:
        raise PackageTaken(path, f"differs only in case from {version.path}, which is there")
    if version.closed_at is not None:
        raise VersionClosed(path, f"a build took it whole at {version.closed_at:%Y-%m-%d %H:%M} UTC")
    if now - version.at > OPEN_FOR:
        raise VersionClosed(path, f"its first file came at {version.at:%Y-%m-%d %H:%M} UTC, more than a day ago")
