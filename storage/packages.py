"""The index of software packages: which files there are, where, from whom, with which content.

What they contain lies in `storage.package_files`, under its checksum. A row of a file is never taken out: when the file
is deleted the row says so, and so its name can never come to mean another content.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, String, Table, Text, func, or_, select

from engine.model import PersonId
from engine.packages import PackagePath, parse
from storage.package_tokens import SqlPackageTokens
from storage.package_uploads import SqlPackageUploads
from storage.part import Transaction, take_turn, upsert
from storage.tables import Moment, Number, metadata


@dataclass(frozen=True, slots=True)
class Package:
    """A package in a list. `size` is the bytes of its files, `at` when the last of them came (or it was created)."""

    path: PackagePath
    description: str
    by: PersonId
    at: datetime
    versions: int = 0
    files: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True)
class PackageVersion:
    """A version. `closed_at`: when a build took all of it, so that it takes no more files."""

    path: PackagePath
    by: PersonId
    at: datetime
    closed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PackageFile:
    """A file of a version: `size` in bytes, `sha256` in 64 hex digits. `deleted_at`: only its name is still there."""

    path: PackagePath
    size: int
    sha256: str
    by: PersonId
    at: datetime
    deleted_at: datetime | None = None


packages = Table(
    "packages",
    metadata,
    Column("path", String(200), primary_key=True),
    Column("organization", String(64), nullable=False, index=True),
    Column("description", Text, nullable=False),
    Column("by", String(128), nullable=False),
    Column("at", Moment, nullable=False),
)
package_versions = Table(
    "package_versions",
    metadata,
    Column("key", String(340), primary_key=True),
    Column("path", String(340), nullable=False),
    Column("package", String(200), nullable=False, index=True),
    Column("by", String(128), nullable=False),
    Column("at", Moment, nullable=False),
    Column("closed_at", Moment),
)
package_files = Table(
    "package_files",
    metadata,
    Column("key", String(540), primary_key=True),
    Column("path", String(540), nullable=False),
    Column("version", String(340), nullable=False, index=True),
    Column("package", String(200), nullable=False, index=True),
    Column("organization", String(64), nullable=False, index=True),
    Column("size", Number, nullable=False),
    Column("sha256", String(64), nullable=False, index=True),
    Column("by", String(128), nullable=False),
    Column("at", Moment, nullable=False),
    Column("deleted_at", Moment),
    Column("deleted_by", String(128), nullable=False),
)
_LIVE = package_files.c.deleted_at.is_(None)


class SqlPackages:
    """Packages in one transaction, with the tokens and the uploads that belong to them."""

    def __init__(self, transaction: Transaction) -> None:
        self._in = transaction
        self.tokens = SqlPackageTokens(transaction)
        self.uploads = SqlPackageUploads(transaction)

    def take_turn(self) -> None:
        """Let nobody else write here until this transaction ends: what is read from now on is still so when it does.

        Whatever writes takes it first, so that no two wait for each other.
        """
        take_turn(self._in)

    def create(self, path: PackagePath, by: PersonId, at: datetime, description: str = "") -> bool:
        """Make a package without any version; False when it is there."""
        self.take_turn()
        row = {"path": str(path), "organization": path.organization, "description": description, "by": by, "at": at}
        return upsert(self._in, packages, row) == 1

    def describe(self, path: PackagePath, description: str) -> None:
        """Say anew what a package is."""
        self.take_turn()
        self._in.write(packages.update().where(packages.c.path == str(path)).values(description=description))

    def find(self, path: PackagePath) -> Package | None:
        """One package."""
        found = self._listed(packages.c.path == str(path.of_package), 1)
        return found[0] if found else None

    def search(self, words: str, limit: int, after: str = "", *, organization: str = "") -> list[Package]:
        """Packages whose path or description holds each of the words, by name; those after the path `after`.

        With an `organization`, only its own.
        """
        those = packages.c.path > after
        if organization:
            those &= packages.c.organization == organization
        for word in words.lower().split():
            held = [
                func.lower(one).contains(word, autoescape=True) for one in (packages.c.path, packages.c.description)
            ]
            those &= or_(*held)
        return self._listed(those, limit)

    def _listed(self, those: Any, limit: int) -> list[Package]:
        f = package_files.c
        counts = (
            select(
                f.package,
                func.count().label("files"),
                func.count(f.version.distinct()).label("versions"),
                func.sum(f.size).label("size"),
                func.max(f.at).label("latest"),
            )
            .where(_LIVE)
            .group_by(f.package)
            .subquery()
        )
        statement = select(packages, counts).outerjoin(counts, counts.c.package == packages.c.path)
        rows = self._in.read(statement.where(those).order_by(packages.c.path).limit(limit))
        return [_package(row) for row in rows.mappings()]

    def version(self, path: PackagePath) -> PackageVersion | None:
        """The version of this name, or the one that differs from it only in case."""
        row = self._in.read(select(package_versions).where(package_versions.c.key == _key(path.of_version))).first()
        return None if row is None else _version(row)

    def versions(self, path: PackagePath, limit: int) -> list[PackageVersion]:
        """A package's newest versions that have files, newest first."""
        v = package_versions.c
        live = select(package_files.c.version).where(_LIVE & (package_files.c.package == str(path.of_package)))
        those = (v.package == str(path.of_package)) & v.key.in_(live)
        rows = self._in.read(select(package_versions).where(those).order_by(v.at.desc(), v.key.desc()).limit(limit))
        return [_version(row) for row in rows]

    def close(self, path: PackagePath, at: datetime) -> None:
        """Let a version take no more files; one that is closed stays as it is."""
        self.take_turn()
        v = package_versions.c
        this = (v.key == _key(path.of_version)) & v.closed_at.is_(None)
        self._in.write(package_versions.update().where(this).values(closed_at=at))

    def file(self, path: PackagePath) -> PackageFile | None:
        """The file of this name or one that differs only in case, deleted or not."""
        row = self._in.read(select(package_files).where(package_files.c.key == _key(path))).first()
        return None if row is None else _file(row)

    def files(self, path: PackagePath) -> list[PackageFile]:
        """The files that are there, of a package or of one version, by name. A path with a file: that one."""
        f = package_files.c
        if path.file:
            those = f.key == _key(path)
        else:
            those = f.version == _key(path) if path.version else f.package == str(path)
        rows = self._in.read(select(package_files).where(_LIVE & those).order_by(f.key))
        return [one for one in map(_file, rows) if not path.file or one.path == path]

    def put(self, file: PackageFile) -> None:
        """Write a file down, or that it is there again; its version and its package with it."""
        path = file.path
        self.create(path.of_package, file.by, file.at)
        version = {"key": _key(path.of_version), "path": str(path.of_version), "package": str(path.of_package)}
        upsert(self._in, package_versions, {**version, "by": file.by, "at": file.at, "closed_at": None})
        row = {
            "key": _key(path),
            "path": str(path),
            "version": _key(path.of_version),
            "package": str(path.of_package),
            "organization": path.organization,
            "size": file.size,
            "sha256": file.sha256,
            "by": file.by,
            "at": file.at,
            "deleted_at": None,
            "deleted_by": "",
        }
        upsert(self._in, package_files, row, update=("by", "at", "deleted_at", "deleted_by"))

    def delete(self, path: PackagePath, by: PersonId, at: datetime) -> list[PackageFile]:
        """Delete files: one, a version's or a package's. Returns what was deleted; a whole package is forgotten."""
        self.take_turn()
        gone = self.files(path)
        for one in gone:
            this = package_files.c.key == _key(one.path)
            self._in.write(package_files.update().where(this).values(deleted_at=at, deleted_by=by))
        if not path.version:
            self._in.write(packages.delete().where(packages.c.path == str(path)))
        return gone

    def used(self, organization: str) -> int:
        """How many bytes the files of an organization have."""
        mine = _LIVE & (package_files.c.organization == organization)
        return int(self._in.read(select(func.coalesce(func.sum(package_files.c.size), 0)).where(mine)).scalar_one())

    def used_in_all(self) -> int:
        """How many bytes all content has; what several files share is counted once."""
        contents = select(package_files.c.sha256, package_files.c.size).where(_LIVE).distinct().subquery()
        return int(self._in.read(select(func.coalesce(func.sum(contents.c.size), 0))).scalar_one())

    def largest(self, organization: str | None, limit: int) -> list[tuple[str, int]]:
        """The packages that use most, of one organization or of all: their paths, and bytes."""
        f = package_files.c
        total = func.sum(f.size).label("total")
        those = _LIVE if organization is None else _LIVE & (f.organization == organization)
        statement = select(f.package, total).where(those).group_by(f.package).order_by(total.desc(), f.package)
        return [(row.package, int(row.total)) for row in self._in.read(statement.limit(limit))]

    def contents(self, since: datetime) -> set[str]:
        """The checksums of everything that some file still has, or had until it was deleted after `since`."""
        f = package_files.c
        return set(self._in.read(select(f.sha256).where(_LIVE | (f.deleted_at > since)).distinct()).scalars())

    def holds(self, sha256: str) -> bool:
        """Whether some file still has this content."""
        statement = select(package_files.c.key).where(_LIVE & (package_files.c.sha256 == sha256)).limit(1)
        return self._in.read(statement).first() is not None


def _key(path: PackagePath) -> str:
    return "/".join(part for part in path.folded if part)


def _package(row: Mapping[Any, Any]) -> Package:
    return Package(
        path=parse(row["path"], 3, 3),
        description=row["description"],
        by=PersonId(row["by"]),
        at=row["latest"] or row["at"],
        versions=row["versions"] or 0,
        files=row["files"] or 0,
        size=int(row["size"] or 0),
    )


def _version(row: Any) -> PackageVersion:
    return PackageVersion(parse(row.path, 4, 4), PersonId(row.by), row.at, row.closed_at)


def _file(row: Any) -> PackageFile:
    return PackageFile(parse(row.path, 5, 5), row.size, row.sha256, PersonId(row.by), row.at, row.deleted_at)
