"""What the parts of a book need of it. They are written apart and opened on the same transaction."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from sqlalchemy import Column, CursorResult, Executable, Insert, Table
from sqlalchemy.dialects import postgresql, sqlite

from storage.ready import Ready


class Transaction(Protocol):
    """The transaction that a part works in."""

    touched: dict[str, int]

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        ...

    def read(self, statement: Executable, values: Any = None) -> CursorResult[Any]:
        """Ask the database."""
        ...

    def wrote(self) -> None:
        """Count a change that will be sent later."""
        ...

    def write(self, statement: Executable, values: Any = None) -> CursorResult[Any]:
        """Change the database."""
        ...

    def send(self, ready: Ready, rows: Sequence[Mapping[str, Any]]) -> int:
        """Change the database as `wrote` has counted. Returns how many rows were changed."""
        ...


def upsert(
    transaction: Transaction,
    table: Table,
    values: dict[str, Any],
    *,
    update: tuple[str, ...] = (),
    key: Column[Any] | None = None,
) -> int:
    """Insert a row; where its key exists, change `update` columns of it, or nothing. Returns how many rows changed.

    `key` is the unique column that is meant when it is not the primary key.
    """
    make = postgresql.insert if transaction.dialect == "postgresql" else sqlite.insert
    statement = make(table).values(values)
    keys = list(table.primary_key.columns) if key is None else [key]
    final: Insert = (
        statement.on_conflict_do_update(index_elements=keys, set_={name: values[name] for name in update})
        if update
        else statement.on_conflict_do_nothing(index_elements=keys)
    )
    return transaction.write(final.execution_options(preserve_rowcount=True)).rowcount
