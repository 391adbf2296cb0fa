"""The people that this Sluice knows."""

from sqlalchemy import delete, select

from engine.model import Person, PersonId
from storage.part import Transaction, upsert
from storage.tables import people


class SqlPeople:
    """Who may speak here, and where they are told things."""

    def __init__(self, transaction: Transaction) -> None:
        self._in = transaction

    def add(self, person: Person) -> None:
        """Know a person, or their new address."""
        row = {"id": person.id, "email": person.email, "phone": person.phone}
        upsert(self._in, people, row, update=("email", "phone"))

    def remove(self, person: PersonId) -> bool:
        """Know a person no more; False when nobody did. What they did stays told."""
        return self._in.write(delete(people).where(people.c.id == person)).rowcount == 1

    def find(self, person: PersonId) -> Person | None:
        """One person, or None."""
        row = self._in.read(select(people).where(people.c.id == person)).one_or_none()
        return None if row is None else Person(PersonId(row.id), row.email, row.phone)

    def names(self) -> list[PersonId]:
        """Everybody, in order."""
        return [PersonId(name) for name in self._in.read(select(people.c.id).order_by(people.c.id)).scalars()]
