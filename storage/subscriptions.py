"""Which rooms asked to be told about which pipelines."""

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ColumnElement, delete, select, true

from engine.model import PersonId, RoomId
from storage.part import Transaction, upsert
from storage.tables import subscriptions


class Wants(StrEnum):
    """What a room wants to be told: how a run ends or that it failed, or everything (its card, live)."""

    SUCCESS = "success"
    FAILURE = "failure"
    ENDS = "ends"
    EVERYTHING = "everything"


@dataclass(frozen=True, slots=True)
class Subscription:
    """A room's wish."""

    room: RoomId
    pipeline: str
    wants: Wants
    by: PersonId


class SqlSubscriptions:
    """Wishes in one transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._in = transaction

    def put(self, wish: Subscription) -> None:
        """Keep a wish, in place of the room's earlier one for the pipeline."""
        row = {"room": wish.room, "pipeline": wish.pipeline, "wants": wish.wants.value, "by": wish.by}
        upsert(self._in, subscriptions, row, update=("wants", "by"))

    def drop(self, room: RoomId, pipeline: str) -> bool:
        """Forget a wish; False when there was none."""
        same = (subscriptions.c.room == room) & (subscriptions.c.pipeline == pipeline)
        return self._in.write(delete(subscriptions).where(same)).rowcount == 1

    def void(self, pipeline: str) -> None:
        """Forget every wish about the pipeline."""
        self._in.write(delete(subscriptions).where(subscriptions.c.pipeline == pipeline))

    def all(self) -> list[Subscription]:
        """Every wish."""
        return self._where(true())

    def of_pipeline(self, pipeline: str) -> list[Subscription]:
        """Who wants to be told about the pipeline."""
        return self._where(subscriptions.c.pipeline == pipeline)

    def of_room(self, room: RoomId) -> list[Subscription]:
        """What the room wants to be told."""
        return self._where(subscriptions.c.room == room)

    def _where(self, condition: ColumnElement[bool]) -> list[Subscription]:
        statement = select(subscriptions).where(condition).order_by(subscriptions.c.room, subscriptions.c.pipeline)
        rows = self._in.read(statement).all()
        return [Subscription(RoomId(row.room), row.pipeline, Wants(row.wants), PersonId(row.by)) for row in rows]
