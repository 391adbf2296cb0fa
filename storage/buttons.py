"""The buttons that rooms show: a short name for the line that each stands for, good in its own room only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select

from engine.model import RoomId
from storage.part import Transaction, upsert
from storage.tables import buttons


@dataclass(frozen=True, slots=True)
class Pressable:
    """A button in a room. `danger` asks for a second look."""

    token: str
    room: RoomId
    line: str
    danger: bool


class SqlButtons:
    """Buttons in one transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._in = transaction

    def show(self, shown: Sequence[Pressable], at: datetime) -> None:
        """Remember buttons; those that are known already stay longer."""
        for one in shown:
            row = {"token": one.token, "room": one.room, "line": one.line, "danger": one.danger, "at": at}
            upsert(self._in, buttons, row, update=("at",))

    def find(self, token: str) -> Pressable | None:
        """The button of this name."""
        row = self._in.read(select(buttons).where(buttons.c.token == token)).one_or_none()
        return None if row is None else Pressable(row.token, RoomId(row.room), row.line, row.danger)

    def forget(self, before: datetime) -> None:
        """Forget buttons that were last shown before then."""
        self._in.write(delete(buttons).where(buttons.c.at < before))
