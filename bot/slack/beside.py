"""What is done beside an acknowledgement or a message: it may take as long as it takes, and ends when Sluice leaves."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from bot.chat import Slower
from engine.errors import Interrupted, SluiceError

_TRIES = 4
_PAUSE = 1.0
_GRACE = 3.0
_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class Beside:
    """Keeps the tasks, so that none is lost and none is left."""

    _tasks: "set[asyncio.Task[None]]" = field(default_factory=set)

    def do(self, work: Callable[[], Awaitable[None]], what: str) -> None:
        """Do it soon; when Slack asks to wait, after that. `what` is written down when it cannot be done."""
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
    why = ""
    for _ in range(_TRIES):
        try:
            return await work()
        except Interrupted as error:
            why = str(error)
            await asyncio.sleep(error.after.total_seconds() if isinstance(error, Slower) else _PAUSE)
        except SluiceError as error:
            _LOG.warning("%s: %s", what, error)
            return None
        except asyncio.CancelledError:
            _LOG.warning("%s: Sluice is being stopped.", what)
            raise
    _LOG.warning("%s, tried %d times: %s", what, _TRIES, why)
    return None
