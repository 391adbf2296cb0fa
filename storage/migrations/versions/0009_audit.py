"""The audit as a chain, with the journal bound into it. What is there already is chained as it is found.

No key is at hand here, so it is not sealed: the bot's first start seals a row that holds all of it.
"""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

from storage.chain import Sealing, hash_of
from storage.tables import Moment

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_PAGE = 500
"""Entries of the journal under one hash: what was committed together is not known any more."""
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_EMPTY = sa.text("''")


def upgrade() -> None:
    """Go to this version."""
    op.add_column("journal", sa.Column("hash", sa.String(length=64)))
    op.add_column("audit", sa.Column("journal_seq", _NUMBER, nullable=False, server_default="0"))
    for name in ("journal_hash", "before", "hash", "seal"):
        op.add_column("audit", sa.Column(name, sa.String(length=64), nullable=False, server_default=_EMPTY))
    _chain_journal(op.get_bind())
    _chain_audit(op.get_bind())


def _chain_journal(connection: sa.Connection) -> None:
    journal = sa.table("journal", *(sa.column(name) for name in ("seq", "run", "n", "kind", "document", "hash")))
    sealing, before = Sealing(), ""
    for rows in _pages(connection, journal):
        before = sealing.of_entries(before, rows)
        connection.execute(sa.update(journal).where(journal.c.seq == rows[-1]["seq"]).values(hash=before))


def _chain_audit(connection: sa.Connection) -> None:
    plain = ("seq", "key", "person", "account", "room", "line", "outcome", "said", "journal_hash", "before", "hash")
    audit = sa.table("audit", sa.column("at", Moment()), sa.column("journal_seq"), *map(sa.column, plain))
    before = ""
    for rows in _pages(connection, audit):
        for row in rows:
            hashed = hash_of(row, before)
            change = sa.update(audit).where(audit.c.seq == row["seq"]).values(before=before, hash=hashed)
            connection.execute(change)
            before = hashed


def _pages(connection: sa.Connection, table: sa.TableClause) -> Iterator[list[dict[str, Any]]]:
    """Read a table in its order, some rows at a time: it may be larger than the memory."""
    after = 0
    while True:
        statement = sa.select(table).where(table.c.seq > after).order_by(table.c.seq).limit(_PAGE)
        rows = [dict(row) for row in connection.execute(statement).mappings()]
        if not rows:
            return
        yield rows
        after = rows[-1]["seq"]
