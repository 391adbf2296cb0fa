"""Whose account in which chat: one person may have several. They are joined by a code that is used once.

Codes are kept as hashes, one for each person, the newest. Wrong ones are counted for each account that tries, so a
code cannot be guessed.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, delete, select

from engine.model import PersonId, RoomId
from storage.part import Transaction, upsert
from storage.tables import accounts, cards, link_codes, link_tries, subscriptions


@dataclass(frozen=True, slots=True)
class Account:
    """An account in a chat, as ``slack:T1/U1``. `direct` is the room where it is spoken to alone; empty: not known."""

    id: str
    person: PersonId
    name: str
    direct: RoomId
    linked_at: datetime


@dataclass(frozen=True, slots=True)
class Tries:
    """How many wrong codes an account has typed since when."""

    count: int
    since: datetime


class SqlAccounts:
    """Accounts in one transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._in = transaction

    def link(self, account: Account) -> None:
        """The account is the person's from now on, whoever had it before."""
        row = {
            "id": account.id,
            "person": account.person,
            "name": account.name,
            "direct": account.direct,
            "linked_at": account.linked_at,
        }
        upsert(self._in, accounts, row, update=("person", "name", "direct", "linked_at"))

    def unlink(self, account: str) -> bool:
        """The account is nobody's, and its own room is told nothing more; False when it was so already."""
        found = self.find(account)
        if found is None:
            return False
        own = [found.direct, account]
        for table in (subscriptions, cards):
            self._in.write(delete(table).where(table.c.room.in_(own)))
        self._in.write(delete(accounts).where(accounts.c.id == account))
        return True

    def leave(self, person: PersonId) -> None:
        """The person has no account any more, and no code."""
        for account in self.of(person):
            self.unlink(account.id)
        self._in.write(delete(link_codes).where(link_codes.c.person == person))

    def forget(self, before: datetime) -> None:
        """Forget codes and wrong tries from before then."""
        self._in.write(delete(link_codes).where(link_codes.c.expires_at < before))
        self._in.write(delete(link_tries).where(link_tries.c.since < before))

    def find(self, account: str) -> Account | None:
        """One account, or None."""
        return self._one(accounts.c.id == account)

    def alone_in(self, room: RoomId) -> Account | None:
        """The account that is spoken to alone in a room, or None."""
        return self._one((accounts.c.direct == room) | (accounts.c.id == room))

    def of(self, person: PersonId) -> list[Account]:
        """Every account of a person, in the order in which they were linked."""
        statement = select(accounts).where(accounts.c.person == person).order_by(accounts.c.linked_at, accounts.c.id)
        rows = self._in.read(statement).all()
        return [Account(row.id, person, row.name, RoomId(row.direct), row.linked_at) for row in rows]

    def meet(self, account: str, direct: RoomId) -> None:
        """Remember where an account is spoken to alone."""
        self._in.write(accounts.update().where(accounts.c.id == account).values(direct=direct))

    def offer(self, person: PersonId, code: str, expires_at: datetime) -> None:
        """Keep the hash of a person's code, in place of an earlier one."""
        row = {"person": person, "code": code, "expires_at": expires_at}
        upsert(self._in, link_codes, row, update=("code", "expires_at"))

    def take(self, code: str, now: datetime) -> PersonId | None:
        """Use a code up, by its hash; None when there is none that still holds."""
        row = self._in.read(select(link_codes).where(link_codes.c.code == code)).one_or_none()
        if row is None or row.expires_at < now:
            return None
        used = self._in.write(delete(link_codes).where(link_codes.c.code == code)).rowcount
        return PersonId(row.person) if used == 1 else None

    def tries(self, account: str) -> Tries | None:
        """How often the account has been wrong."""
        row = self._in.read(select(link_tries).where(link_tries.c.account == account)).one_or_none()
        return None if row is None else Tries(row.wrong, row.since)

    def tried(self, account: str, tries: Tries) -> None:
        """Remember how often the account has been wrong."""
        row = {"account": account, "wrong": tries.count, "since": tries.since}
        upsert(self._in, link_tries, row, update=("wrong", "since"))

    def _one(self, condition: ColumnElement[bool]) -> Account | None:
        row = self._in.read(select(accounts).where(condition).limit(1)).one_or_none()
        return (
            None if row is None else Account(row.id, PersonId(row.person), row.name, RoomId(row.direct), row.linked_at)
        )
