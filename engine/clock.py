"""The clock's own doings: due timers, cron starts. APScheduler says when; what is due is read from the store.

Timers are rows with absolute moments, so nothing is lost when the process is not there at the moment: what became due
meanwhile is done first thing after the start.

A cron start that comes due while nobody is there is not made up for. One that cannot be written down when its time has
come is tried until it is, or until the cron's next time; then it is said in the rooms that it was missed. Whether the
definition still says so is looked at in the transaction that starts the run: what is planned here may be older.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from apscheduler.events import EVENT_JOB_MISSED, JobExecutionEvent
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger

from engine.control import Control, Order
from engine.definition import Start
from engine.errors import Broken, Interrupted, Refused
from engine.model import PersonId, RoomId, RunId
from engine.pipeline import parse
from engine.ports import Book, Clock, Store, StoredPipeline, Timer
from engine.turns import PATIENCE

BATCH = 100
AT_LATEST = timedelta(minutes=1)
GRACE = timedelta(minutes=5)
"""How late a cron start may be that was kept waiting by a busy or sleeping machine."""
CRON = PersonId("clock")
_LOG = logging.getLogger(__name__)


class WallClock:
    """`engine.ports.Clock` by the machine's clock."""

    def now(self) -> datetime:
        """This moment, aware UTC."""
        return datetime.now(UTC)


