"""Whether the audit and the journal are as they were written: every row is looked at, and every fault says where.

Rows are read in pages, each in a moment of its own, so it works beside a running bot and in little memory: what is
added meanwhile is not looked at. After a fault it goes on from what is there, so that one changed row does not hide
another.

What was there before the chain was begun is held by the first sealed row: changed since then, it is found; whether it
was true then, nobody can tell.
"""

import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, select

from storage.audit import CHAIN, GAP, Chained, fields_of
from storage.book import SqlBook
from storage.chain import Sealing, hash_of, moment
from storage.store import SqlStore
from storage.tables import journal

PAGE = 500
MOST = 200
"""Faults that are told; what is beyond is counted."""
_LONGEST_GROUP = 20_000
_PLAIN = Sealing()
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Fault:
    """Rows `first` to `last` of ``audit`` or ``journal`` that cannot be trusted; `at` is when they say they are of."""

    table: str
    first: int
    last: int
    at: datetime | None
    sentence: str

    def __str__(self) -> str:
        """Say it in one line."""
        when = f"{moment(self.at)[:19]}Z " if self.at else ""
        return f"{when}{self.sentence}"


@dataclass(frozen=True, slots=True)
class Anchor:
    """The audit's newest row as it was kept beside the database: its number and hash, and when that was."""

    seq: int
    hash: str
    at: datetime


@dataclass(slots=True)
class Verdict:
    """What was looked at, and what is wrong. `sealed_from` is the first row that one of the keys has sealed."""

    rows: int = 0
    entries: int = 0
    sealed_from: Chained | None = None
    head: Chained | None = None
    faults: list[Fault] = field(default_factory=list)
    more: int = 0

    @property
    def holds(self) -> bool:
        """Whether everything is as it was written."""
        return not self.faults

    def found(self, faults: Iterable[Fault]) -> None:
        """Keep some faults."""
        for fault in faults:
            if len(self.faults) < MOST:
                self.faults.append(fault)
            else:
                self.more += 1


async def verify(store: SqlStore, keys: Sequence[str], anchor: Anchor | None = None) -> Verdict:
    """Look at everything. `keys` are those that rows may be sealed with, the oldest included."""
    verdict = Verdict()
    sealings = [Sealing(key) for key in keys if key]
    await store.read(lambda book: _begin(book, verdict, sealings))
    rows = _Rows(verdict, sealings, anchor)
    while await store.read(rows.page):
        pass
    verdict.found(_anchored(rows.anchored, verdict, anchor))
    entries = _Entries(verdict, sealings, await store.read(_last_entry))
    while await store.read(entries.page):
        pass
    await store.read(entries.end)
    verdict.faults.sort(key=_place)
    return verdict


def _begin(book: SqlBook, verdict: Verdict, sealings: Sequence[Sealing]) -> None:
    verdict.head = book.audit.head()
    ours = (row for row in book.audit.begun() if any(one.opens(row.hash, row.seal) for one in sealings))
    verdict.sealed_from = next(ours, None)
    if verdict.sealed_from is None and sealings:
        sentence = (
            "No row of the audit is sealed with a key of this Sluice: whoever can write to the database can make it."
        )
        verdict.found([Fault("audit", 1, verdict.head.seq if verdict.head else 1, None, sentence)])


def _last_entry(book: SqlBook) -> int:
    return book.journal.head()


def _anchored(anchored: str, verdict: Verdict, anchor: Anchor | None) -> Iterator[Fault]:
    if anchor is None:
        return
    newest = verdict.head.seq if verdict.head else 0
    if newest < anchor.seq:
        gone = f"Rows {newest + 1} to {anchor.seq} of the audit are gone"
        yield Fault("audit", newest + 1, anchor.seq, anchor.at, f"{gone}: the anchor beside the database knew them.")
    elif anchored != anchor.hash:
        yield Fault(
            "audit",
            anchor.seq,
            anchor.seq,
            anchor.at,
            f"Row {anchor.seq} of the audit is not the one that the anchor knows.",
        )


def _place(fault: Fault) -> tuple[datetime, str, int]:
    return fault.at or datetime.min.replace(tzinfo=UTC), fault.table, fault.first


class _Rows:
    """The walk over the audit."""

    def __init__(self, verdict: Verdict, sealings: Sequence[Sealing], anchor: Anchor | None) -> None:
        self._verdict = verdict
        self._sealings = sealings
        self._last: Chained | None = None
        self._anchor = anchor.seq if anchor else 0
        self.anchored = ""
        """The hash of the row that the anchor names."""

    def page(self, book: SqlBook) -> bool:
        """Look at the next rows; False when there are none."""
        after = self._last.seq if self._last else 0
        until = self._verdict.head.seq if self._verdict.head else 0
        rows = [row for row in book.audit.page(after, PAGE) if row.seq <= until]
        for row in rows:
            self._verdict.found(self._faults(row))
            self._last = row
            self.anchored = row.hash if row.seq == self._anchor else self.anchored
        self._verdict.rows += len(rows)
        return bool(rows)

    def _faults(self, row: Chained) -> Iterator[Fault]:
        def fault(sentence: str, first: int = row.seq, last: int = row.seq) -> Fault:
            return Fault("audit", first, last, row.deed.at, sentence)

        last = self._last
        seq, before = (last.seq, last.hash) if last else (0, "")
        if row.seq != seq + 1 and self._is_sealed(row):
            yield fault(f"Rows {seq + 1} to {row.seq - 1} of the audit are gone.", seq + 1, row.seq - 1)
        elif row.before != before:
            where = f"Row {row.seq} of the audit does not follow the row before it"
            yield fault(f"{where}: something was removed, put in or moved there.")
        if row.deed.room == CHAIN and row.deed.key.startswith(GAP):
            yield fault(row.deed.said)
        if row.hash != hash_of(fields_of(row), row.before):
            yield fault(f"Row {row.seq} of the audit was changed after it was written.")
        elif self._is_sealed(row) and not any(one.opens(row.hash, row.seal) for one in self._sealings):
            yield fault(f"Row {row.seq} of the audit was written without Sluice's key.")

    def _is_sealed(self, row: Chained) -> bool:
        """Whether the row has to be sealed with a key that is here."""
        return self._verdict.sealed_from is not None and row.seq >= self._verdict.sealed_from.seq


