"""Where a stage's words go: gathered for a moment, then kept in one transaction.

A full disk costs lines, never the stage.
"""

import asyncio
import contextlib
from dataclasses import dataclass, field

from engine.errors import SluiceError
from engine.model import Run
from engine.ports import Clock, Store

GATHER_SECONDS = 0.3
LONGEST = 200_000
"""Characters kept of one gathering; what is beyond is replaced by a line that says so."""


@dataclass(slots=True)
class Logbook:
    """`engine.ports.LogSink` of one stage attempt."""

    store: Store
    clock: Clock
    run: Run
    _lines: list[str] = field(default_factory=list)
    _task: "asyncio.Task[None] | None" = None

    def __call__(self, text: str) -> None:
        """Keep `text` soon."""
        self._lines.append(text.rstrip("\n"))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._keep_soon())

    async def _keep_soon(self) -> None:
        await asyncio.sleep(GATHER_SECONDS)
        await self._keep()

    async def _keep(self) -> None:
        lines, self._lines = self._lines, []
        if not lines:
            return
        text = "\n".join(lines)
        if len(text) > LONGEST:
            text = f"{text[:LONGEST]}\n[{len(text) - LONGEST} characters left out]"
        run, now = self.run, self.clock.now()
        with contextlib.suppress(SluiceError):
            await self.store.transact(lambda book: book.logs.append(run.id, run.position, run.stage.attempt, now, text))

    async def close(self) -> None:
        """Keep what is left."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._keep()
