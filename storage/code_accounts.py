"""Code accounts: with what Sluice signs in at forges, sealed, and whose account it is.

What is sealed comes out only for whoever opens it with the vault; nothing in here can show it.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, Column, String, Table, Text, delete, select

from engine.errors import Refused
from engine.model import PersonId
from storage.part import Transaction, upsert
from storage.tables import Moment, metadata

code_accounts = Table(
    "code_accounts",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("forge", String(16), nullable=False),
    Column("origin", String(300), nullable=False),
    Column("login", String(200), nullable=False),
    Column("person", String(128), nullable=False, index=True),
    Column("shared", Boolean, nullable=False),
    Column("app", String(64), nullable=False),
    Column("installation", String(64), nullable=False),
    Column("sealed", Text, nullable=False),
    Column("missing", Text, nullable=False),
    Column("bound_at", Moment, nullable=False),
    Column("used_at", Moment),
    Column("leaving_at", Moment),
    Column("room", String(128), nullable=False),
)


class NoAccount(Refused):
    """There is no code account of this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no code account {name}.", "`accounts` lists them, `account bind FORGE` adds one.")


@dataclass(frozen=True, slots=True)
class CodeAccount:
    """One bound account. `login` is its name at the forge at `origin`; `person` bound it.

    `shared`: everybody may name it in a definition, not only `person`. `app` and `installation` are those of a GitHub
    App. `leaving_at` is set when it is being unbound: what it attached is taken away first. That is said in `room`.
    """

    name: str
    forge: str
    origin: str
    login: str
    person: PersonId
    bound_at: datetime
    sealed: str = field(repr=False)
    shared: bool = False
    app: str = ""
    installation: str = ""
    missing: tuple[str, ...] = ()
    used_at: datetime | None = None
    leaving_at: datetime | None = None
    room: str = ""


class SqlCodeAccounts:
    """Code accounts in one transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._in = transaction

    def put(self, account: CodeAccount) -> None:
        """Keep an account, or keep it anew with another secret."""
        row = {
            "name": account.name,
            "forge": account.forge,
            "origin": account.origin,
            "login": account.login,
            "person": account.person,
            "shared": account.shared,
            "app": account.app,
            "installation": account.installation,
            "sealed": account.sealed,
            "missing": "\n".join(account.missing),
            "bound_at": account.bound_at,
            "used_at": account.used_at,
            "leaving_at": account.leaving_at,
            "room": account.room,
        }
        upsert(self._in, code_accounts, row, update=tuple(name for name in row if name != "name"))

    def find(self, name: str) -> CodeAccount | None:
        """One account, or None."""
        row = self._in.read(select(code_accounts).where(code_accounts.c.name == name)).one_or_none()
        return None if row is None else _account(row)

    def load(self, name: str) -> CodeAccount:
        """One account. Raises `NoAccount`."""
        found = self.find(name)
        if found is None:
            raise NoAccount(name)
        return found

    def all(self) -> list[CodeAccount]:
        """Every account, by name."""
        return [_account(row) for row in self._in.read(select(code_accounts).order_by(code_accounts.c.name))]

    def person_of(self, forge: str, origin: str, login: str) -> PersonId | None:
        """Whose login it is; None when nobody has bound it. Forges take capitals and small letters for the same."""
        for one in self.all():
            same = one.login.casefold() == login.casefold() and (one.forge, one.origin) == (forge, origin)
            if same and not one.app and one.leaving_at is None:
                return one.person
        return None

    def used(self, name: str, at: datetime) -> None:
        """Remember when it was last used."""
        self._in.write(code_accounts.update().where(code_accounts.c.name == name).values(used_at=at))

    def share(self, name: str, *, shared: bool) -> None:
        """Let everybody name it in a definition, or only whoever bound it."""
        self._in.write(code_accounts.update().where(code_accounts.c.name == name).values(shared=shared))

    def leave(self, name: str, at: datetime, room: str) -> None:
        """Begin to unbind it: from now on it is only used to take away what it attached."""
        changed = code_accounts.update().where(code_accounts.c.name == name)
        self._in.write(changed.values(leaving_at=at, room=room))

    def remove(self, name: str) -> None:
        """Forget it, and what it signed in with."""
        self._in.write(delete(code_accounts).where(code_accounts.c.name == name))


def _account(row: Any) -> CodeAccount:
    return CodeAccount(
        name=row.name,
        forge=row.forge,
        origin=row.origin,
        login=row.login,
        person=PersonId(row.person),
        bound_at=row.bound_at,
        sealed=row.sealed,
        shared=row.shared,
        app=row.app,
        installation=row.installation,
        missing=tuple(filter(None, row.missing.split("\n"))),
        used_at=row.used_at,
        leaving_at=row.leaving_at,
        room=row.room,
    )
