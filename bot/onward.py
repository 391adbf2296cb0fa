"""What chats fetch from elsewhere before the core hears it: fetched with patience, handed on once somebody listens.

The danger is a source that waits for ever, and a start or an end of Sluice between the fetching and the hearing.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from bot.chat import Hearing, Slower, Update
from engine.errors import Interrupted, Refused, SluiceError

T = TypeVar("T")
_PAUSE = 0.5
NotHad = Callable[[str, str], Refused]
"""Makes the refusal that says why something could not be had, and what to do (empty: as always)."""


@dataclass(slots=True)
class Onward:
    """Hands updates on to whoever listens; waits for somebody as long as nobody does."""

    _hearing: Hearing | None = None
    _is_heard: asyncio.Event = field(default_factory=asyncio.Event)

    def listen(self, hearing: Hearing) -> None:
        """Hand on to `hearing` from now on."""
        self._hearing = hearing
        self._is_heard.set()

    def end(self) -> None:
        """Hand nothing on until somebody listens again."""
        self._hearing = None
        self._is_heard.clear()

    async def accept(self, update: Update) -> None:
        """Hand an update on. Raises `Interrupted` or `Broken` when it could not be kept."""
        while self._hearing is None:
            await self._is_heard.wait()
        await self._hearing.accept(update)


async def fetched(fetch: Callable[[], Awaitable[T]], seconds: float, not_had: NotHad) -> T:
    """Return what `fetch` gives, tried again while it is interrupted, for so many seconds in all.

    Raises the `Refused` that it raises, and what `not_had` makes of everything else.
    """
    why = f"It did not come in {max(seconds, 0):.1f} s."
    try:
        async with asyncio.timeout(seconds):
            while True:
                try:
                    return await fetch()
                except Interrupted as error:
                    why = str(error)
                    await asyncio.sleep(error.after.total_seconds() if isinstance(error, Slower) else _PAUSE)
    except Refused:
        raise
    except TimeoutError as error:
        raise not_had(why, "") from error
    except SluiceError as error:
        raise not_had(str(error), error.hint) from error