class _Bound:
    """The rows of the audit in their order, as far as they name an entry of the journal."""

    def __init__(self, until: int) -> None:
        self._until = until
        self._after = 0
        self._rows: deque[Chained] = deque()

    def take(self, book: SqlBook, seq: int | None = None) -> Iterator[Chained]:
        """Take the next ones that name an entry up to `seq`; None: all that are left."""
        while True:
            if not self._rows:
                self._rows.extend(row for row in book.audit.page(self._after, PAGE) if row.seq <= self._until)
            if not self._rows or (seq is not None and self._rows[0].journal_seq > seq):
                return
            row = self._rows.popleft()
            self._after = row.seq
            if row.journal_seq:
                yield row


class _Entries:
    """The walk over the journal: one step for what one transaction added, held against what the audit knows of it."""

    def __init__(self, verdict: Verdict, sealings: Sequence[Sealing], until: int) -> None:
        self._verdict = verdict
        self._sealings = sealings
        self._until = until
        self._before, self._seq = "", 0
        self._pending: list[Row] = []
        self._bound = _Bound(verdict.head.seq if verdict.head else 0)

    def page(self, book: SqlBook) -> bool:
        """Look at the next entries; False when there are none."""
        after = self._pending[-1]["seq"] if self._pending else self._seq
        statement = select(journal).where(journal.c.seq > after, journal.c.seq <= self._until)
        rows = [dict(row) for row in book.read(statement.order_by(journal.c.seq).limit(PAGE)).mappings()]
        for row in rows:
            self._pending.append(row)
            if row["hash"] is not None or len(self._pending) >= _LONGEST_GROUP:
                self._step(book)
        self._verdict.entries += len(rows)
        return bool(rows)

    def end(self, book: SqlBook) -> None:
        """Say what is left over: entries without a hash, and rows of the audit that know entries that are gone."""
        if self._pending:
            self._step(book)
        self._verdict.found(_contradicted(row) for row in self._bound.take(book))

    def _step(self, book: SqlBook) -> None:
        rows, self._pending = self._pending, []
        last = rows[-1]
        self._verdict.found(self._faults(book, rows))
        known = (last["seq"], last["hash"])
        named = self._bound.take(book, last["seq"])
        self._verdict.found(_contradicted(row) for row in named if (row.journal_seq, row.journal_hash) != known)
        self._seq, self._before = last["seq"], last["hash"] or ""

    def _faults(self, book: SqlBook, rows: Sequence[Row]) -> Iterator[Fault]:
        first, last, at = rows[0]["seq"], rows[-1]["seq"], rows[0]["at"]
        if not self._fits(rows):
            gone = [f"entry {row['n'] - 1} of {row['run']} is gone" for row in rows if not _has_before(book, row)]
            gone += [f"nothing stands between {self._seq} and {first}"] if first > self._seq + 1 else []
            yield Fault("journal", first, last, at, _not_as_written(rows, "; ".join(gone)))
            return
        for row in rows:
            if not _repeats(row):
                sentence = f"Journal entry {row['seq']} ({row['run']}, {row['n']}): the columns beside it were changed."
                yield Fault("journal", row["seq"], row["seq"], row["at"], sentence)

    def _fits(self, rows: Sequence[Row]) -> bool:
        begun = self._verdict.sealed_from
        may_be_plain = begun is None or rows[-1]["seq"] <= begun.journal_seq
        candidates = [*self._sealings, _PLAIN] if may_be_plain else self._sealings
        return any(rows[-1]["hash"] == one.of_entries(self._before, rows) for one in candidates)


def _contradicted(row: Chained) -> Fault:
    known = f"journal entry {row.journal_seq}, which is gone or is another one now"
    return Fault("journal", row.journal_seq, row.journal_seq, row.deed.at, f"Row {row.seq} of the audit knows {known}.")


def _not_as_written(rows: Sequence[Row], gone: str) -> str:
    first, last = rows[0], rows[-1]
    which = f"entry {first['seq']}" if first is last else f"entries {first['seq']} to {last['seq']}"
    runs = ", ".join(dict.fromkeys(row["run"] for row in rows[:_LONGEST_GROUP]))[:200]
    why = f" ({gone})" if gone else ", or something before was changed, removed or put in"
    return f"Journal {which} of {runs}: not as written{why}."


def _has_before(book: SqlBook, row: Row) -> bool:
    """Whether the entry of the run before this one is there."""
    if row["n"] <= 1:
        return True
    statement = select(func.count()).where(journal.c.run == row["run"], journal.c.n == row["n"] - 1)
    return bool(book.read(statement).scalar_one())


def _repeats(row: Row) -> bool:
    """Whether the columns beside an entry say what the entry says."""
    try:
        said = json.loads(row["document"])
        return bool(said["by"] == row["by"] and datetime.fromisoformat(said["at"]) == row["at"])
    except (ValueError, KeyError, TypeError):
        return False
