"""How far rooms have been told: where the feed is in the journal, and which message of a room shows which run."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from engine.model import RoomId, RunId
from storage.part import Transaction, upsert
from storage.tables import cards, rooms, runs, subscriptions

FEED = RoomId("feed")
"""The row that says how far the feed has told every room."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a room shows a run: its message, the run's `seq` that the message shows, the entry told below it."""

    message: str
    seq: int
    told: int = 0


class SqlRooms:
    """Rooms in one transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._in = transaction

    def cursor(self) -> int | None:
        """The journal entry up to which every room has been told; None before the first start."""
        return self._in.read(select(rooms.c.cursor).where(rooms.c.id == FEED)).scalar_one_or_none()

    def set_cursor(self, seq: int) -> None:
        """Every room has been told everything up to `seq`."""
        upsert(self._in, rooms, {"id": FEED, "cursor": seq, "lost": ""}, update=("cursor",))

    def place(self, room: RoomId, run: RunId) -> Place | None:
        """Where the room shows the run."""
        row = self._in.read(select(cards).where(cards.c.room == room, cards.c.run == run)).one_or_none()
        return None if row is None else Place(row.message, row.seq, row.told)

    def put(self, room: RoomId, run: RunId, place: Place) -> None:
        """Remember where the room shows the run."""
        row = {"room": room, "run": run, "message": place.message, "seq": place.seq, "told": place.told}
        upsert(self._in, cards, row, update=("message", "seq", "told"))

    def behind(self, room: RoomId) -> list[RunId]:
        """The runs that the room does not show as they are now."""
        shown = select(cards.c.run).join(runs, runs.c.id == cards.c.run)
        statement = shown.where(cards.c.room == room, runs.c.seq > cards.c.seq).order_by(cards.c.run)
        return [RunId(run) for run in self._in.read(statement).scalars()]

    def forget(self, before: datetime) -> None:
        """Forget which messages show runs that are over and began before then."""
        old = select(runs.c.id).where(runs.c.created_at < before, ~runs.c.active)
        self._in.write(cards.delete().where(cards.c.run.in_(old)))

    def showing(self, run: RunId) -> list[RoomId]:
        """The rooms that have a message of the run."""
        statement = select(cards.c.room).where(cards.c.run == run).order_by(cards.c.room)
        return [RoomId(room) for room in self._in.read(statement).scalars()]

    def speaking(self) -> list[RoomId]:
        """The rooms that show cards or want to be told something."""
        shown, wished = select(cards.c.room).distinct(), select(subscriptions.c.room).distinct()
        return sorted({RoomId(room) for query in (shown, wished) for room in self._in.read(query).scalars()})

    def lose(self, room: RoomId, why: str) -> None:
        """The room cannot be reached any more, and why; an empty `why`: it can again."""
        upsert(self._in, rooms, {"id": room, "cursor": 0, "lost": why}, update=("lost",))

    def lost(self) -> dict[RoomId, str]:
        """The rooms that cannot be reached, and why."""
        rows = self._in.read(select(rooms.c.id, rooms.c.lost).where(rooms.c.lost != "").order_by(rooms.c.id)).all()
        return {RoomId(row.id): row.lost for row in rows}

    def move(self, old: RoomId, new: RoomId) -> None:
        """A room goes on under another name: what it wants goes with it, its messages are not there any more."""
        upsert(self._in, rooms, {"id": old, "cursor": 0, "moved": new}, update=("moved",))
        self._in.write(cards.delete().where(cards.c.room == old))
        for wish in self._in.read(select(subscriptions).where(subscriptions.c.room == old)).mappings().all():
            upsert(self._in, subscriptions, {**wish, "room": new})
        self._in.write(subscriptions.delete().where(subscriptions.c.room == old))

    def moved(self) -> dict[RoomId, RoomId]:
        """The rooms that go on under another name, and which."""
        rows = self._in.read(select(rooms.c.id, rooms.c.moved).where(rooms.c.moved != "").order_by(rooms.c.id)).all()
        return {RoomId(row.id): RoomId(row.moved) for row in rows}
