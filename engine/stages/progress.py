"""How far a build is, in the run's own words now and then: on its card and in its thread.

The log has every line, for whoever asks for it. A room wants to see that something happens, and what: so of the lines
that tell a step the latest is noted, once in a while. A build that is over soon is not noted at all, but for what may
surprise, which is noted at once. What keeps a note from being written never touches the build.
"""

import asyncio
import contextlib
import re
from dataclasses import dataclass, field

from engine.errors import SluiceError
from engine.stages.job import Job

EVERY = 10.0
"""Seconds between two notes; the first comes after half of that."""
_TELLS = re.compile(r"(Step [0-9]+/[0-9]+ : |Building |Fetching |Pushing |Placing )\S")
_SURPRISES = "A bundle is built, though "
_LONGEST = 200


@dataclass(slots=True)
class Progress:
    """`engine.ports.LogSink` of a build: passes every line to the job's log, and notes how far it is."""

    job: Job
    every: float = EVERY
    _latest: str = ""
    _task: "asyncio.Task[None] | None" = None
    _over: asyncio.Event = field(default_factory=asyncio.Event)

    def __call__(self, text: str) -> None:
        """Keep `text`, and note it soon if it tells a step."""
        self.job.log(text)
        telling = [line for line in text.split("\n") if _TELLS.match(line) or line.startswith(_SURPRISES)]
        if telling:
            self._latest = telling[-1][:_LONGEST]
            if self._task is None:
                first = 0 if self._latest.startswith(_SURPRISES) else self.every / 2
                self._task = asyncio.create_task(self._note(first))

    async def _note(self, pause: float) -> None:
        noted = ""
        while not await self._is_over(pause):
            if self._latest != noted:
                noted, pause = self._latest, self.every
                with contextlib.suppress(SluiceError):
                    await self.job.note(noted)

    async def _is_over(self, within: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                return await self._over.wait()
        return False

    async def close(self) -> None:
        """Note nothing more."""
        self._over.set()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
