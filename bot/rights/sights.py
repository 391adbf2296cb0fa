"""What each person does not see, remembered for whoever shows much to many: a browser hears of every change of a room.

What is remembered is forgotten whenever somebody has said something that may change it, so it is never older than that.
"""

from dataclasses import dataclass, field

from bot.rights.holders import Sight, sight_of
from engine.model import PersonId
from storage.store import SqlStore


@dataclass(slots=True)
class Sights:
    """Remembers, until it is told to forget."""

    store: SqlStore
    _known: dict[PersonId, Sight] = field(default_factory=dict)
    _turn: int = 0

    async def of(self, person: PersonId) -> Sight:
        """What the person does not see now."""
        known = self._known.get(person)
        if known is not None:
            return known
        turn = self._turn
        sight = await self.store.read(lambda book: sight_of(book, person))
        if turn == self._turn:
            self._known[person] = sight
        return sight

    def forget(self) -> None:
        """Something may have changed; what is being read just now may be older than that."""
        self._known.clear()
        self._turn += 1
