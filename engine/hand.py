"""One run in a worker's hands: the lease on it, and whether the worker still goes by what is stored."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
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
    watch: "Watch | None" = None
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
        if self.watch is not None:
            self.watch.stir()

    def let_watch(self, watch: "Watch") -> None:
        """Stir `watch` at each change from now on, and at once for what has been heard already."""
        self.watch = watch
        if self.is_stale:
            watch.stir()

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


@dataclass(slots=True)
class Watch:
    """Breaks off an act whose run moves on under it. It looks only when the run has been changed by somebody.

    `look` tells whether the act is still what the run needs. Breaking off is the act's own time `limit` coming early:
    an act in a task of its own, waited for, took a third of the event loop's time for a stage.
    """

    limit: asyncio.Timeout
    look: Callable[[], Awaitable[bool]]
    moved_on: bool = False
    _looking: "asyncio.Task[None] | None" = None

    def stir(self) -> None:
        """Look again, soon."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())

    async def _look(self) -> None:
        if await self.look() or self.limit.expired():
            return
        self.moved_on = True
        self.limit.reschedule(asyncio.get_running_loop().time())

    async def end(self) -> None:
        """Look no more. Raises what kept it from looking."""
        looking = self._looking
        if looking is None:
            return
        looking.cancel()
        (came,) = await asyncio.gather(looking, return_exceptions=True)
        if isinstance(came, Exception):
            raise came
