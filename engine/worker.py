"""The worker: claims runs that are due, and acts for each until it waits for somebody else.

The danger is a process that dies, or is only thought dead, between two writes. The promise: whatever was being done is
done again or found done, never twice with effect, and never by two workers at once.

Why it holds. A run is acted on under a lease, which has a number that grows with every claim; every report carries the
number and is refused when it is not the newest. One transaction writes the outcome of an act and the intent of the next
one, so between two acts there is no gap to fall into. Acts can be repeated: they look at what is there before they
change it. What people ask for meanwhile goes through the same store and rings a bell; the worker looks at the run
again at the next safe point: between two acts, or inside an act that can simply be broken off (fetching, building).
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from engine.control import Control
from engine.errors import Broken, Interrupted, LeaseLost, Refused
from engine.hand import Hand
from engine.model import RunId, StageKind
from engine.ports import Claim, Clock, Store
from engine.redaction import Redaction
from engine.stages.job import Act
from engine.transitions import needs_worker
from engine.turns import BREAKABLE, PATIENCE, Turns, pipeline_of

__all__ = ["BREAKABLE", "LEASE", "LOOK_AGAIN", "PATIENCE", "Hand", "Worker", "pipeline_of"]

LEASE = timedelta(seconds=30)
LOOK_AGAIN = timedelta(seconds=2)
_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class Worker:
    """Acts for runs. `acts` has one act for each kind of stage, `unwind` takes back.

    `trouble` is told, once, what an operator has to mend. `limit` is how many runs are in hand at a time.
    """

    name: str
    store: Store
    control: Control
    clock: Clock
    acts: Mapping[StageKind, Act]
    unwind: Act
    trouble: Callable[[RunId, str], None] = lambda _run, _sentence: None
    limit: int = 200
    redaction: Redaction = field(default_factory=Redaction)
    _turns: Turns = field(init=False)
    _hands: dict[RunId, Hand] = field(default_factory=dict)
    _faults: dict[RunId, str] = field(default_factory=dict)
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)
    _bell: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        """Get ready to take turns."""
        self._turns = Turns(
            self.store, self.control, self.clock, self.acts, self.unwind, self._troubled, self.redaction
        )

    def _troubled(self, run: RunId, sentence: str) -> None:
        """Tell whoever `trouble` is by now: it is given after the worker is made."""
        self.trouble(run, sentence)

    async def live(self) -> None:
        """Work until cancelled; then let go of what is in hand."""
        self.store.on_commit(self._heard)
        beat = asyncio.create_task(self._beat())
        try:
            while True:
                await self._claim()
                await self._rest()
        finally:
            beat.cancel()
            await asyncio.gather(beat, return_exceptions=True)
            await self._let_go()

    def _heard(self, runs: Mapping[RunId, int]) -> None:
        for run, newest in runs.items():
            hand = self._hands.get(run)
            if hand is None:
                self._bell.set()
            else:
                hand.heard(newest)

    async def _rest(self) -> None:
        """Until there may be something to do. `asyncio.wait_for` would miss being cancelled just as the bell rings."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_AGAIN.total_seconds()):
                await self._bell.wait()
        self._bell.clear()

    async def _claim(self) -> None:
        room = self.limit - len(self._hands)
        if room <= 0:
            return
        now = self.clock.now()
        try:
            if not await self.store.read(lambda book: book.runs.is_due(now)):
                return
            claims = await self.store.transact(lambda book: book.runs.claim(self.name, now, now + LEASE, room))
        except (Broken, Interrupted) as error:
            _LOG.warning("Claiming runs failed: %s", error)
            return
        for claim in claims:
            self._take(claim)
        if len(claims) == room:
            self._bell.set()

    def _take(self, claim: Claim) -> None:
        """Begin to act for a run. One whose lease ran out while it was in hand stays in the same hand."""
        hand = self._hands.get(claim.run)
        if hand is not None:
            hand.renew(claim)
            return
        hand = self._hands[claim.run] = Hand(claim)
        self._spawn(self._hold(hand))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(LEASE.total_seconds() / 3)
            if not self._hands:
                continue
            until = self.clock.now() + LEASE
            try:
                await self.store.transact(lambda book, until=until: book.runs.extend(self.name, until))  # type: ignore[misc]
            except (Broken, Interrupted) as error:
                _LOG.warning("The leases were not extended: %s", error)

    async def _let_go(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with contextlib.suppress(Broken, Interrupted):
            await self.store.transact(lambda book: book.runs.abandon(self.name))

    async def _hold(self, hand: Hand) -> None:
        """Act for one run until it waits for somebody else, or the lease is lost."""
        run_id = hand.claim.run
        try:
            await self._work(hand)
            await self._give_back(hand)
        finally:
            was_full = len(self._hands) >= self.limit
            del self._hands[run_id]
            self._turns.forget(run_id)
            if hand.is_stale or was_full or not hand.gave_back:
                self._bell.set()

    async def _work(self, hand: Hand) -> None:
        run_id = hand.claim.run
        try:
            run = hand.saw(await self._turns.load(hand))
            while needs_worker(run):
                run = hand.saw(await self._turns.take(run, hand))
        except LeaseLost as error:
            _LOG.info("%s", error)
        except Refused:
            _LOG.info("Run %s is gone.", run_id)
        except Exception as error:  # noqa: BLE001 - the worker's edge: a bug met by one run must not stop the others
            await self._faulty(hand, error)
        else:
            self._faults.pop(run_id, None)

    async def _faulty(self, hand: Hand, error: Exception) -> None:
        """Say once what is wrong, and look again in a while: the run is due still."""
        sentence = f"A fault in Sluice itself keeps the run from going on: {type(error).__name__}: {error}"
        if self._faults.get(hand.claim.run) != sentence:
            self._faults[hand.claim.run] = sentence
            _LOG.error("Run %s", hand.claim.run, exc_info=error)
            self.trouble(hand.claim.run, sentence)
        await hand.pause(PATIENCE[-1])

    async def _give_back(self, hand: Hand) -> None:
        """End the lease, if the last report has not: otherwise nobody could claim the run for as long as we live."""
        if hand.gave_back:
            return
        with contextlib.suppress(Broken, Interrupted):
            await self.store.transact(lambda book: book.runs.release(hand.claim))
