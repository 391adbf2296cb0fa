"""What forges delivered about pushes: kept before it is acknowledged, open until it is known what became of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, Column, Index, String, Table, Text, delete, insert, select, text

from storage.part import Transaction
from storage.tables import Moment, Number, metadata

LONGEST = 500

pushes = Table(
    "pushes",
    metadata,
    Column("seq", Number, primary_key=True, autoincrement=True),
    Column("pipeline", String(64), nullable=False),
    Column("key", String(200), nullable=False),
    Column("at", Moment, nullable=False, index=True),
    Column("is_open", Boolean, nullable=False),
    Column("document", Text, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("said", Text, nullable=False),
    Column("run", String(128), nullable=False),
)
Index("ix_pushes_pipeline", pushes.c.pipeline, pushes.c.seq)
_OPEN = text("is_open")
Index("ix_pushes_open", pushes.c.seq, sqlite_where=_OPEN, postgresql_where=_OPEN)


@dataclass(frozen=True, slots=True)
class KeptPush:
    """One delivery. `document` is what was pushed, as JSON; `outcome` is started, passed, refused or broke."""

    seq: int
    pipeline: str
    key: str
    at: datetime
    document: str
    is_open: bool = True
    outcome: str = ""
    said: str = ""
    run: str = ""


class SqlPushes:
    """Deliveries in one transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._in = transaction

    def keep(self, pipeline: str, key: str, at: datetime, document: str) -> int:
        """Keep a delivery that is new; returns its number."""
        row = {"pipeline": pipeline, "key": key, "at": at, "is_open": True, "document": document}
        row |= {"outcome": "", "said": "", "run": ""}
        return int(self._in.write(insert(pushes).returning(pushes.c.seq), row).scalar_one())

    def close(self, seq: int, outcome: str, said: str, run: str = "") -> None:
        """Write down what became of a delivery."""
        values = {"is_open": False, "outcome": outcome, "said": said[:LONGEST], "run": run}
        self._in.write(pushes.update().where(pushes.c.seq == seq).values(**values))

    def find(self, seq: int) -> KeptPush | None:
        """One delivery."""
        row = self._in.read(select(pushes).where(pushes.c.seq == seq)).one_or_none()
        return None if row is None else _push(row)

    def named(self, pipeline: str, key: str) -> KeptPush | None:
        """The newest delivery to a pipeline that has this key: one that was refused may come again."""
        same = (pushes.c.pipeline == pipeline) & (pushes.c.key == key)
        row = self._in.read(select(pushes).where(same).order_by(pushes.c.seq.desc()).limit(1)).first()
        return None if row is None else _push(row)

    def open(self, limit: int) -> list[KeptPush]:
        """Deliveries of which nothing has become yet, in their order."""
        statement = select(pushes).where(pushes.c.is_open).order_by(pushes.c.seq).limit(limit)
        return [_push(row) for row in self._in.read(statement)]

    def latest(self, pipeline: str, limit: int) -> list[KeptPush]:
        """The newest deliveries of a pipeline, newest first."""
        statement = select(pushes).where(pushes.c.pipeline == pipeline).order_by(pushes.c.seq.desc()).limit(limit)
        return [_push(row) for row in self._in.read(statement)]

    def forget(self, before: datetime) -> None:
        """Forget what was delivered before then."""
        self._in.write(delete(pushes).where(pushes.c.at < before))


def _push(row: Any) -> KeptPush:
    return KeptPush(
        seq=row.seq,
        pipeline=row.pipeline,
        key=row.key,
        at=row.at,
        document=row.document,
        is_open=row.is_open,
        outcome=row.outcome,
        said=row.said,
        run=row.run,
    )
