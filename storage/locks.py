"""Workloads that take no release until somebody unlocks them."""

from typing import Any

from sqlalchemy import bindparam, delete, select, update

from engine.locks import Lock
from engine.model import PersonId, RunId
from engine.rollout.fleet import ReleaseId
from storage.part import Transaction, upsert
from storage.tables import locks

_FIND = select(locks).where(locks.c.workload == bindparam("workload_"))
_TELL = (
    update(locks)
    .where((locks.c.workload == bindparam("workload_")) & (locks.c.at == bindparam("at_")))
    .values(told=bindparam("told_"))
)
_REMOVE = delete(locks).where(locks.c.workload == bindparam("workload_"))
_ALL = select(locks).order_by(locks.c.workload)
_APART = "\n"
"""What no name holds: the releases and the pipelines of a lock stand in one text each."""


class SqlLocks:
    """`engine.book.Locks` in one transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._in = transaction

    def find(self, workload: str) -> Lock | None:
        """One lock."""
        row = self._in.read(_FIND, {"workload_": workload}).first()
        return None if row is None else _lock(row)

    def put(self, lock: Lock) -> None:
        """Lock, or lock anew."""
        row = {
            "workload": lock.workload,
            "reason": lock.reason,
            "by": lock.by,
            "at": lock.at,
            "run": lock.run,
            "barred": _APART.join(lock.barred),
            "told": _APART.join(lock.told),
        }
        upsert(self._in, locks, row, update=("reason", "by", "at", "run", "barred", "told"))

    def tell(self, lock: Lock) -> None:
        """Write down whom it was told, if it stands."""
        self._in.write(_TELL, {"workload_": lock.workload, "at_": lock.at, "told_": _APART.join(lock.told)})

    def remove(self, workload: str) -> None:
        """Unlock."""
        self._in.write(_REMOVE, {"workload_": workload})

    def all(self) -> list[Lock]:
        """Every lock."""
        return [_lock(row) for row in self._in.read(_ALL)]


def _lock(row: Any) -> Lock:
    return Lock(
        workload=row.workload,
        reason=row.reason,
        by=PersonId(row.by),
        at=row.at,
        run=RunId(row.run),
        barred=tuple(ReleaseId(name) for name in row.barred.split(_APART) if name),
        told=tuple(name for name in row.told.split(_APART) if name),
    )
