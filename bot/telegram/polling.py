"""Asking Telegram for updates: each is confirmed only after it was kept.

The danger is a bot that dies between taking an update and keeping it. An update is confirmed by asking for the next
ones, and that is done after every one before it is kept; what was kept and not confirmed comes again, under the same
key, and is nothing new then. Updates of one sender are kept in their order, those of others beside each other, so that
one person's file does not hold up another's vote.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from bot.chat import Slower
from bot.telegram.api import Api
from engine.errors import Broken, Interrupted, SluiceError

WAIT = timedelta(seconds=50)
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 10.0
_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class Polling:
    """Asks for updates of these `kinds` and hands them to `hear`, which raises when one could not be kept."""

    api: Api
    kinds: Sequence[str]
    hear: Callable[[Any], Awaitable[None]]
    _offset: int | None = None
    _failures: int = 0
    trouble: str = ""
    """Why it is asked again now; empty when it answers."""

    async def live(self) -> None:
        """Ask until cancelled. Raises what an operator has to mend."""
        while True:
            try:
                await self._ask()
                self._failures, self.trouble = 0, ""
            except Slower as error:
                await asyncio.sleep(error.after.total_seconds())
            except (Interrupted, _NotKept) as error:
                await self._pause(error)

    async def _ask(self) -> None:
        found = await self.api.updates(self._offset, self.kinds, WAIT if not self._failures else timedelta(0))
        senders: dict[object, list[Any]] = {}
        for one in found:
            senders.setdefault(_sender(one), []).append(one)
        kept = await asyncio.gather(*(self._keep(each) for each in senders.values()), return_exceptions=True)
        for outcome in kept:
            if outcome is not None:
                raise outcome
        if found:
            self._offset = max(int(one["update_id"]) for one in found) + 1

    async def _keep(self, updates: list[Any]) -> None:
        for one in updates:
            try:
                await self.hear(one)
            except (Interrupted, Broken) as error:
                raise _NotKept(str(error), error.hint) from error

    async def _pause(self, error: SluiceError) -> None:
        """Wait longer each time; the same trouble is written down once."""
        if str(error) != self.trouble:
            self.trouble = str(error)
            _LOG.warning("Telegram is asked again soon: %s", error)
        self._failures += 1
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(self._failures - 1, 10))
        await asyncio.sleep(pause * random.uniform(0.7, 1.0))  # noqa: S311 - spreads, hides nothing


class _NotKept(SluiceError):
    """An update could not be kept; it is asked for again. What is broken then is not Telegram."""


def _sender(update: Any) -> object:
    """Return whoever an update comes from, so that their updates stay in order."""
    about = next((value for name, value in update.items() if name != "update_id"), None)
    return about.get("from", {}).get("id") if isinstance(about, dict) else None
