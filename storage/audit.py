"""Who said or pressed what, where, and what came of it: rows are added in a chain and never changed.

The order of `seq` is the order of commits, without a gap or a fork: SQLite has one writer at a time, and on PostgreSQL
whoever adds takes the lock that the journal's writers take, which ends with the transaction. What the newest rows are
is read under that lock each time: to remember it would be quicker by a microsecond, and wrong after somebody else
wrote. How rows are chained is told in `storage.chain`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, func, insert, or_, select

from engine.model import PersonId, RoomId
from storage.chain import FIELDS, Sealing, hash_of
from storage.part import Transaction, take_turn
from storage.ready import Ready, ReadyQuestion
from storage.tables import audit, journal

LONGEST = 500
SHOWN = "shown"
"""The outcome of what was only looked at."""
CHAIN = RoomId("sluice:chain")
"""Where the chain's own rows are from: nobody said them."""
_UNKEPT = re.compile("[\x00\ud800-\udfff]")
_HEAD = ReadyQuestion(select(audit.c.seq, audit.c.hash).order_by(audit.c.seq.desc()).limit(1))
_JOURNAL = ReadyQuestion(select(journal.c.seq, journal.c.hash).order_by(journal.c.seq.desc()).limit(1))
_IS_THERE = ReadyQuestion(select(audit.c.seq).where(audit.c.key == bindparam("key_")))
_ADD = Ready(insert(audit), [column.name for column in audit.columns])
_BEGUN = "begin:"
_INSTALLATION = "installation "
GAP = "gap:"
"""How the keys of rows begin that say what was found to be gone."""


@dataclass(frozen=True, slots=True)
class Deed:
    """One line of the audit. `person` is empty for an account that nobody here knows.

    `outcome`: ``done``, ``refused``, ``broke`` or ``shown``; `said` is what was answered. A line's first `LONGEST`
    characters are kept.
    """

    key: str
    at: datetime
    person: PersonId
    account: str
    room: RoomId
    line: str
    outcome: str
    said: str


@dataclass(frozen=True, slots=True)
class Chained:
    """A row as it stands in the chain: the deed, the journal's newest entry and hash then, and its own hashes."""

    seq: int
    deed: Deed
    journal_seq: int
    journal_hash: str
    before: str
    hash: str
    seal: str


@dataclass(frozen=True, slots=True)
class Sought:
    """What of the audit is wanted: a moment range (`until` excluded), and a `word` that rows are about."""

    since: datetime | None = None
    until: datetime | None = None
    word: str = ""


