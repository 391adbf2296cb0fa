"""The clock's own doings: due timers, cron starts. APScheduler says when; what is due is read from the store.

Timers are rows with absolute moments, so nothing is lost when the process is not there at the moment: what became due
meanwhile is done first thing after the start. A cron start that was missed is not made up for.
"""

import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger

from engine.control import Control, Order
from engine.errors import Broken, Interrupted, Refused
from engine.model import PersonId, RoomId, RunId
from engine.pipeline import parse
from engine.ports import Book, Clock, Store, StoredPipeline, Timer

BATCH = 100
AT_LATEST = timedelta(minutes=1)
CRON = PersonId("clock")
_LOG = logging.getLogger(__name__)


class WallClock:
    """`engine.ports.Clock` by the machine's clock."""

    def now(self) -> datetime:
        """This moment, aware UTC."""
        return datetime.now(UTC)


@dataclass(slots=True)
class Timekeeper:
    """Submits what is due and starts what cron says. `room` is where cron's runs are told."""

    store: Store
    control: Control
    clock: Clock
    room: RoomId
    chores: Mapping[str, tuple[timedelta, Callable[[], Awaitable[None]]]] = field(default_factory=dict)
    _scheduler: AsyncIOScheduler = field(default_factory=lambda: AsyncIOScheduler(timezone=UTC))
    _crons: dict[str, int] = field(default_factory=dict)

    async def start(self) -> None:
        """Begin."""
        self._scheduler.start()
        self.store.on_commit(self._heard)
        for name, (every, chore) in self.chores.items():
            self._scheduler.add_job(
                chore, "interval", seconds=every.total_seconds(), id=f"chore:{name}", max_instances=1
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
            self.fire, "date", run_date=moment, id="timers", replace_existing=True, misfire_grace_time=None
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
        stored = await self.store.read(_all_pipelines)
        for name in set(self._crons) - {one.name for one in stored}:
            self._forget(name)
        for one in stored:
            if self._crons.get(one.name) == one.version:
                continue
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
            trigger = CronTrigger.from_crontab(start.cron, timezone=start.timezone)
            self._scheduler.add_job(self.begin, trigger, args=(name,), id=f"cron:{name}:{number}", coalesce=True)

    async def begin(self, name: str) -> None:
        """Start the pipeline, as its cron says. Nobody waits for an answer; a lock is said in the rooms by a run."""
        try:
            await self.control.request(Order(pipeline=name, by=CRON, room=self.room, changes={}, by_itself=True))
        except (Refused, Broken, Interrupted) as error:
            _LOG.warning("The clock could not start %s: %s", name, error)


def _all_pipelines(book: Book) -> list[StoredPipeline]:
    found: list[StoredPipeline] = []
    after = ""
    while page := book.pipelines.page(after, BATCH):
        found += page
        after = page[-1].name
    return found