@dataclass(slots=True)
class Timekeeper:
    """Submits what is due and starts what cron says. `room` is where cron's runs are told.

    `tell` says in the rooms of a pipeline, its second argument, that a start was missed.
    """

    store: Store
    control: Control
    clock: Clock
    room: RoomId
    tell: Callable[[str, str], Awaitable[None]] | None = None
    chores: Mapping[str, tuple[timedelta, Callable[[], Awaitable[None]]]] = field(default_factory=dict)
    _scheduler: AsyncIOScheduler = field(default_factory=lambda: AsyncIOScheduler(timezone=UTC))
    _crons: dict[str, int] = field(default_factory=dict)
    _planning: asyncio.Lock = field(default_factory=asyncio.Lock)
    _missed: set[str] = field(default_factory=set)
    _telling: set["asyncio.Task[None]"] = field(default_factory=set)

    async def start(self) -> None:
        """Begin."""
        self._scheduler.add_listener(self._slept, EVENT_JOB_MISSED)
        self._scheduler.start()
        self.store.on_commit(self._heard)
        for name, (every, chore) in self.chores.items():
            self._scheduler.add_job(
                _unless_ended,
                "interval",
                args=(chore,),
                seconds=every.total_seconds(),
                id=f"chore:{name}",
                max_instances=1,
            )
        await self.plan_crons()
        self._look_at(self.clock.now())

    def stop(self) -> None:
        """End."""
        with contextlib.suppress(Exception):
            self._scheduler.shutdown(wait=False)

    def _heard(self, _runs: Mapping[RunId, int]) -> None:
        self._look_at(self.clock.now() + timedelta(seconds=1))

    def _look_at(self, moment: datetime) -> None:
        if not self._scheduler.running:
            return
        job = self._scheduler.get_job("timers")
        if job is not None and job.next_run_time is not None and job.next_run_time <= moment:
            return
        self._scheduler.add_job(
            _unless_ended,
            "date",
            args=(self.fire,),
            run_date=moment,
            id="timers",
            replace_existing=True,
            misfire_grace_time=None,
        )

    async def fire(self) -> None:
        """Submit every timer that is due, then look again when the next one is."""
        now = self.clock.now()
        upcoming: datetime | None = now + timedelta(seconds=5)
        with contextlib.suppress(Broken, Interrupted):
            for timer in await self.store.read(lambda book: book.timers.due(now, BATCH)):
                await self.store.transact(lambda book, timer=timer: self._fire(book, timer))  # type: ignore[misc]
            upcoming = await self.store.read(lambda book: book.timers.next_due())
        if upcoming is not None:
            self._look_at(min(max(upcoming, now + timedelta(milliseconds=50)), now + AT_LATEST))

    def _fire(self, book: Book, timer: Timer) -> None:
        with contextlib.suppress(Refused):
            self.control.fire(book, timer)

    async def plan_crons(self) -> None:
        """Bring the cron starts up to the definitions as they are now."""
        async with self._planning:
            stored = await self.store.read(_all_pipelines)
            for name in set(self._crons) - {one.name for one in stored}:
                self._forget(name)
            for one in stored:
                self._plan_anew(one)

    def _plan_anew(self, one: StoredPipeline) -> None:
        if self._crons.get(one.name) == one.version:
            return
        self._forget(one.name)
        if "cron" in one.text:
            try:
                self._plan(one.name, one.text)
            except (Refused, ValueError) as error:
                _LOG.warning("The clock cannot start %s: %s", one.name, error)
        self._crons[one.name] = one.version

    def _forget(self, name: str) -> None:
        self._crons.pop(name, None)
        for job in self._scheduler.get_jobs():
            if job.id.startswith(f"cron:{name}:"):
                job.remove()

    def _plan(self, name: str, text: str) -> None:
        for number, start in enumerate(parse(text).pipeline.starts):
            if start.cron is None:
                continue
            self._scheduler.add_job(
                self.begin,
                _trigger(start),
                args=(name, start),
                id=f"cron:{name}:{number}",
                coalesce=True,
                misfire_grace_time=int(GRACE.total_seconds()),
                max_instances=2,
            )

    async def begin(self, name: str, start: Start) -> None:
        """Start the pipeline, as its cron says. Nobody waits for an answer; a lock is said in the rooms by a run.

        What cannot be written down is tried again until the cron's next time, and then told as missed.
        """
        began, tries = self.clock.now(), 0
        until = next_time(start, began + timedelta(seconds=1))
        while True:
            try:
                await self._started(name, start, began if tries else None)
            except Refused as error:
                _LOG.warning("The clock could not start %s: %s", name, error)
                return
            except (Broken, Interrupted) as error:
                _LOG.warning("The clock could not start %s yet: %s", name, error)
                why = f"{error} {error.hint}".strip()
            else:
                return
            wait = PATIENCE[min(tries, len(PATIENCE) - 1)]
            if until is not None and self.clock.now() + timedelta(seconds=wait) >= until:
                await self._miss(name, began, why)
                return
            await asyncio.sleep(wait)
            tries += 1

    async def _started(self, name: str, start: Start, tried_since: datetime | None) -> None:
        await self.store.transact(lambda book: self._start(book, name, start, tried_since))
        self._missed.discard(name)

    def _start(self, book: Book, name: str, start: Start, tried_since: datetime | None) -> None:
        """Start a run, if the definition still has this cron and no earlier try has done so without our knowing."""
        stored = book.pipelines.load(name)
        if (start.cron, start.timezone) not in ((one.cron, one.timezone) for one in parse(stored.text).pipeline.starts):
            return
        latest = book.runs.latest(name, BATCH) if tried_since else []
        if any(tried_since and run.requested_by == CRON and run.created_at >= tried_since for run in latest):
            return
        self.control.start(book, Order(pipeline=name, by=CRON, room=self.room, changes={}, by_itself=True))

    def _slept(self, event: JobExecutionEvent) -> None:
        """Hear of a start that came due so long ago that it is not made any more."""
        kind, _, name = str(event.job_id).rpartition(":")[0].partition(":")
        if kind == "cron":
            why = "This machine slept, or was too busy."
            task = asyncio.ensure_future(self._miss(name, event.scheduled_run_time, why))
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)

    async def _miss(self, name: str, due: datetime, why: str) -> None:
        """Say that a start was missed; of several in a row, the first."""
        said = f"The clock has not started {name} at {due.astimezone(UTC):%d %B, %H:%M} UTC. {why}"
        _LOG.warning("%s", said)
        if name not in self._missed and self.tell is not None:
            self._missed.add(name)
            await self.tell(f"{said} `run {name}` starts it now.", name)


def next_time(start: Start, after: datetime) -> datetime | None:
    """When the cron of a start comes next, in the zone that is written there. None: never, or there is no cron."""
    return None if start.cron is None else _trigger(start).get_next_fire_time(None, after)


def _trigger(start: Start) -> CronTrigger:
    return CronTrigger.from_crontab(start.cron, timezone=start.timezone)


async def _unless_ended(work: Callable[[], Awaitable[None]]) -> None:
    """Work, until the scheduler ends and cancels it, which it would write into the log as a fault."""
    with contextlib.suppress(asyncio.CancelledError):
        await work()


def _all_pipelines(book: Book) -> list[StoredPipeline]:
    found: list[StoredPipeline] = []
    after = ""
    while page := book.pipelines.page(after, BATCH):
        found += page
        after = page[-1].name
    return found
