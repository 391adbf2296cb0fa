"""Uploads that come in pieces: what was announced, so that they go on after a restart and their room is set aside.

How much has arrived is not written here: the draft's own length says it, so no crash can make the two differ.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, Column, String, Table, delete, func, insert, select

from engine.model import PersonId
from engine.packages import PackagePath, parse
from storage.part import Transaction
from storage.tables import Moment, Number, metadata


@dataclass(frozen=True, slots=True)
class PackageUpload:
    """An upload that was begun. `size` in bytes; `sha256` is empty when it was not announced.

    `is_done`: the file is kept; the upload is remembered for those who did not hear that.
    """

    id: str
    path: PackagePath
    size: int
    sha256: str
    by: PersonId
    at: datetime
    expires_at: datetime
    is_done: bool = False


package_uploads = Table(
    "package_uploads",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("path", String(540), nullable=False, index=True),
    Column("organization", String(64), nullable=False, index=True),
    Column("size", Number, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("by", String(128), nullable=False),
    Column("at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("is_done", Boolean, nullable=False),
)


class SqlPackageUploads:
    """Uploads in one transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._in = transaction

    def add(self, upload: PackageUpload) -> None:
        """Remember an upload that begins."""
        row = {
            "id": upload.id,
            "path": str(upload.path),
            "organization": upload.path.organization,
            "size": upload.size,
            "sha256": upload.sha256,
            "by": upload.by,
            "at": upload.at,
            "expires_at": upload.expires_at,
            "is_done": upload.is_done,
        }
        self._in.write(insert(package_uploads), row)

    def find(self, name: str) -> PackageUpload | None:
        """The upload of this id."""
        row = self._in.read(select(package_uploads).where(package_uploads.c.id == name)).one_or_none()
        return None if row is None else _upload(row)

    def same(self, upload: PackageUpload) -> PackageUpload | None:
        """An upload of the same content to the same path by the same person, that is still open."""
        c = package_uploads.c
        alike = (c.path == str(upload.path)) & (c.sha256 == upload.sha256) & (c.size == upload.size)
        theirs = (c.by == upload.by) & c.is_done.is_(False) & (c.expires_at > upload.at)
        row = self._in.read(select(package_uploads).where(alike & theirs).order_by(c.at, c.id)).first()
        return None if row is None else _upload(row)

    def count(self, by: PersonId, now: datetime) -> int:
        """How many uploads of a person are open."""
        c = package_uploads.c
        theirs = (c.by == by) & c.is_done.is_(False) & (c.expires_at > now)
        return int(self._in.read(select(func.count()).where(theirs)).scalar_one())

    def finish(self, name: str) -> None:
        """The file is kept."""
        self._in.write(package_uploads.update().where(package_uploads.c.id == name).values(is_done=True))

    def drop(self, name: str) -> None:
        """Forget an upload."""
        self._in.write(delete(package_uploads).where(package_uploads.c.id == name))

    def renew(self, name: str, until: datetime, now: datetime) -> bool:
        """Let an upload expire at `until` at the earliest; False when it has expired, or there is none."""
        c = package_uploads.c
        if (found := self.find(name)) is None:
            return False
        this = (c.id == name) & (c.expires_at > now)
        values = {"expires_at": max(until, found.expires_at)}
        return self._in.write(package_uploads.update().where(this).values(values)).rowcount == 1

    def expire(self, name: str, now: datetime) -> bool:
        """Forget an upload if nobody can go on with it; False when somebody can, or there is none."""
        c = package_uploads.c
        return self._in.write(delete(package_uploads).where((c.id == name) & (c.expires_at <= now))).rowcount == 1

    def reserved(self, now: datetime, organization: str | None = None, besides: str = "") -> int:
        """How many bytes are set aside for open uploads, of one organization or of all; `besides` is one to leave out.

        Those that expired before `now` have nothing set aside any more.
        """
        c = package_uploads.c
        those = c.is_done.is_(False) & (c.expires_at > now) & (c.id != besides)
        if organization is not None:
            those &= c.organization == organization
        return int(self._in.read(select(func.coalesce(func.sum(c.size), 0)).where(those)).scalar_one())

    def ids(self) -> set[str]:
        """The ids of all uploads."""
        return set(self._in.read(select(package_uploads.c.id)).scalars())

    def expired(self, now: datetime) -> list[str]:
        """The ids of uploads that nobody can go on with."""
        return list(self._in.read(select(package_uploads.c.id).where(package_uploads.c.expires_at <= now)).scalars())


def _upload(row: Any) -> PackageUpload:
    return PackageUpload(
        id=row.id,
        path=parse(row.path, 5, 5),
        size=row.size,
        sha256=row.sha256,
        by=PersonId(row.by),
        at=row.at,
        expires_at=row.expires_at,
        is_done=row.is_done,
    )