class SqlAudit:
    """The audit in one transaction. Rows are gathered and chained when the transaction ends."""

    def __init__(self, transaction: Transaction, sealing: Sealing | None = None) -> None:
        self._in = transaction
        self._sealing = sealing or Sealing()
        self._deeds: list[Deed] = []

    def add(self, deed: Deed) -> None:
        """Write a line; a delivery has one, however often it came."""
        self._in.wrote()
        self._deeds.append(deed)

    def flush(self) -> None:
        """Chain what was gathered. It was counted as a change when it was gathered."""
        if not self._deeds:
            return
        deeds, self._deeds = self._deeds, []
        take_turn(self._in)
        entry, known = self._in.ask(_JOURNAL) or (0, "")
        bound = {"journal_seq": entry, "journal_hash": known or ""}
        seq, before = self._in.ask(_HEAD) or (0, "")
        for deed in deeds:
            if self._in.ask(_IS_THERE, {"key_": deed.key}) is not None:
                continue
            seq += 1
            row = {"seq": seq, **_row(deed), **bound}
            hashed = hash_of(row, before)
            sealed = {**row, "before": before, "hash": hashed, "seal": self._sealing.seal(hashed)}
            self._in.send(_ADD, [sealed])
            before = hashed

    def latest(self, limit: int, sought: Sought | None = None) -> list[Deed]:
        """The newest lines, newest first, without the chain's own; what was only looked at if that person is sought."""
        self.flush()
        sought = sought or Sought()
        is_told = or_(audit.c.outcome != SHOWN, audit.c.person == sought.word)
        statement = select(audit).where(audit.c.room != CHAIN, is_told, *_wanted(sought))
        rows = self._in.read(statement.order_by(audit.c.seq.desc()).limit(limit)).all()
        return [_chained(row).deed for row in rows]

    def page(self, after: int, limit: int, sought: Sought | None = None) -> list[Chained]:
        """Up to `limit` rows whose `seq` is above `after`, in their order."""
        self.flush()
        statement = select(audit).where(audit.c.seq > after, *_wanted(sought or Sought()))
        return [_chained(row) for row in self._in.read(statement.order_by(audit.c.seq).limit(limit))]

    def head(self) -> Chained | None:
        """The newest row."""
        self.flush()
        row = self._in.read(select(audit).order_by(audit.c.seq.desc()).limit(1)).first()
        return None if row is None else _chained(row)

    def begun(self) -> list[Chained]:
        """The rows with which each key's part of the chain begins, oldest first."""
        self.flush()
        own = and_(audit.c.room == CHAIN, audit.c.key.startswith(_BEGUN, autoescape=True))
        return [_chained(row) for row in self._in.read(select(audit).where(own).order_by(audit.c.seq))]

    def installation(self) -> str:
        """How this Sluice was called by chance when its chain began: the same name whatever the key or the machine.

        Empty before that.
        """
        return next((one.deed.said.removeprefix(_INSTALLATION) for one in self.begun()), "")

    def begin(self, installation: str, now: datetime) -> None:
        """Write down, once for each key, that what follows is sealed with it, and for which installation."""
        first = next((one.deed.said for one in self.begun()), f"{_INSTALLATION}{installation}")
        if self._sealing.has_key:
            self.mark(f"{_BEGUN}{self._sealing.name}", f"sealed with key {self._sealing.name} from here on", first, now)

    def bind(self, now: datetime) -> Chained | None:
        """Bind what the journal has added since the newest row, if anything. Returns the newest row."""
        head, (newest, _) = self.head(), self._in.ask(_JOURNAL) or (0, "")
        if newest and (head is None or head.journal_seq < newest):
            self.mark(f"journal:{newest}", "the journal is bound", f"up to entry {newest}", now)
        return self.head()

    def mark(self, key: str, line: str, said: str, now: datetime) -> None:
        """Add a row of the chain's own."""
        self.add(Deed(key, now, PersonId(""), "", CHAIN, line, "done", said))


def _row(deed: Deed) -> dict[str, Any]:
    return {
        "key": deed.key,
        "at": deed.at,
        "person": deed.person,
        "account": deed.account,
        "room": deed.room,
        "line": _kept(deed.line),
        "outcome": deed.outcome,
        "said": _kept(deed.said),
    }


def fields_of(row: Chained) -> dict[str, Any]:
    """Give what is hashed of a row, by name."""
    bound = {"seq": row.seq, "journal_seq": row.journal_seq, "journal_hash": row.journal_hash}
    values = {**_row(row.deed), "line": row.deed.line, "said": row.deed.said, **bound}
    return {name: values[name] for name in FIELDS}


def _chained(row: Any) -> Chained:
    person, room = PersonId(row.person), RoomId(row.room)
    deed = Deed(row.key, row.at, person, row.account, room, row.line, row.outcome, row.said)
    return Chained(row.seq, deed, row.journal_seq, row.journal_hash, row.before, row.hash, row.seal)


def _wanted(sought: Sought) -> Sequence[ColumnElement[bool]]:
    wanted: list[ColumnElement[bool]] = []
    if sought.since is not None:
        wanted.append(audit.c.at >= sought.since)
    if sought.until is not None:
        wanted.append(audit.c.at < sought.until)
    if sought.word:
        wanted.append(or_(audit.c.person == sought.word, *(_holds(name, sought.word) for name in ("line", "said"))))
    return wanted


def _holds(name: str, word: str) -> ColumnElement[bool]:
    return func.lower(audit.c[name]).contains(word.lower(), autoescape=True)


def _kept(text: str) -> str:
    """The text as a database takes it: without NUL and halves of characters (lines that have them are refused)."""
    return _UNKEPT.sub("\ufffd", text)[:LONGEST]
