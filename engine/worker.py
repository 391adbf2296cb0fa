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
import traceback
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from engine import commands as c
from engine.control import Control
from engine.definition import Pipeline
from engine.errors import Broken, Interrupted, InvariantViolation, LeaseLost, Refused, StageFailure
from engine.model import Json, Run, RunId, StageKind
from engine.pipeline import resolve
from engine.ports import Book, Claim, Clock, Store
from engine.stages.job import Act, Ask, Changed, Finished, Job, Later, Outcome, Unwound
from engine.stages.logbook import Logbook
from engine.transitions import ENGINE, needs_worker

LEASE = timedelta(seconds=30)
LOOK_AGAIN = timedelta(seconds=2)
PATIENCE = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds to wait after a passing failure: the first, the second, and so on; the last for all that follow."""
BREAKABLE = frozenset({StageKind.SOURCE, StageKind.BUILD})
_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class Hand:
    """One run in this worker's hands.

    `latest` is the newest journal entry heard of, `known` the newest one acted on.
    """

    claim: Claim
    known: int = 0
    latest: int = 0
    stirred: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_stale(self) -> bool:
        """Whether somebody else has changed the run since the worker last saw it."""
        return self.latest > self.known

    def saw(self, run: Run) -> Run:
        """This is what the worker goes by now."""
        self.known = run.seq
        return run

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
class Worker:
    """Acts for runs.

    `acts` has one act for each kind of stage, `unwind` takes back. `trouble` is told what is broken.
    """

    name: str
    store: Store
    control: Control
    clock: Clock
    acts: Mapping[StageKind, Act]
    unwind: Act
    trouble: Callable[[RunId, str], None] = lambda _run, _sentence: None
    limit: int = 200
    _hands: dict[RunId, Hand] = field(default_factory=dict)
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)
    _bell: asyncio.Event = field(default_factory=asyncio.Event)
    _pipelines: dict[RunId, tuple[Mapping[str, str], Pipeline]] = field(default_factory=dict)

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
            await self._let_go()

    def _heard(self, runs: Mapping[RunId, int]) -> None:
        for run, newest in runs.items():
            hand = self._hands.get(run)
            if hand is None:
                self._bell.set()
            else:
                hand.latest = max(hand.latest, newest)
                hand.stirred.set()

    async def _rest(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._bell.wait(), LOOK_AGAIN.total_seconds())
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
            hand = Hand(claim)
            self._hands[claim.run] = hand
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
            with contextlib.suppress(Broken, Interrupted):
                await self.store.transact(lambda book, until=until: book.runs.extend(self.name, until))  # type: ignore[misc]

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
            run = hand.saw(await self._load(run_id))
            while needs_worker(run):
                run = hand.saw(await self._turn(run, hand))
        except LeaseLost as error:
            _LOG.info("%s", error)
        except Refused:
            _LOG.info("Run %s is gone.", run_id)
        finally:
            del self._hands[run_id]
            self._pipelines.pop(run_id, None)
            if hand.is_stale:
                self._bell.set()

    async def _load(self, run: RunId) -> Run:
        return await self._surely(run, lambda: self.store.read(lambda book: book.runs.load(run)))

    async def _turn(self, run: Run, hand: Hand) -> Run:
        """One act and what came of it, written down. Returns the run as it is then."""
        if hand.is_stale:
            return await self._load(run.id)
        pipeline = await self._pipeline(run)
        stage = None if run.redeploys is not None else pipeline.stages[run.position]
        log = Logbook(self.store, self.clock, run)
        job = Job(run, pipeline, stage, log, self.clock.now, lambda note, outputs: self._note(run, hand, note, outputs))
        try:
            outcome = await self._act(job, hand)
        finally:
            await log.close()
        if outcome is None:
            return await self._load(run.id)
        if isinstance(outcome, Later):
            await hand.pause(outcome.after.total_seconds())
            return await self._load(run.id) if hand.is_stale else job.run
        command = _report(run, hand.claim.token, outcome)
        try:
            return await self._surely(run.id, lambda: self.control.submit(command))
        except LeaseLost:
            raise
        except Refused:
            return await self._load(run.id)

    async def _act(self, job: Job, hand: Hand) -> Outcome | str | None:
        """Act once; None when the run has to be looked at again, a sentence when the stage failed."""
        deadline = _deadline(job)
        tries = 0
        while True:
            try:
                return await self._within(deadline, job, hand)
            except StageFailure as failure:
                return _sentence(failure)
            except TimeoutError:
                return f"{job.run.stage.name} took longer than it may."
            except LeaseLost:
                raise
            except (Interrupted, Broken) as error:
                await self._troubled(job, error, tries)
                if deadline is not None and self.clock.now() >= deadline:
                    return _sentence(error)
                await hand.pause(PATIENCE[min(tries, len(PATIENCE) - 1)])
                tries += 1
                if hand.is_stale:
                    return None
            except Exception as error:  # noqa: BLE001 - the worker's edge: a bug in one stage must not stop the others
                _LOG.exception("Run %s, stage %s", job.run.id, job.run.stage.name)
                job.log(traceback.format_exc())
                return f"A fault in Sluice itself ended the stage: {type(error).__name__}: {error}"

    async def _within(self, deadline: datetime | None, job: Job, hand: Hand) -> Outcome | None:
        """Act until `deadline`; broken off when somebody else moves the run on, if this stage allows it."""
        act = self.unwind if job.run.unwinding else self.acts[job.run.stage.kind]
        left = None if deadline is None else max(0.0, (deadline - self.clock.now()).total_seconds())
        async with asyncio.timeout(left):
            if job.run.unwinding or job.run.stage.kind not in BREAKABLE:
                return await act.act(job)
            return await self._breakable(act, job, hand)

    async def _breakable(self, act: Act, job: Job, hand: Hand) -> Outcome | None:
        work = asyncio.ensure_future(act.act(job))
        try:
            while True:
                changed = asyncio.ensure_future(hand.changed())
                await asyncio.wait({work, changed}, return_when=asyncio.FIRST_COMPLETED)
                await _end(changed)
                if work.done():
                    return work.result()
                now = hand.saw(await self._load(job.run.id))
                if now.unwinding or (now.position, now.stage.attempt) != (job.run.position, job.run.stage.attempt):
                    hand.known = 0
                    return None
        finally:
            await _end(work)

    async def _note(self, run: Run, hand: Hand, note: str, outputs: Json) -> Run:
        report = c.ReportNote(
            run=run.id,
            by=ENGINE,
            stage=run.position,
            attempt=run.stage.attempt,
            token=hand.claim.token,
            note=note,
            outputs=outputs,
        )
        after = await self.control.submit(report)
        if after.seq == hand.known + 1:
            hand.saw(after)
        return after

    async def _troubled(self, job: Job, error: Interrupted | Broken, tries: int) -> None:
        """Say what is wrong, once: in the journal if that can be written, and at once in the rooms."""
        sentence = _sentence(error)
        if tries == 0 or job.run.stage.note != sentence:
            self.trouble(job.run.id, sentence)
            with contextlib.suppress(Broken, Interrupted, Refused):
                await job.note(sentence)

    async def _surely(self, run: RunId, work: Callable[[], Coroutine[Any, Any, Run]]) -> Run:
        """Do `work` against the store, trying for as long as the store is in trouble."""
        tries = 0
        while True:
            try:
                return await work()
            except LeaseLost:
                raise
            except (Broken, Interrupted) as error:
                if tries == 0:
                    self.trouble(run, _sentence(error))
                await asyncio.sleep(PATIENCE[min(tries, len(PATIENCE) - 1)])
                tries += 1

    async def _pipeline(self, run: Run) -> Pipeline:
        cached = self._pipelines.get(run.id)
        if cached is None or cached[0] != run.variables:
            cached = (run.variables, await self.store.read(lambda book: pipeline_of(book, run)))
            self._pipelines[run.id] = cached
        return cached[1]


def pipeline_of(book: Book, run: Run) -> Pipeline:
    """The definition that `run` goes through: its version, with its variables."""
    return resolve(book.pipelines.load(run.pipeline, run.version).text, run.variables)


def _deadline(job: Job) -> datetime | None:
    if job.run.unwinding is not None or job.state.started_at is None:
        return None
    return job.state.started_at + (job.stage.timeout if job.stage else timedelta(hours=1))


def _report(run: Run, token: int, outcome: Outcome | str) -> c.Report:
    about: dict[str, Any] = {
        "run": run.id,
        "by": ENGINE,
        "stage": run.position,
        "attempt": run.stage.attempt,
        "token": token,
    }
    match outcome:
        case str(reason):
            return c.ReportFailure(**about, reason=reason)
        case Finished(outputs):
            return c.ReportSuccess(**about, outputs=outputs)
        case Ask(fingerprint, plan, deadline):
            return c.ReportReview(**about, fingerprint=fingerprint, plan=plan, deadline=deadline)
        case Changed(review, difference):
            return c.ReportChanged(**about, review=review, difference=difference)
        case Unwound():
            return c.ReportUnwound(**about)
        case Later():
            raise InvariantViolation("A pause between two acts is nothing to report.")


def _sentence(error: Interrupted | Broken | StageFailure) -> str:
    return f"{error} {error.hint}".strip()


async def _end(task: "asyncio.Future[Any]") -> None:
    if not task.done():
        task.cancel()
    await asyncio.gather(task, return_exceptions=True)
