"""What chats delivered: kept before it is acknowledged, so that it is carried out even if the bot dies in between.

The key is the delivery's own; a second one of the same key is not kept. An update is open until it has been answered.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select

from storage.part import Transaction, upsert
from storage.tables import updates


@dataclass(frozen=True, slots=True)
class Kept:
    """An update as it was kept: `document` is the chat's own JSON."""

    key: str
    at: datetime
    document: str


class SqlUpdates:
    """Inbound updates in one transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._in = transaction

    def keep(self, update: Kept) -> bool:
        """Keep an update; False when it was delivered before."""
        row = {"key": update.key, "at": update.at, "is_open": True, "document": update.document}
        return upsert(self._in, updates, row, key=updates.c.key) == 1

    def answer(self, key: str, document: str) -> None:
        """It has been carried out: `document` holds its answers now, which are still to be given."""
        self._in.write(updates.update().where(updates.c.key == key).values(document=document))

    def close(self, key: str) -> None:
        """It has been answered. Its text is not needed any more, its key is."""
        self._in.write(updates.update().where(updates.c.key == key).values(is_open=False, document=""))

    def open(self) -> list[Kept]:
        """Every update that has not been answered, in the order of delivery."""
        rows = self._in.read(select(updates).where(updates.c.is_open).order_by(updates.c.seq)).all()
        return [Kept(row.key, row.at, row.document) for row in rows]

    def forget(self, before: datetime) -> None:
        """Forget updates that were delivered before then, also what could not be answered in all that time."""
        self._in.write(delete(updates).where(updates.c.at < before))
