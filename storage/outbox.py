"""What is to be told to others, until it is told: every message with its tries, its next moment and its outcome.

A message is kept in the transaction that finds out that it has to be sent, together with how far the journal was
read: it is neither lost nor made twice. Whoever sends takes it first, for a while; when it dies, the message is due
again after that. What a message says may hold secrets of a definition (an address with a token, a header), so it is
kept sealed.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Index,
    Integer,
    String,
    Table,
    Text,
    and_,
    delete,
    false,
    func,
    or_,
    select,
    text,
    update,
)

from engine.model import RunId
from storage.part import Transaction, upsert
from storage.tables import Moment, Number, journal, metadata, pipeline_versions, pipelines

Status = Literal["waiting", "sent", "failed", "refused"]
LONGEST = 500
_OPEN = text("due_at IS NOT NULL")

outbox = Table(
    "outbox",
    metadata,
    Column("key", String(200), primary_key=True),
    Column("at", Moment, nullable=False, index=True),
    Column("pipeline", String(64), nullable=False, index=True),
    Column("run", String(128), nullable=False, index=True),
    Column("about", String(200), nullable=False),
    Column("way", String(16), nullable=False),
    Column("shown", String(200), nullable=False),
    Column("sealed", Text, nullable=False),
    Column("status", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", Moment),
    Column("taken", Boolean, nullable=False),
    Column("error", Text, nullable=False),
    Column("done_at", Moment),
)
Index("ix_outbox_due", outbox.c.due_at, sqlite_where=_OPEN, postgresql_where=_OPEN)

heralds = Table(
    "heralds",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("cursor", Number, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Parcel:
    """One message to somebody. `shown` is whom it is for, without anything secret; `sealed` is what is sent.

    `key` names it for ever: run, journal entry and position, so the same event makes the same message.
    """

    key: str
    at: datetime
    pipeline: str
    run: RunId
    about: str
    way: str
    shown: str
    sealed: str = ""
    status: Status = "waiting"
    attempts: int = 0
    due_at: datetime | None = None
    error: str = ""
    done_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class News:
    """That something has happened: the journal's entry `seq`, which is the run's number `n`."""

    seq: int
    run: RunId
    n: int

    @property
    def pipeline(self) -> str:
        """The run's pipeline."""
        return self.run.rpartition("-")[0]


@dataclass(frozen=True, slots=True)
class Busy:
    """What is not taken now: messages to whom is `shown`, of these `ways`, and of these `keys`."""

    shown: Collection[str] = ()
    ways: Collection[str] = ()
    keys: Collection[str] = ()


NOTHING = Busy()


