"""Absolute deadlines as rows."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import and_, bindparam, delete, func, select

from engine.model import RunId
from engine.ports import Timer
from storage.part import Transaction, upsert
from storage.tables import timers

_DUE = select(timers).where(timers.c.due_at <= bindparam("now_")).order_by(timers.c.due_at).limit(bindparam("limit_"))
_NEXT = select(func.min(timers.c.due_at))
_DROP = delete(timers).where(timers.c.run == bindparam("run_"), timers.c.kind.in_(bindparam("kinds_", expanding=True)))


class SqlTimers:
    """`engine.ports.Timers` in one transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._in = transaction

    def set(self, timer: Timer) -> None:
        """Set or move a timer."""
        row = {
            "run": timer.run,
            "kind": timer.kind,
            "stage": timer.stage,
            "attempt": timer.attempt,
            "due_at": timer.due_at,
        }
        upsert(self._in, timers, row, update=("due_at",))

    def drop(self, run: RunId, kinds: Sequence[str]) -> None:
        """Forget the run's timers of these kinds."""
        self._in.write(_DROP, {"run_": run, "kinds_": list(kinds)})

    def due(self, now: datetime, limit: int) -> list[Timer]:
        """What is due."""
        return [
            Timer(RunId(row.run), row.kind, row.stage, row.attempt, row.due_at)
            for row in self._in.read(_DUE, {"now_": now, "limit_": limit})
        ]

    def next_due(self) -> datetime | None:
        """When something will be."""
        soonest: datetime | None = self._in.read(_NEXT).scalar_one()
        return soonest

    def remove(self, timer: Timer) -> None:
        """Forget one timer."""
        same = and_(
            timers.c.run == timer.run,
            timers.c.kind == timer.kind,
            timers.c.stage == timer.stage,
            timers.c.attempt == timer.attempt,
        )
        self._in.write(delete(timers).where(same))
