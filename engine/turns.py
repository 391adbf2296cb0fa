"""One turn of a run: act once, and write down what came of it.

The danger is an act that never ends, that fails for ever, or whose run is changed under it. The promise: a turn ends
with a report, or with a fresh look at the run. Passing troubles are waited out and told once; a stage that has used up
its time has failed; a run that goes back is never given up, whatever goes wrong on the way.
"""

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from engine import commands as c
from engine.control import Control
from engine.definition import Pipeline
from engine.errors import Broken, Interrupted, InvariantViolation, LeaseLost, Refused, SluiceError
from engine.fields import write_duration
from engine.hand import Hand, Watch
from engine.model import Json, Run, RunId, StageKind
from engine.pipeline import parse, releasing_part, resolve
from engine.ports import Book, Clock, Store
from engine.redaction import Redaction
from engine.stages.job import Act, Ask, Changed, Finished, Job, Later, Outcome, StandsStill, Unwound
from engine.stages.logbook import Logbook
from engine.transitions import ENGINE, needs_worker

PATIENCE = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds to wait after a passing failure: the first, the second, and so on; the last for all that follow."""
LONGEST_ASKED = timedelta(minutes=1)
"""How long somebody outside may ask to be left alone: after that it is tried all the same."""
BREAKABLE = frozenset({StageKind.SOURCE, StageKind.BUILD})
REDEPLOY_TIMEOUT = timedelta(hours=1)
T = TypeVar("T")
_LOG = logging.getLogger(__name__)


class MovedOn(Exception):
    """The run is no longer where the act began; nothing of the act is to be reported."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What keeps an act from going on for now, and for how long at least."""

    job: Job | None
    sentence: str
    after: timedelta = timedelta(0)


