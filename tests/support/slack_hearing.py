"""Somebody who takes Slack's deliveries and cannot always keep them."""

from dataclasses import dataclass, field

from bot.cards import Card
from bot.chat import Answer, Update
from engine.errors import Interrupted


@dataclass
class WeakHearing:
    """Keeps updates by their keys, and fails the first `failures` times."""

    failures: int = 0
    kept: dict[str, Update] = field(default_factory=dict)

    async def accept(self, update: Update) -> bool:
        self._fail()
        is_new = update.key not in self.kept
        self.kept.setdefault(update.key, update)
        return is_new

    async def settle(self, update: Update) -> list[Answer]:
        return [Answer(Card("Done."), private=True)] if await self.accept(update) else []

    def _fail(self) -> None:
        if self.failures:
            self.failures -= 1
            raise Interrupted("The database does not answer.")
