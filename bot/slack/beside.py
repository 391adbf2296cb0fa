"""What is done beside an acknowledgement: it may take as long as it takes, and ends when Sluice leaves Slack."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from bot.chat import Slower
from engine.errors import SluiceError

_TRIES = 4
_GRACE = 3.0
_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class Beside:
    """Keeps the tasks, so that none is lost and none is left."""

    _tasks: "set[asyncio.Task[None]]" = field(default_factory=set)

    def do(self, work: Callable[[], Awaitable[None]], what: str) -> None:
        """Do it soon; when Slack asks to wait, after that."""
        task = asyncio.create_task(_patiently(work, what))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def end(self) -> None:
        """Give what is under way a moment, then leave it."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_GRACE)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _patiently(work: Callable[[], Awaitable[None]], what: str) -> None:
    for _ in range(_TRIES):
        try:
            return await work()
        except Slower as error:
            await asyncio.sleep(error.after.total_seconds())
        except SluiceError as error:
            _LOG.warning("%s: %s", what, error)
            return None
    _LOG.warning("%s: Slack asked to wait too often.", what)
    return None
