"""One run in a worker's hands: the lease on it, and whether the worker still goes by what is stored."""

import asyncio
import contextlib
from dataclasses import dataclass, field

from engine.errors import InvariantViolation
from engine.model import Run
from engine.ports import Claim


@dataclass(slots=True)
class Hand:
    """`latest` is the newest journal entry heard of, `known` the newest one that the worker goes by.

    `told` is the trouble that people have been told of and that is not over. `gave_back` says that the lease ended with
    the last report.
    """

    claim: Claim
    known: int = 0
    latest: int = 0
    told: str = ""
    gave_back: bool = False
    stirred: asyncio.Event = field(default_factory=asyncio.Event)
    _run: Run | None = None

    @property
    def is_stale(self) -> bool:
        """Whether somebody else has changed the run since the worker last saw it."""
        return self.latest > self.known

    @property
    def run(self) -> Run:
        """The run as the worker last saw it."""
        if self._run is None:
            raise InvariantViolation(f"Run {self.claim.run} is acted on without having been looked at.")
        return self._run

    def saw(self, run: Run) -> Run:
        """Go by this value from now on."""
        self._run = run
        self.known = run.seq
        return run

    def heard(self, newest: int) -> None:
        """Take note that the journal of the run has grown to `newest`."""
        self.latest = max(self.latest, newest)
        self.stirred.set()

    def renew(self, claim: Claim) -> None:
        """Go on under a newer lease. What happened between the two is unknown, so the run has to be looked at."""
        self.claim = claim
        self.known = 0
        self.heard(1)

    async def pause(self, seconds: float) -> None:
        """Wait, or until the run is changed by somebody else."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.changed()

    async def changed(self) -> None:
        """Return when somebody else has changed the run."""
        while not self.is_stale:
            self.stirred.clear()
            await self.stirred.wait()
