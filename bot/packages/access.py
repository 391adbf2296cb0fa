"""Who asks for packages over HTTP, and what they may.

The danger is a token that is guessed, read from a log or a database, or used beyond what it was made for. A token has
256 random bits, of which only the hash is kept; the two are compared in constant time; it belongs to a person, is good
for one organization, and ends with the person's being known here.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from starlette.requests import Request

from bot.rights.holders import Holder, holder_of
from bot.rights.packages import may
from engine.errors import Refused
from engine.model import PersonId
from engine.ports import Clock
from storage.book import SqlBook
from storage.package_tokens import PackageToken, Right
from storage.store import SqlStore

PREFIX = "sluicepkg_"
"""How every token begins, so that scanners for secrets know it."""
_TOKEN = re.compile(rf"{PREFIX}([0-9a-f]{{16}})_([A-Za-z0-9_-]{{43}})")
_NOBODY = "0" * 64
SPEAKER = "x-sluice-as"
"""The header that says who speaks, on the socket that only its owner can open."""


class Unauthorized(Refused):
    """Nobody who is known asks."""

    def __init__(self, why: str) -> None:
        super().__init__(
            why, "Send `Authorization: Bearer TOKEN`; `package token NAME ORGANIZATION` makes one, in a direct chat."
        )


class Forbidden(Refused):
    """The token is not good for this."""


@dataclass(frozen=True, slots=True)
class Access:
    """Somebody who may do something: what `holder` was granted, and no more than `right`.

    `organization`: the only one; empty: all of them. `account` and `room` are for the audit.
    """

    holder: Holder
    right: Right
    organization: str = ""
    account: str = ""
    room: str = "hooks:packages"

    @property
    def person(self) -> PersonId:
        """Who it is."""
        return self.holder.person

    def sees(self, organization: str) -> bool:
        """Whether they may know what an organization has."""
        return self.organization in ("", organization) and may(self.holder, organization, Right.READ)

    def check(self, organization: str, right: Right) -> None:
        """Raise `Forbidden` unless they may do this there."""
        if self.organization not in ("", organization):
            raise Forbidden(
                f"This token is for {self.organization}, not for {organization}.",
                f"`package token NAME {organization} {right.value}` makes one that is.",
            )
        if not self.right.includes(right):
            raise Forbidden(
                f"This token may {self.right.value}, not {right.value}.",
                f"`package token NAME {organization} {right.value}` makes one that may.",
            )
        if not may(self.holder, organization, right):
            raise Forbidden(
                f"{self.person} may not {right.value} what {organization} has.", f"`group {organization}` says who may."
            )


class Who(Protocol):
    """Finds out who asks."""

    async def __call__(self, request: Request) -> Access:
        """Return who asks. Raises `Unauthorized`."""
        ...


@dataclass(frozen=True, slots=True)
class ByToken:
    """Everybody who brings a token."""

    store: SqlStore
    clock: Clock

    async def __call__(self, request: Request) -> Access:
        """Look the token up, and compare it in constant time."""
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        match = _TOKEN.fullmatch(given.strip())
        if kind.lower() != "bearer" or match is None:
            raise Unauthorized("There is no token with this request, or it is none of Sluice's.")
        token = await self.store.read(lambda book: book.packages.tokens.find(match[1]))
        kept = token.hash if token is not None else _NOBODY
        if not hmac.compare_digest(kept, hash_of(given.strip())) or token is None:
            raise Unauthorized("That token is not known.")
        if not token.is_good(self.clock.now()):
            raise Unauthorized(f"The token {token.name} was revoked, or it is too old.")
        holder = await self.store.read(lambda book: _known(book, token.person))
        if holder is None:
            raise Unauthorized(f"The token {token.name} belongs to nobody who is known here.")
        return Access(holder, token.right, token.organization, f"token:{token.id}")


@dataclass(frozen=True, slots=True)
class ByOwner:
    """Everybody who reaches the terminal's socket: they say who they are, as with everything else there."""

    store: SqlStore

    async def __call__(self, request: Request) -> Access:
        """Believe them, if the person is known."""
        person = PersonId(request.headers.get(SPEAKER, ""))
        holder = await self.store.read(lambda book: _known(book, person))
        if holder is None:
            raise Unauthorized(f"Nobody here knows {person or 'you'}: `sluice person add NAME`.")
        return Access(holder, Right.DELETE, room=f"terminal:{person}")


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token that was just made: what is kept of it, and what is shown once."""

    kept: PackageToken
    shown: str


def new_token(
    name: str, person: PersonId, *, organization: str, right: Right, now: datetime, good_for: timedelta | None
) -> NewToken:
    """Make a token."""
    public = secrets.token_hex(8)
    shown = f"{PREFIX}{public}_{secrets.token_urlsafe(32)}"
    expires = None if good_for is None else now + good_for
    return NewToken(PackageToken(public, name, hash_of(shown), person, organization, right, now, expires), shown)


def _known(book: SqlBook, person: PersonId) -> Holder | None:
    return None if book.people.find(person) is None else holder_of(book, person)


def hash_of(token: str) -> str:
    """Return what is kept of a token. It is random enough that a fast hash does."""
    return hashlib.sha256(token.encode()).hexdigest()