@dataclass(slots=True)
class Turns:
    """Acts for runs.

    `acts` has one act for each kind of stage, `unwind` takes back. `trouble` is told what is broken. `redaction` takes
    secrets out of what is told and written down.
    """

    store: Store
    control: Control
    clock: Clock
    acts: Mapping[StageKind, Act]
    unwind: Act
    trouble: Callable[[RunId, str], None]
    redaction: Redaction = field(default_factory=Redaction)
    _pipelines: dict[RunId, tuple[Mapping[str, str], Pipeline]] = field(default_factory=dict)

    async def take(self, run: Run, hand: Hand) -> Run:
        """Act once and report. Returns the run as it is then."""
        if hand.is_stale:
            return await self.load(hand)
        log = Logbook(self.store, self.clock, run)
        try:
            outcome = await self._act(hand, log)
        finally:
            await log.close()
        if outcome is None:
            return await self.load(hand)
        if isinstance(outcome, Later):
            await hand.pause(outcome.after.total_seconds())
            return await self.load(hand) if hand.is_stale else hand.run
        return await self._report(run, hand, outcome)

    async def load(self, hand: Hand) -> Run:
        """Look at the run."""
        return await self._surely(hand, lambda: self.store.read(lambda book: book.runs.load(hand.claim.run)))

    def forget(self, run: RunId) -> None:
        """Drop what is only kept while the run is in hand."""
        self._pipelines.pop(run, None)

    async def _report(self, run: Run, hand: Hand, outcome: Outcome | str) -> Run:
        command = _report_of(run, hand, outcome)
        try:
            after = await self._surely(hand, lambda: self.control.submit(command))
        except Refused as refused:
            now = await self.load(hand)
            if now.seq == hand.known:
                raise InvariantViolation(f"A report of the worker was refused: {refused}") from refused
            return now
        hand.gave_back = not needs_worker(after)
        return after

    async def _act(self, hand: Hand, log: Logbook) -> Outcome | str | None:
        """Act until something comes of it: None when the run has to be looked at again, a sentence when it failed."""
        tries = 0
        while True:
            came = await self._try(hand, log)
            if not isinstance(came, Trouble):
                return came
            await self._troubled(came, hand)
            if came.job is not None and _is_overdue(came.job):
                return came.sentence
            patience = PATIENCE[min(tries, len(PATIENCE) - 1)]
            await hand.pause(max(patience, min(came.after, LONGEST_ASKED).total_seconds()))
            tries += 1
            if hand.is_stale:
                return None

    async def _try(self, hand: Hand, log: Logbook) -> Outcome | str | Trouble | None:
        run, job = hand.run, None
        try:
            job = await self._job(run, hand, log)
            outcome = await self._within(_deadline(job), job, hand)
        except MovedOn:
            return None
        except LeaseLost:
            raise
        except (Interrupted, TimeoutError) as error:
            after = error.after if isinstance(error, Interrupted) else timedelta(0)
            return Trouble(job, self.redaction.clean(_sentence(error)), after)
        except Broken as error:
            return Trouble(job, self.redaction.clean(_sentence(error)) + _way_out(run))
        except SluiceError as error:
            sentence = self.redaction.clean(_sentence(error))
        except Exception as error:  # noqa: BLE001 - the worker's edge: a bug in one stage must not stop the others
            sentence = self.redaction.clean(_fault(run, log, error))
        else:
            hand.told = ""
            return outcome
        return sentence if run.unwinding is None else Trouble(job, sentence + _way_out(run))

    async def _job(self, run: Run, hand: Hand, log: Logbook) -> Job:
        pipeline = await self._pipeline(run)
        stage = None if run.is_straight or run.unwinding else pipeline.stages[run.position]
        return Job(
            run, pipeline, stage, log, self.clock.now, lambda note, outputs: self._note(run, hand, note, outputs)
        )

    async def _pipeline(self, run: Run) -> Pipeline:
        cached = self._pipelines.get(run.id)
        if cached is None or cached[0] != run.variables or run.unwinding:
            cached = (run.variables, await self.store.read(lambda book: pipeline_of(book, run)))
            self._pipelines[run.id] = cached
        return cached[1]

    async def _within(self, deadline: datetime | None, job: Job, hand: Hand) -> Outcome | str:
        """Act until `deadline`; broken off when somebody else moves the run on, if this stage allows it."""
        late = f"{job.run.stage.name} took longer than it may{_limit(job)}."
        left = None if deadline is None else (deadline - self.clock.now()).total_seconds()
        if left is not None and left <= 0:
            return late
        limit = asyncio.timeout(left)
        watch = Watch(limit, lambda: self._is_still_there(job, hand))
        try:
            async with limit:
                return await self._once(job, hand, watch)
        except (SluiceError, TimeoutError) as error:
            if watch.moved_on:
                raise MovedOn from error
            if isinstance(error, TimeoutError) and limit.expired():
                return late
            raise

    async def _once(self, job: Job, hand: Hand, watch: Watch) -> Outcome:
        if job.run.unwinding is not None:
            return await self.unwind.act(job)
        act = self.acts[job.run.stage.kind]
        if job.run.stage.kind not in BREAKABLE:
            return await act.act(job)
        hand.let_watch(watch)
        try:
            return await act.act(job)
        finally:
            hand.watch = None
            await watch.end()

    async def _is_still_there(self, job: Job, hand: Hand) -> bool:
        """Whether the run still needs what `job` does, after all that has been heard of it."""
        begun = (job.run.position, job.run.stage.attempt)
        while hand.is_stale:
            try:
                now = hand.saw(await self.load(hand))
            except Refused:
                return False
            if now.unwinding or (now.position, now.stage.attempt) != begun or not needs_worker(now):
                return False
        return True

    async def _note(self, run: Run, hand: Hand, note: str, outputs: Json) -> Run:
        about = _about(run, hand)
        try:
            after = await self.control.submit(c.ReportNote(**about, note=note, outputs=outputs))
        except Refused as refused:
            raise MovedOn from refused
        if after.seq == hand.known + 1:
            hand.saw(after)
        return after

    async def _troubled(self, trouble: Trouble, hand: Hand) -> None:
        """Say what is wrong, once: at once in the rooms, and in the journal if that can be written."""
        self._tell(hand, trouble.sentence)
        job = trouble.job
        if job is None or job.run.stage.note == trouble.sentence:
            return
        try:
            await job.note(trouble.sentence)
        except LeaseLost:
            raise
        except (Broken, Interrupted, MovedOn) as error:
            _LOG.info("Run %s: that it is in trouble was not written down: %s", hand.claim.run, error)

    def _tell(self, hand: Hand, sentence: str) -> None:
        if hand.told != sentence:
            hand.told = sentence
            self.trouble(hand.claim.run, sentence)

    async def _surely(self, hand: Hand, work: Callable[[], Awaitable[T]]) -> T:
        """Do `work` against the store, trying for as long as the store is in trouble."""
        tries = 0
        while True:
            try:
                return await work()
            except LeaseLost:
                raise
            except (Broken, Interrupted) as error:
                self._tell(hand, _sentence(error))
                await asyncio.sleep(PATIENCE[min(tries, len(PATIENCE) - 1)])
                tries += 1


