"""The journal: entries are added, read, and never changed.

The order of `seq` is the order of commits, or a feed that remembers "up to here" would miss an entry that was numbered
earlier and committed later. SQLite has one writer, so it is. On PostgreSQL whoever appends takes an advisory lock
that ends with its transaction.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, func, insert, select, text

from engine.events import Event
from engine.model import RunId
from engine.ports import Entry
from storage import codec
from storage.part import Transaction
from storage.ready import Ready
from storage.tables import journal

_INSERT = Ready(insert(journal), ("run", "n", "at", "by", "kind", "document"))
_HEAD = select(func.coalesce(func.max(journal.c.seq), 0))
_OF = select(journal).where(journal.c.run == bindparam("run_"), journal.c.n > bindparam("after_")).order_by(journal.c.n)
_SINCE = select(journal).where(journal.c.seq > bindparam("seq_")).order_by(journal.c.seq).limit(bindparam("limit_"))
_IN_COMMIT_ORDER = text("SELECT pg_advisory_xact_lock(7461001)")


class SqlJournal:
    """`engine.ports.Journal` in one transaction. Entries are gathered and sent as one statement."""

    def __init__(self, transaction: Transaction) -> None:
        self._in = transaction
        self._rows: list[dict[str, Any]] = []

    def append(self, run: RunId, first: int, events: Sequence[Event]) -> None:
        """Add the run's next entries."""
        self._in.wrote()
        self._in.touched[run] = first + len(events) - 1
        for n, event in enumerate(events, first):
            kind = type(event).__name__
            row = {"run": run, "n": n, "at": event.at, "by": event.by, "kind": kind, "document": codec.dump(event)}
            self._rows.append(row)

    def flush(self) -> None:
        """Send what was gathered. It was counted as a change when it was gathered."""
        if not self._rows:
            return
        rows, self._rows = self._rows, []
        if self._in.dialect == "postgresql":
            self._in.read(_IN_COMMIT_ORDER)
        self._in.send(_INSERT, rows)

    def of(self, run: RunId, after: int = 0) -> list[Entry]:
        """One run's entries."""
        self.flush()
        return [_entry(row) for row in self._in.read(_OF, {"run_": run, "after_": after})]

    def since(self, seq: int, limit: int) -> list[Entry]:
        """All runs' entries."""
        self.flush()
        return [_entry(row) for row in self._in.read(_SINCE, {"seq_": seq, "limit_": limit})]

    def head(self) -> int:
        """The newest entry's number."""
        self.flush()
        return int(self._in.read(_HEAD).scalar_one())


def _entry(row: Any) -> Entry:
    return Entry(row.seq, RunId(row.run), row.n, codec.load_event(row.kind, row.document))
