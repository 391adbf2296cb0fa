"""The journal: entries are added, read, and never changed.

The order of `seq` is the order of commits, or a feed that remembers "up to here" would miss an entry that was numbered
earlier and committed later. SQLite has one writer, so it is. On PostgreSQL whoever appends takes an advisory lock
that ends with its transaction.

What one transaction adds is chained to what the one before it added: its last entry carries a hash of all that
(`storage.chain`). One hash for all, because a stage is two entries, and hashing each would cost a stage five percent.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, func, insert, select

from engine.events import Event
from engine.model import RunId
from engine.ports import Entry
from storage import codec
from storage.chain import Sealing
from storage.part import Transaction, take_turn
from storage.ready import Ready, ReadyQuestion
from storage.tables import journal

_INSERT = Ready(insert(journal), ("run", "n", "at", "by", "kind", "document", "hash"))
_HEAD = select(func.coalesce(func.max(journal.c.seq), 0))
_OF = select(journal).where(journal.c.run == bindparam("run_"), journal.c.n > bindparam("after_")).order_by(journal.c.n)
_SINCE = select(journal).where(journal.c.seq > bindparam("seq_")).order_by(journal.c.seq).limit(bindparam("limit_"))
_NEWEST_HASH = ReadyQuestion(select(journal.c.hash).order_by(journal.c.seq.desc()).limit(1))


_UNSEALED = Sealing()


class SqlJournal:
    """`engine.ports.Journal` in one transaction. Entries are gathered and sent as one statement."""

    def __init__(self, transaction: Transaction, sealing: Sealing | None = None) -> None:
        self._in = transaction
        self._sealing = sealing or _UNSEALED
        self._rows: list[dict[str, Any]] = []

    def append(self, run: RunId, first: int, events: Sequence[Event]) -> None:
        """Add the run's next entries."""
        self._in.wrote()
        self._in.touched[run] = first + len(events) - 1
        for n, event in enumerate(events, first):
            kind = type(event).__name__
            document = codec.dump(event)
            row = {"run": run, "n": n, "at": event.at, "by": event.by, "kind": kind, "document": document, "hash": None}
            self._rows.append(row)

    def flush(self) -> None:
        """Send what was gathered. It was counted as a change when it was gathered."""
        if not self._rows:
            return
        rows, self._rows = self._rows, []
        take_turn(self._in)
        rows[-1]["hash"] = self._sealing.of_entries(self._newest_hash(), rows)
        self._in.send(_INSERT, rows)

    def _newest_hash(self) -> str:
        found = self._in.ask(_NEWEST_HASH)
        return str(found[0] or "") if found else ""

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