def pipeline_of(book: Book, run: Run) -> Pipeline:
    """Find the definition that `run` goes through: its version, with its variables."""
    text = book.pipelines.load(run.pipeline, run.version).text
    if run.is_straight or run.unwinding:
        return parse(text).pipeline
    pipeline = resolve(text, run.variables)
    return pipeline if run.redeploys is None else releasing_part(pipeline)


def _deadline(job: Job) -> datetime | None:
    if job.run.unwinding is not None or job.state.started_at is None:
        return None
    return job.state.started_at + (job.stage.timeout if job.stage else REDEPLOY_TIMEOUT)


def _limit(job: Job) -> str:
    return f" (timeout: {write_duration(job.stage.timeout)})" if job.stage else ""


def _is_overdue(job: Job) -> bool:
    deadline = _deadline(job)
    return deadline is not None and job.now() >= deadline


def _about(run: Run, hand: Hand) -> dict[str, Any]:
    return {
        "run": run.id,
        "by": ENGINE,
        "stage": run.position,
        "attempt": run.stage.attempt,
        "token": hand.claim.token,
    }


def _report_of(run: Run, hand: Hand, outcome: Outcome | str) -> c.Report:
    about = {**_about(run, hand), "seen": hand.known}
    match outcome:
        case str(reason):
            return c.ReportFailure(**about, reason=reason)
        case Finished(outputs):
            return c.ReportSuccess(**about, outputs=outputs)
        case Ask(fingerprint, plan, deadline):
            return c.ReportReview(**about, fingerprint=fingerprint, plan=plan, deadline=deadline)
        case Changed(review, difference):
            return c.ReportChanged(**about, review=review, difference=difference)
        case StandsStill(until, sentence):
            return c.ReportFrozen(**about, until=until, sentence=sentence)
        case Unwound():
            return c.ReportUnwound(**about)
        case Later():
            raise InvariantViolation("A pause between two acts is nothing to report.")


def _way_out(run: Run) -> str:
    """What ends a way back that does not get on; nothing else does."""
    return "" if run.unwinding is None else f" `giveup {run.id}` ends that and leaves what is there."


def _sentence(error: SluiceError | TimeoutError) -> str:
    if isinstance(error, SluiceError):
        return f"{error} {error.hint}".strip()
    return "Something that the stage needs did not answer in time."


def _fault(run: Run, log: Logbook, error: Exception) -> str:
    _LOG.error("Run %s, stage %s", run.id, run.stage.name, exc_info=error)
    log("".join(traceback.format_exception(error)))
    return f"A fault in Sluice itself ended the stage: {type(error).__name__}: {error}"