class SqlOutbox:
    """The outbox in one transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._in = transaction

    def cursor(self, name: str) -> int | None:
        """Tell how far the journal was read by this herald; None before its first start."""
        return self._in.read(select(heralds.c.cursor).where(heralds.c.name == name)).scalar_one_or_none()

    def move(self, name: str, before: int, after: int) -> bool:
        """Move the cursor on from `before`; False when somebody else has moved it: then nothing is to be done."""
        moved = update(heralds).where(heralds.c.name == name, heralds.c.cursor == before).values(cursor=after)
        return self._in.write(moved).rowcount == 1

    def begin(self, name: str, at: int) -> None:
        """Begin to read at an entry, unless it was begun before."""
        upsert(self._in, heralds, {"name": name, "cursor": at})

    def news(self, after: int, kinds: Collection[str], limit: int) -> list[News]:
        """Give the journal's entries of these kinds above `after`, without what they say."""
        statement = select(journal.c.seq, journal.c.run, journal.c.n)
        statement = statement.where(journal.c.seq > after, journal.c.kind.in_(kinds)).order_by(journal.c.seq)
        return [News(row.seq, RunId(row.run), row.n) for row in self._in.read(statement.limit(limit)).all()]

    def versions(self, names: Collection[str]) -> dict[str, int]:
        """Give the newest version of each of these pipelines."""
        statement = select(pipelines.c.name, pipelines.c.version).where(pipelines.c.name.in_(names))
        return {row.name: row.version for row in self._in.read(statement).all()}

    def mentions(self, pipeline: str, after: int, words: Collection[str]) -> bool:
        """Tell whether a version above `after` has one of the words anywhere in its text."""
        is_later = and_(pipeline_versions.c.name == pipeline, pipeline_versions.c.version > after)
        has_one = or_(*(pipeline_versions.c.text.contains(word, autoescape=True) for word in words))
        return self._in.read(select(pipeline_versions.c.version).where(is_later, has_one).limit(1)).first() is not None

    def put(self, parcel: Parcel) -> bool:
        """Keep a message; False when it is there already."""
        row = {
            "key": parcel.key,
            "at": parcel.at,
            "pipeline": parcel.pipeline,
            "run": parcel.run,
            "about": parcel.about[:200],
            "way": parcel.way,
            "shown": parcel.shown[:200],
            "sealed": parcel.sealed,
            "status": parcel.status,
            "attempts": parcel.attempts,
            "due_at": parcel.due_at,
            "taken": False,
            "error": parcel.error[:LONGEST],
            "done_at": parcel.done_at,
        }
        return upsert(self._in, outbox, row) == 1

    def claim(self, now: datetime, until: datetime, limit: int, *, but: Busy = NOTHING) -> list[Parcel]:
        """Take up to `limit` messages that are due, all but those, and count the try.

        Unless they are settled they are due again at `until`.
        """
        is_due = and_(_is_open(but), outbox.c.due_at <= now)
        found = select(outbox).where(is_due).order_by(outbox.c.due_at, outbox.c.key).limit(limit)
        if self._in.dialect == "postgresql":
            found = found.with_for_update(skip_locked=True)
        parcels = [_parcel(row) for row in self._in.read(found).all()]
        if parcels:
            taken = {"due_at": until, "taken": True, "attempts": outbox.c.attempts + 1}
            keys = [parcel.key for parcel in parcels]
            self._in.write(update(outbox).where(outbox.c.key.in_(keys)).values(taken))
        return parcels

    def settle(self, key: str, status: Status, now: datetime, error: str = "") -> None:
        """It is over with a message. What it said is not kept."""
        over = {"status": status, "error": error[:LONGEST], "done_at": now, "due_at": None, "sealed": ""}
        self._in.write(update(outbox).where(outbox.c.key == key).values(**over, taken=False))

    def postpone(self, key: str, due_at: datetime, error: str) -> None:
        """Try a message again then."""
        later = {"due_at": due_at, "error": error[:LONGEST], "taken": False}
        self._in.write(update(outbox).where(outbox.c.key == key).values(**later))

    def abandon(self, now: datetime) -> None:
        """What was taken is due now: for the sole process of a database, after a restart."""
        self._in.write(update(outbox).where(outbox.c.taken.is_not(false())).values(taken=False, due_at=now))

    def next_due(self, *, but: Busy = NOTHING) -> datetime | None:
        """Tell when the next message may be taken, all but those."""
        soonest: datetime | None = self._in.read(select(func.min(outbox.c.due_at)).where(_is_open(but))).scalar_one()
        return soonest

    def find(self, key: str) -> Parcel | None:
        """Find one message."""
        row = self._in.read(select(outbox).where(outbox.c.key == key)).one_or_none()
        return None if row is None else _parcel(row)

    def latest(self, limit: int, *, pipeline: str | None = None, run: RunId | None = None) -> list[Parcel]:
        """Give the newest messages, newest first."""
        statement = select(outbox).order_by(outbox.c.at.desc(), outbox.c.key.desc()).limit(limit)
        if pipeline is not None:
            statement = statement.where(outbox.c.pipeline == pipeline)
        if run is not None:
            statement = statement.where(outbox.c.run == run)
        return [_parcel(row) for row in self._in.read(statement).all()]

    def forget(self, before: datetime) -> None:
        """Forget messages from before then that are over."""
        self._in.write(delete(outbox).where(outbox.c.at < before, outbox.c.due_at.is_(None)))


def _is_open(but: Busy) -> ColumnElement[bool]:
    """Whether a message waits, and is none of those. What excludes nobody is left out: the index serves it alone."""
    excluded = ((outbox.c.shown, but.shown), (outbox.c.way, but.ways), (outbox.c.key, but.keys))
    return and_(outbox.c.due_at.is_not(None), *(column.not_in(values) for column, values in excluded if values))


def _parcel(row: Any) -> Parcel:
    return Parcel(
        key=row.key,
        at=row.at,
        pipeline=row.pipeline,
        run=RunId(row.run),
        about=row.about,
        way=row.way,
        shown=row.shown,
        sealed=row.sealed,
        status=row.status,
        attempts=row.attempts,
        due_at=row.due_at,
        error=row.error,
        done_at=row.done_at,
    )
