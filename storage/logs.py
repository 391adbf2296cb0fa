"""What stages said."""

from datetime import datetime
from typing import Any

from sqlalchemy import Select, delete, insert, select

from engine.model import RunId
from engine.ports import LogLine
from storage.part import Transaction
from storage.tables import logs


class SqlLogs:
    """`engine.ports.Logs` in one transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._in = transaction

    def append(self, run: RunId, stage: int, attempt: int, at: datetime, text: str) -> None:
        """Keep some lines. What a program says may hold characters that no database takes."""
        clean = self._in.clean(text.replace("\0", "").encode("utf-8", "replace").decode())
        self._in.write(insert(logs), {"run": run, "stage": stage, "attempt": attempt, "at": at, "text": clean})

    def read(self, run: RunId, stage: int | None, after: int, limit: int) -> list[LogLine]:
        """The next pieces."""
        return [
            _line(row)
            for row in self._in.read(_of(run, stage).where(logs.c.seq > after).order_by(logs.c.seq).limit(limit))
        ]

    def tail(self, run: RunId, stage: int | None, limit: int) -> list[LogLine]:
        """The last pieces."""
        rows = self._in.read(_of(run, stage).order_by(logs.c.seq.desc()).limit(limit)).all()
        return [_line(row) for row in reversed(rows)]

    def forget(self, before: datetime) -> None:
        """Forget what was said before then."""
        self._in.write(delete(logs).where(logs.c.at < before))


def _of(run: RunId, stage: int | None) -> Select[Any]:
    statement = select(logs).where(logs.c.run == run)
    return statement if stage is None else statement.where(logs.c.stage == stage)


def _line(row: Any) -> LogLine:
    return LogLine(row.seq, row.stage, row.attempt, row.at, row.text)
