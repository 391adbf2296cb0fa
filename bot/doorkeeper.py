"""What comes to a chat's door and does not prove that it comes from that chat: counted, written down, and said.

Anybody may knock there, a thousand times a second. So a refusal is a number in memory, and those of a minute are one
row of the audit. It is trouble only when it was signed, and wrongly: then it is likely that the chat does deliver, and
that a secret of ours is another than the chat's. That is over with the first delivery that is proven.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.cards import Tone
from bot.delivered import HOOKS
from engine.errors import SluiceError
from engine.model import PersonId
from engine.ports import Clock
from storage.audit import Deed
from storage.store import SqlStore

EVERY = timedelta(minutes=1)
"""How often one door is written down and spoken of at most."""
_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class Knocks:
    """What came to the door at this path. `doubt` says what is likely when something is signed, and wrongly."""

    door: str
    doubt: str
    refused: int = 0
    trouble: str = ""

    def refuse(self, *, is_signed: bool) -> None:
        """Count what was not taken."""
        self.refused += 1
        if is_signed:
            self.trouble = self.doubt

    def prove(self) -> None:
        """Hear that something was taken."""
        self.trouble = ""


@dataclass(slots=True)
class Doorkeeper:
    """Writes down what `doors` have refused, and says what is likely wrong, and that it is mended."""

    store: SqlStore
    clock: Clock
    announce: Callable[[str, Tone], Awaitable[None]]
    doors: list[Knocks] = field(default_factory=list)
    _spoken: dict[str, datetime] = field(default_factory=dict)
    _said: set[str] = field(default_factory=set)

    def troubles(self) -> tuple[str, ...]:
        """What is likely wrong now, a sentence for each door."""
        return tuple(one.trouble for one in self.doors if one.trouble)

    async def keep(self) -> None:
        """Look at every door whose turn it is."""
        now = self.clock.now()
        for one in self.doors:
            if one.door not in self._spoken or now - self._spoken[one.door] >= EVERY:
                await self._keep(one, now)

    async def _keep(self, one: Knocks, now: datetime) -> None:
        if one.refused:
            self._spoken[one.door] = now
            await self._write_down(one, now)
        if one.trouble and one.door not in self._said:
            self._said.add(one.door)
            await self.announce(one.trouble, Tone.BAD)
        elif not one.trouble and one.door in self._said:
            self._said.discard(one.door)
            await self.announce(f"Deliveries to {one.door} are taken again.", Tone.GOOD)

    async def _write_down(self, one: Knocks, now: datetime) -> None:
        count = one.refused
        deed = Deed(
            key=f"door:{one.door}:{now.isoformat()}",
            at=now,
            person=PersonId(""),
            account="",
            room=HOOKS,
            line=f"deliver to {one.door}",
            outcome="refused",
            said=f"{count} without proof of where {'it comes' if count == 1 else 'they come'} from",
        )
        try:
            await self.store.transact(lambda book: book.audit.add(deed))
        except SluiceError as error:
            _LOG.warning("Not audited: %s", error)
            return
        one.refused -= count
