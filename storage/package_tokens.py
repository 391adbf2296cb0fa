"""Tokens with which machines reach packages: kept as hashes, each for one organization, each somebody's.

Whoever reads the database cannot use a token: what is sent is 256 random bits, what is kept is their SHA-256.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Column, String, Table, insert, select

from engine.model import PersonId
from storage.part import Transaction
from storage.tables import Moment, metadata


class Right(StrEnum):
    """What a token is good for; each holds the ones before it."""

    READ = "read"
    WRITE = "write"
    DELETE = "delete"

    def includes(self, other: "Right") -> bool:
        """Whether who has this right has the other one, too."""
        order = list(Right)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True, slots=True)
class PackageToken:
    """A token as it is kept. `id` is public, `hash` 64 hex digits; no `expires_at`: it is good until it is revoked."""

    id: str
    name: str
    hash: str
    person: PersonId
    organization: str
    right: Right
    at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def is_good(self, now: datetime) -> bool:
        """Whether it opens anything now."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


package_tokens = Table(
    "package_tokens",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Column("person", String(128), nullable=False, index=True),
    Column("organization", String(64), nullable=False),
    Column("rights", String(16), nullable=False),
    Column("at", Moment, nullable=False),
    Column("expires_at", Moment),
    Column("revoked_at", Moment),
)


class SqlPackageTokens:
    """Tokens in one transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._in = transaction

    def add(self, token: PackageToken) -> None:
        """Keep a new token."""
        row = {
            "id": token.id,
            "name": token.name,
            "hash": token.hash,
            "person": token.person,
            "organization": token.organization,
            "rights": token.right.value,
            "at": token.at,
            "expires_at": token.expires_at,
            "revoked_at": token.revoked_at,
        }
        self._in.write(insert(package_tokens), row)

    def find(self, name: str) -> PackageToken | None:
        """The token of this id, good or not."""
        row = self._in.read(select(package_tokens).where(package_tokens.c.id == name)).one_or_none()
        return None if row is None else _token(row)

    def of(self, person: PersonId) -> list[PackageToken]:
        """A person's tokens that were not revoked, oldest first."""
        mine = (package_tokens.c.person == person) & package_tokens.c.revoked_at.is_(None)
        rows = self._in.read(select(package_tokens).where(mine).order_by(package_tokens.c.at, package_tokens.c.id))
        return [_token(row) for row in rows]

    def revoke(self, name: str, at: datetime) -> None:
        """Let the token of this id open nothing from now on."""
        this = package_tokens.c.id == name
        self._in.write(package_tokens.update().where(this).values(revoked_at=at))


def _token(row: Any) -> PackageToken:
    return PackageToken(
        id=row.id,
        name=row.name,
        hash=row.hash,
        person=PersonId(row.person),
        organization=row.organization,
        right=Right(row.rights),
        at=row.at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
    )
