"""Who is known: added and removed by whoever runs Sluice, in a terminal on its machine, and written down.

Nobody is asked who they are there, so the audit names no person: the terminal's socket and the database open for nobody
but whoever runs Sluice.
"""

import secrets
from datetime import datetime

from bot.linking import remove as forget
from bot.naming import a_person, a_phone, an_email
from engine.model import Person, PersonId, RoomId
from storage.audit import Deed
from storage.book import SqlBook

ROOM = RoomId("terminal:")


def add(book: SqlBook, name: str, email: str | None, phone: str | None, now: datetime) -> Person:
    """Make `name` known, or change where they are told: None leaves an address as it is, an empty one takes it away.

    Returns the person as they are known now. Refused when something is no name or no address.
    """
    known = book.people.find(PersonId(a_person(name))) or Person(PersonId(a_person(name)))
    person = Person(
        known.id,
        known.email if email is None else an_email(email.strip()),
        known.phone if phone is None else a_phone(phone.strip()),
    )
    book.people.add(person)
    _write_down(book, f"person add {person.id}", "done", f"{person.id} is known.", now)
    return person


def remove(book: SqlBook, person: PersonId, now: datetime) -> bool:
    """Know a person no more, in no chat; False when nobody did."""
    removed = forget(book, person)
    outcome, said = ("done", f"{person} is not known any more.") if removed else ("refused", f"Nobody knows {person}.")
    _write_down(book, f"person remove {person}", outcome, said, now)
    return removed


def _write_down(book: SqlBook, line: str, outcome: str, said: str, now: datetime) -> None:
    key = f"none:{secrets.token_hex(12)}"
    book.audit.add(Deed(key, now, PersonId(""), "", ROOM, line, outcome, said))
