"""Keeps chats connected: one that is away or refuses a token keeps neither the bot nor the others from starting.

Nor does a port for machines that somebody else has: it is opened as soon as it is free.

What is wrong is said in the rooms that can be told, once, and stands in `status`; it is tried again until it works.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from bot.cards import Tone
from bot.chat import Ears, Hearing, Slower
from bot.hooks import door
from engine.errors import Broken, Interrupted, InvariantViolation, SluiceError

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0
AFTER_MENDING = 30.0
"""Seconds between tries of what an operator has to mend."""
_DOOR = "the door for machines"
Behind = Mapping[str, Callable[..., Awaitable[None]]]
_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class Switchboard:
    """Connects `ears`, by the chats' names, and says what it cannot. `machines` stand behind the door beside them."""

    ears: Mapping[str, Ears]
    host: str
    port: int
    announce: Callable[[str, Tone], Awaitable[None]]
    machines: Mapping[str, Callable[..., Awaitable[None]]] = field(default_factory=dict)
    _troubles: dict[str, str] = field(default_factory=dict)
    hooks: int | None = None
    _hurry: asyncio.Event = field(default_factory=asyncio.Event)

    def troubles(self) -> tuple[str, ...]:
        """What keeps chats from being heard now, a sentence for each."""
        retried = (f"{name} cannot be listened to: {one.trouble}" for name, one in self.ears.items() if one.trouble)
        return (*self._troubles.values(), *retried)

    def try_the_door(self) -> None:
        """Try now to open the door, if its port was taken."""
        self._hurry.set()

    @asynccontextmanager
    async def connected(self, hearing: Hearing) -> AsyncIterator[None]:
        """Listen to every chat inside the `async with`, and open the door for machines if one needs it."""
        behind = {name: one.web for name, one in self.ears.items() if one.web is not None} | dict(self.machines)
        async with AsyncExitStack() as stack:
            tasks = [asyncio.create_task(self._keep(name, one, hearing)) for name, one in self.ears.items()]
            if not await self._opened(stack, behind):
                tasks.append(asyncio.create_task(self._keep_opening(stack, behind)))
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _opened(self, stack: AsyncExitStack, behind: Behind) -> bool:
        """Open the door for machines; False when its port is taken, which is said once."""
        try:
            self.hooks = await stack.enter_async_context(door(self.host, self.port, behind))
        except Broken as error:
            sentence = f"{error} {error.hint}".strip()
            if self._troubles.get(_DOOR) != sentence:
                self._troubles[_DOOR] = sentence
                await self.announce(sentence, Tone.BAD)
            return False
        if self._troubles.pop(_DOOR, None):
            await self.announce("Machines are listened to again.", Tone.GOOD)
        return True

    async def _keep_opening(self, stack: AsyncExitStack, behind: Behind) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(AFTER_MENDING):
                    await self._hurry.wait()
            self._hurry.clear()
            if await self._opened(stack, behind):
                return

    async def _keep(self, name: str, ears: Ears, hearing: Hearing) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                async with ears.listening(hearing):
                    await self._mended(name)
                    pause = FIRST_PAUSE
                    await asyncio.Event().wait()
            except Slower as error:
                await asyncio.sleep(error.after.total_seconds())
            except Interrupted as error:
                await self._cannot(name, error)
                await asyncio.sleep(pause)
                pause = min(LONGEST_PAUSE, pause * 2)
            except SluiceError as error:
                await self._cannot(name, error)
                await asyncio.sleep(AFTER_MENDING)
            except Exception as error:  # noqa: BLE001 - a worker's loop: a chat that breaks is tried again, and said
                _LOG.exception("Listening to %s", name)
                await self._cannot(name, InvariantViolation(f"it broke ({type(error).__name__}); the log says how."))
                await asyncio.sleep(AFTER_MENDING)

    async def _cannot(self, name: str, error: SluiceError) -> None:
        sentence = f"{name} cannot be listened to: {error} {error.hint}".strip()
        _LOG.warning("%s", sentence)
        if self._troubles.get(name) != sentence:
            self._troubles[name] = sentence
            await self.announce(sentence, Tone.BAD)

    async def _mended(self, name: str) -> None:
        if self._troubles.pop(name, None):
            await self.announce(f"{name} is listened to again.", Tone.GOOD)
