"""What chats need to remember: what waits for a yes, which deliveries were carried out, what was said in a room."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, not_, or_, select

from engine.model import PersonId, RoomId
from storage.part import Transaction, upsert
from storage.tables import confirmations, inbox, messages

SIGNED = "push:"
"""How the keys of deliveries begin that are known by a signature."""


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A command that waits for its person to type `phrase`. `document` is the command's line."""

    id: str
    room: RoomId
    person: PersonId
    phrase: str
    document: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Message:
    """Something said in a room; `document` is a JSON object that the chat understands."""

    seq: int
    room: RoomId
    at: datetime
    by: str
    document: str


class SqlChats:
    """The chats' memory in one transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._in = transaction

    def ask(self, confirmation: Confirmation) -> None:
        """Wait for a yes. An earlier question to the same person in the same room is dropped."""
        row = {
            "id": confirmation.id,
            "room": confirmation.room,
            "person": confirmation.person,
            "phrase": confirmation.phrase,
            "document": confirmation.document,
            "expires_at": confirmation.expires_at,
        }
        self._in.write(delete(confirmations).where(_asked(confirmation.room, confirmation.person)))
        self._in.write(insert(confirmations), row)

    def asked(self, room: RoomId, person: PersonId) -> Confirmation | None:
        """What the person is asked in the room."""
        row = self._in.read(select(confirmations).where(_asked(room, person))).one_or_none()
        return None if row is None else Confirmation(row.id, room, person, row.phrase, row.document, row.expires_at)

    def take(self, confirmation: str) -> bool:
        """Use a question up; False when somebody has already."""
        return self._in.write(delete(confirmations).where(confirmations.c.id == confirmation)).rowcount == 1

    def forget_questions(self, before: datetime) -> None:
        """Forget questions that were to be answered before then."""
        self._in.write(delete(confirmations).where(confirmations.c.expires_at < before))

    def is_new(self, key: str, at: datetime, since: datetime | None = None) -> bool:
        """Remember an inbound delivery; False when it has been seen before, or `since` then."""
        if since is not None:
            self._in.write(delete(inbox).where((inbox.c.key == key) & (inbox.c.at < since)))
        return upsert(self._in, inbox, {"key": key, "at": at}) == 1

    def sign_of_life(self, at: datetime) -> None:
        """Write something that nobody needs, to see whether anything can be written."""
        upsert(self._in, inbox, {"key": "sign of life", "at": at}, update=("at",))

    def forget_inbox(self, before: datetime, signed_before: datetime) -> None:
        """Forget deliveries older than `before`; those whose proof never gets old, older than `signed_before`.

        A forge signs a push without its time, so whoever has seen one could deliver it again for ever.
        """
        is_signed = inbox.c.key.startswith(SIGNED, autoescape=True)
        self._in.write(delete(inbox).where(inbox.c.at < before, or_(not_(is_signed), inbox.c.at < signed_before)))

    def say(self, room: RoomId, at: datetime, by: str, document: str) -> int:
        """Keep a message; returns its number."""
        row = {"room": room, "at": at, "by": by, "document": document}
        return int(self._in.write(insert(messages).returning(messages.c.seq), row).scalar_one())

    def forget_messages(self, before: datetime) -> None:
        """Forget what was said in rooms before then."""
        self._in.write(delete(messages).where(messages.c.at < before))

    def replace(self, seq: int, document: str) -> None:
        """Change a message."""
        self._in.write(messages.update().where(messages.c.seq == seq).values(document=document))

    def said(self, room: RoomId, limit: int) -> list[Message]:
        """The room's last messages, oldest first."""
        statement = select(messages).where(messages.c.room == room).order_by(messages.c.seq.desc()).limit(limit)
        rows = self._in.read(statement).all()
        return [Message(row.seq, RoomId(row.room), row.at, row.by, row.document) for row in reversed(rows)]


def _asked(room: RoomId, person: PersonId) -> Any:
    return (confirmations.c.room == room) & (confirmations.c.person == person)
