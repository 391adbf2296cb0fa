"""Who said or pressed what, where, and what came of it: rows are added and never changed."""

import re
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from engine.model import PersonId, RoomId
from storage.part import Transaction, upsert
from storage.tables import audit

LONGEST = 500
_UNKEPT = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Deed:
    """One line of the audit. `person` is empty for an account that nobody here knows.

    `outcome`: ``done``, ``refused`` or ``broke``; `said` is what was answered. A line's first `LONGEST` characters are
    kept.
    """

    key: str
    at: datetime
    person: PersonId
    account: str
    room: RoomId
    line: str
    outcome: str
    said: str


class SqlAudit:
    """The audit in one transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._in = transaction

    def add(self, deed: Deed) -> None:
        """Write a line; a delivery has one, however often it came."""
        row = {
            "key": deed.key,
            "at": deed.at,
            "person": deed.person,
            "account": deed.account,
            "room": deed.room,
            "line": _kept(deed.line),
            "outcome": deed.outcome,
            "said": _kept(deed.said),
        }
        upsert(self._in, audit, row, key=audit.c.key)

    def latest(self, limit: int) -> list[Deed]:
        """The newest lines, newest first."""
        rows = self._in.read(select(audit).order_by(audit.c.seq.desc()).limit(limit)).all()
        return [
            Deed(row.key, row.at, PersonId(row.person), row.account, RoomId(row.room), row.line, row.outcome, row.said)
            for row in rows
        ]


def _kept(text: str) -> str:
    """The text as a database takes it: without NUL and halves of characters (lines that have them are refused)."""
    return _UNKEPT.sub("\ufffd", text)[:LONGEST]
