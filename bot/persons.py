"""Who is known: added and removed by whoever runs Sluice, in a terminal on its machine, and written down.

Nobody is asked who they are there, so the audit names no person: the terminal's socket and the database open for nobody
but whoever runs Sluice.
"""

import secrets
from datetime import datetime

from bot.linking import remove as forget
from engine.model import Person, PersonId, RoomId
from storage.audit import Deed
from storage.book import SqlBook

ROOM = RoomId("terminal:")


def add(book: SqlBook, person: Person, now: datetime) -> None:
    """Know a person."""
    book.people.add(person)
    _write_down(book, f"person add {person.id}", "done", f"{person.id} is known.", now)


def remove(book: SqlBook, person: PersonId, now: datetime) -> bool:
    """Know a person no more, in no chat; False when nobody did."""
    removed = forget(book, person)
    outcome, said = ("done", f"{person} is not known any more.") if removed else ("refused", f"Nobody knows {person}.")
    _write_down(book, f"person remove {person}", outcome, said, now)
    return removed


def _write_down(book: SqlBook, line: str, outcome: str, said: str, now: datetime) -> None:
    key = f"none:{secrets.token_hex(12)}"
    book.audit.add(Deed(key, now, PersonId(""), "", ROOM, line, outcome, said))
