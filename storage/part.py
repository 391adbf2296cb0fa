"""What the parts of a book need of it. They are written apart and opened on the same transaction."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from sqlalchemy import Column, CursorResult, Executable, Insert, Table, text
from sqlalchemy.dialects import postgresql, sqlite

from storage.ready import Ready, ReadyQuestion

_IN_COMMIT_ORDER = text("SELECT pg_advisory_xact_lock(7461001)")


class Transaction(Protocol):
    """The transaction that a part works in."""

    touched: dict[str, int]

    @property
    def clean(self) -> Callable[[str], str]:
        """Take out of a text what is known to be secret, before it is kept."""
        ...

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        ...

    def read(self, statement: Executable, values: Any = None) -> CursorResult[Any]:
        """Ask the database."""
        ...

    def ask(self, question: ReadyQuestion, values: Mapping[str, Any] = ...) -> Sequence[Any] | None:
        """Ask what is asked often. Returns the first row of the answer."""
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


def take_turn(transaction: Transaction) -> None:
    """Let nobody else add to the journal, to the audit or to the packages until this transaction ends.

    Without it a row could be numbered before another one and be committed after it, a chain could fork, and one name be
    given twice. SQLite has one writer at a time anyway.
    """
    if transaction.dialect == "postgresql":
        transaction.read(_IN_COMMIT_ORDER)


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
