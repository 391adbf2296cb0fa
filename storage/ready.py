"""Statements that every stage sends: written once by SQLAlchemy, run by SQLite's driver as they are.

SQLAlchemy looks a statement up, prepares its values and makes a cursor's result each time it runs: for the two
statements of a stage that was two thirds of a transaction (100 of 140 microseconds). It still writes the text, from
the same tables; only the way to the driver is shorter, and only there: a server's database is further away than that.
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from types import MappingProxyType
from typing import Any, cast

from sqlalchemy import Connection, Insert, Select, Update
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DatabaseError, IntegrityError, OperationalError
from sqlalchemy.sql.compiler import SQLCompiler

_DIALECT = sqlite.dialect()
_NOTHING: Mapping[str, Any] = MappingProxyType({})
_KINDS: tuple[tuple[type[sqlite3.Error], type[DatabaseError]], ...] = (
    (sqlite3.IntegrityError, IntegrityError),
    (sqlite3.OperationalError, OperationalError),
)


class Ready:
    """A statement whose text and order of values are known. `columns` are those that an insert names."""

    def __init__(self, statement: Insert | Update, columns: Sequence[str] | None = None) -> None:
        self.statement = statement
        compiled = statement.compile(dialect=_DIALECT, column_keys=columns)
        names = compiled.positiontup or []
        self._text = str(compiled)
        self._pick = itemgetter(*names)
        self._prepared = [(name, ready) for name in names if (ready := _preparation(compiled, name))]

    def run(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> int:
        """Run it for each of `rows`. Returns how many rows of the table changed."""
        if connection.dialect.name != _DIALECT.name:
            return connection.execute(self.statement, list(rows)).rowcount
        if not connection.in_transaction():
            connection.begin()
        driver = cast("sqlite3.Connection", connection.connection.driver_connection)
        try:
            return driver.executemany(self._text, [self._tuple(row) for row in rows]).rowcount
        except sqlite3.Error as error:
            raise _known(error)(self._text, None, error) from error

    def _tuple(self, row: Mapping[str, Any]) -> tuple[Any, ...]:
        for name, ready in self._prepared:
            row = {**row, name: ready(row[name])}
        values: tuple[Any, ...] = self._pick(row)
        return values


class ReadyQuestion:
    """A question whose text is known. Its values are texts or numbers, which the driver takes as they are."""

    def __init__(self, statement: Select[Any]) -> None:
        self.statement = statement
        compiled = statement.compile(dialect=_DIALECT)
        self._text, self._names = str(compiled), tuple(compiled.positiontup or ())
        self._given = compiled.params

    def ask(self, connection: Connection, values: Mapping[str, Any] = _NOTHING) -> Sequence[Any] | None:
        """Return the first row of the answer, if there is any."""
        if connection.dialect.name != _DIALECT.name:
            return connection.execute(self.statement, dict(values)).first()
        if not connection.in_transaction():
            connection.begin()
        driver = cast("sqlite3.Connection", connection.connection.driver_connection)
        row: Sequence[Any] | None
        try:
            row = driver.execute(self._text, [values.get(name, self._given[name]) for name in self._names]).fetchone()
        except sqlite3.Error as error:
            raise _known(error)(self._text, None, error) from error
        return row


def _preparation(compiled: SQLCompiler, name: str) -> Callable[[Any], Any] | None:
    """What the column's type makes of a value before the driver gets it; None: nothing.

    The entries of one report have the same moment, and making its text takes longer than all the rest of a row.
    """
    ready = compiled.binds[name].type.dialect_impl(_DIALECT).bind_processor(_DIALECT)
    return None if ready is None else lru_cache(maxsize=64)(ready)


def _known(error: sqlite3.Error) -> type[DatabaseError]:
    return next((known for kind, known in _KINDS if isinstance(error, kind)), DatabaseError)
