"""What of the room somebody sees: what names nothing that is hidden from them, and what they said themselves."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bot.rights.holders import Sight
from bot.rights.sights import Sights
from bot.web.hub import Change
from bot.web.render import render_live
from bot.web.room import LOBBY, WebChat
from bot.web.said import Shown
from engine.errors import SluiceError
from engine.model import PersonId


def seen(sight: Sight, shown: Iterable[Shown]) -> list[Shown]:
    """The messages that somebody sees."""
    if sight.is_whole:
        return list(shown)
    return [one for one in shown if one.by == sight.person or sight.may_read(one.words)]


@dataclass(frozen=True, slots=True)
class Eyes:
    """One browser's: `person` looks at the lobby. Where nobody knows who sees what (`sights`: None), all is seen."""

    person: PersonId
    chat: WebChat
    sights: Sights | None

    async def present(self) -> list[Shown]:
        """The room as it is now."""
        return seen(await self._sight(), await self.chat.present(LOBBY))

    async def live(self) -> list[Shown]:
        """What is going on or waits for somebody."""
        return seen(await self._sight(), await self.chat.live(LOBBY))

    async def told(self, change: Change) -> Mapping[str, object] | None:
        """What the browser is told of a change; None when it is told nothing. What is not known is not told."""
        try:
            sight = await self._sight()
            if sight.is_whole:
                return change.data
            if change.kind == "live":
                return {"html": render_live(await self.live())}
        except SluiceError:
            return None
        is_own = change.data.get("by") == self.person
        return change.data if is_own or sight.may_read(change.words) else None

    async def _sight(self) -> Sight:
        return Sight(self.person) if self.sights is None else await self.sights.of(self.person)
