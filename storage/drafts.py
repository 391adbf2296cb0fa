"""Pipelines that somebody is just making, question by question: one for each person and room, until it expires."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, String, Table, Text, delete, select

from engine.model import PersonId, RoomId
from storage.part import Transaction, upsert
from storage.tables import Moment, metadata

drafts = Table(
    "drafts",
    metadata,
    Column("room", String(128), primary_key=True),
    Column("person", String(128), primary_key=True),
    Column("id", String(32), nullable=False),
    Column("document", Text, nullable=False),
    Column("expires_at", Moment, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Draft:
    """What a person has answered so far in a room; `document` is a JSON object that whoever asks understands."""

    id: str
    room: RoomId
    person: PersonId
    document: str
    expires_at: datetime


class SqlDrafts:
    """Drafts in one transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._in = transaction

    def put(self, draft: Draft) -> None:
        """Keep a draft, in place of the person's earlier one in the room."""
        row = {
            "room": draft.room,
            "person": draft.person,
            "id": draft.id,
            "document": draft.document,
            "expires_at": draft.expires_at,
        }
        upsert(self._in, drafts, row, update=("id", "document", "expires_at"))

    def find(self, room: RoomId, person: PersonId) -> Draft | None:
        """What the person is making in the room."""
        row = self._in.read(select(drafts).where(_of(room, person))).one_or_none()
        return None if row is None else Draft(row.id, room, person, row.document, row.expires_at)

    def drop(self, room: RoomId, person: PersonId) -> bool:
        """Forget it; False when there was none."""
        return self._in.write(delete(drafts).where(_of(room, person))).rowcount == 1

    def forget(self, before: datetime) -> None:
        """Forget drafts that expired before then."""
        self._in.write(delete(drafts).where(drafts.c.expires_at < before))


def _of(room: RoomId, person: PersonId) -> Any:
    return (drafts.c.room == room) & (drafts.c.person == person)
