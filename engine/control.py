"""The one door that changes a run: load, decide, evolve, append to the journal, store. One transaction.

Whatever follows from a change beside the run itself belongs to the same transaction: the timers that its new state
needs, the workload that it takes or gives back, the next run in that workload's queue, the lock that a rollback leaves
behind. So there is no moment at which a run is over and its workload is still taken, a review is open without its
deadline, or a version that was taken back can be begun again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from engine import aftermath
from engine import commands as c
from engine import events as e
from engine.aftermath import REMIND_AFTER, REMIND_AGAIN
from engine.errors import Refused
from engine.freezes import Frozen, Standing
from engine.locks import Lock, Locked
from engine.model import Override, PersonId, Run, RunId, RunState, StageKind, StageState, Way
from engine.orders import Order, new_run, taking_back
from engine.pipeline import resolve
from engine.ports import Book, Clock, Store, Timer
from engine.standstill import frozen, let_in
from engine.transitions import ENGINE, begin, decided, evolve, needs_worker
from engine.voting import check_dead_ends

__all__ = ["REMIND_AFTER", "REMIND_AGAIN", "Control", "Order", "in_the_way", "replaceable", "replay"]

LOOK_AGAIN = timedelta(hours=1)
"""When a gray release that nobody promoted is looked at again, while another run has its workload."""


@dataclass(frozen=True, slots=True)
class Control:
    """Changes runs. Everything that does so goes through here."""

    store: Store
    clock: Clock

    async def submit(self, command: c.Command) -> Run:
        """Do what `command` asks, or raise `Refused`. Returns the run as it is then."""
        return await self.store.transact(lambda book: self.apply(book, command))

    async def request(self, order: Order) -> Run:
        """Begin a run, or queue it behind the one that has its workload. Raises `Refused`."""
        return await self.store.transact(lambda book: self.start(book, order))

    def apply(self, book: Book, command: c.Command) -> Run:
        """`submit` inside a transaction that somebody else has opened."""
        run = book.runs.load(command.run)
        now = self.clock.now()
        if isinstance(command, c.MeetCondition) and command.variables:
            _check_variables(book, run, command)
        if isinstance(command, c.Retry) and run.paused and (lock := _lock_against(book, run)):
            raise Locked(lock)
        events, after = decided(run, command, now)
        token = command.token if isinstance(command, c.Report) else None
        after = self._keep(book, run, after, events, token)
        if isinstance(command, c.ReportFrozen) and frozen(book, after, now, firmly=True) is None:
            return self.apply(book, c.Thaw(run=run.id, by=ENGINE))  # the freeze went while the worker looked
        return after

    def start(self, book: Book, order: Order) -> Run:
        """`request` inside a transaction that somebody else has opened.

        A run of a locked workload, or inside a freeze window, that nobody waits for is written down as one that ended
        at once, so that the rooms hear of it as of any other run: the first time under each lock and in each window.
        """
        stored = book.pipelines.load(order.pipeline)
        run = new_run(book, stored, order, self.clock.now())
        if not order.by_itself:
            check_dead_ends(run.rules, run.requested_by)
        obstacle: Lock | Standing | None = _lock_against(book, run) or frozen(book, run, run.created_at)
        if isinstance(obstacle, Standing) and not order.by_itself and (agreed := _agreed(book, run)):
            run, obstacle = replace(run, override=agreed), None
        if obstacle is None:
            self._make_way(book, run)
        elif not order.by_itself or _was_told(book, obstacle, run):
            raise Locked(obstacle) if isinstance(obstacle, Lock) else Frozen(obstacle, run.pipeline)
        run = self._begin(book, run)
        if obstacle is not None:
            return self.apply(book, _turn_away(run.id, obstacle))
        if run.workload and not book.runs.hold(run.workload, run.id):
            return run
        return self.apply(book, c.Admit(run=run.id, by=ENGINE))

    def fire(self, book: Book, timer: Timer) -> None:
        """Do what a timer is for that has become due, inside a transaction that somebody else has opened."""
        book.timers.remove(timer)
        run, by = timer.run, ENGINE
        match timer.kind:
            case "gray":
                self._expire_gray(book, timer)
            case "gray_soon":
                self.apply(book, c.RemindGray(run=run, by=by))
            case "escalate":
                self.apply(book, c.Escalate(run=run, by=by, stage=timer.stage, attempt=timer.attempt))
            case "remind":
                self.apply(book, c.Remind(run=run, by=by, stage=timer.stage, attempt=timer.attempt))
            case _:
                self.apply(book, c.Expire(run=run, by=by, stage=timer.stage, attempt=timer.attempt))

    def _expire_gray(self, book: Book, timer: Timer) -> None:
        """A gray release has stood for long enough: its run takes it back, or another one if that is over."""
        now = self.clock.now()
        left = book.runs.load(timer.run)
        if left.state.is_over and book.runs.holder(left.workload) is not None:
            book.timers.set(Timer(left.id, timer.kind, timer.stage, timer.attempt, now + LOOK_AGAIN))
            return
        after = self.apply(book, c.ExpireGray(run=left.id, by=ENGINE))
        if left.state.is_over and after.gray_until is None:
            self._take_back(book, left, ENGINE, f"Nobody promoted the gray release that {left.id} left standing.")

    def take_gray_back(self, book: Book, left: RunId, by: PersonId, reason: str) -> Run:
        """Begin a run that takes back what a run has left standing as gray, inside somebody else's transaction."""
        run = book.runs.load(left)
        holder = book.runs.holder(run.workload)
        if holder is not None:
            raise Refused(f"{holder} is releasing {run.workload} now.", f"`rollback {holder}` takes that back.")
        self.apply(book, c.EndGray(run=left, by=by, reason=f"{by} takes it back."))
        return self._take_back(book, run, by, reason)

    def forget_gray(self, book: Book, workload: str, by: PersonId) -> None:
        """Whatever was left standing as gray of a workload is ended with it."""
        left = book.releases.gray_of(workload)
        if left is not None:
            self.apply(book, c.EndGray(run=left, by=by, reason=f"{by} retired {workload}."))

    def thaw(self, book: Book) -> list[Run]:
        """Look again at every run that stands still, after a freeze was taken away. Returns those that go on."""
        now = self.clock.now()
        still = [run for run in book.runs.active() if run.stage.state is StageState.FROZEN]
        free = [run for run in still if frozen(book, run, now) is None]
        return [self.apply(book, c.Thaw(run=run.id, by=ENGINE)) for run in free]

    def _take_back(self, book: Book, left: Run, by: PersonId, reason: str) -> Run:
        run = self._begin(book, taking_back(book, left, self.clock.now(), by))
        book.runs.hold(run.workload, run.id)
        self.apply(book, c.Admit(run=run.id, by=ENGINE))
        return self.apply(book, c.Stop(run=run.id, by=by, reason=reason, final=RunState.ROLLED_BACK))

    def _begin(self, book: Book, run: Run) -> Run:
        events = begin(run, run.created_at)
        run = evolve(None, events[0])
        book.runs.add(run)
        book.journal.append(run.id, 1, events)
        return run

    def _make_way(self, book: Book, run: Run) -> None:
        holder = book.runs.holder(run.workload) if run.workload else None
        if holder is None:
            return
        if run.way is Way.ADOPT:
            hint = f"Say `adopt {holder}` when it stops at what was changed, or adopt it when that run is over."
            raise Refused(f"{holder} has {run.workload} now.", hint)
        rule = "replace" if run.is_straight else _concurrency(book, run)
        if rule == "reject":
            raise Refused(f"{run.workload} is being released by {holder} already.", f"`stop {holder}` ends that run.")
        if rule == "replace":
            first, *queued = in_the_way(book, run.workload)
            for other in replaceable([*queued, first]):
                self.apply(book, c.Stop(run=other.id, by=run.requested_by, reason=f"Replaced by {run.id}."))

    def _keep(self, book: Book, before: Run, run: Run, events: Sequence[e.Event], token: int | None) -> Run:
        now = events[0].at
        if run.state is before.state and needs_worker(before) and needs_worker(run):
            book.runs.advance(run, before.seq, token=token)
        else:
            book.runs.save(run, before.seq, token=token, due_at=now if needs_worker(run) else None)
        book.journal.append(run.id, before.seq + 1, events)
        aftermath.keep_timers(book, before, run, events)
        aftermath.keep_gray_timers(book, before, run, now)
        aftermath.keep_left_gray(book, before, run)
        if aftermath.has_replaced_gray(before, run, events):
            self._end_left_gray(book, run, f"{run.id} took its place.")
        if run.state.is_over and not before.state.is_over:
            self._end(book, before, run)
        return run

    def _end(self, book: Book, before: Run, run: Run) -> None:
        now = self.clock.now()
        if run.state is RunState.SUCCEEDED and run.workload:
            was = book.releases.deployed(run.workload)
            aftermath.keep_deployment(book, run, now)
            if run.way is Way.ROLL_BACK:
                aftermath.lock_what_was_gone_back_from(book, run, was, now)
            official = (stage for stage in run.stages if stage.kind is StageKind.OFFICIAL)
            if run.way is not Way.ADOPT and any(stage.state is StageState.SUCCEEDED for stage in official):
                self._end_left_gray(book, run, f"{run.id} released to everybody.")
        aftermath.lock_what_was_taken_back(book, before, run, now)
        if run.workload:
            self._pass_on(book, run)

    def _end_left_gray(self, book: Book, run: Run, reason: str) -> None:
        left = _left_gray(book, run)
        if left is not None and left.id != run.id:
            self.apply(book, c.EndGray(run=left.id, by=ENGINE, reason=reason))

    def _pass_on(self, book: Book, run: Run) -> None:
        """Let the next run in that may begin. A lock ends those that may not, and they say why."""
        if book.runs.holder(run.workload) != run.id:
            return
        book.runs.let_go(run.workload, run.id)
        for waiting in book.runs.queued(run.workload):
            if waiting.id == run.id:
                continue
            lock = _lock_against(book, waiting)
            if lock is not None:
                self.apply(book, _turn_away(waiting.id, lock))
            elif book.runs.hold(run.workload, waiting.id):
                self.apply(book, c.Admit(run=waiting.id, by=ENGINE))
                return


def in_the_way(book: Book, workload: str) -> list[Run]:
    """List the run that has a workload, and after it those that wait for it, in order; nothing when it is free."""
    holder = book.runs.holder(workload) if workload else None
    return [] if holder is None else [book.runs.load(holder), *book.runs.queued(workload)]


def replaceable(runs: Iterable[Run]) -> list[Run]:
    """Those of the runs that a newer one may end: what is being taken back already is left to it."""
    return [run for run in runs if run.unwinding is None and not run.state.is_over]


def replay(events: Sequence[e.Event]) -> Run:
    """The run that a journal tells of."""
    run = evolve(None, events[0])
    for event in events[1:]:
        run = evolve(run, event)
    return run


def _lock_against(book: Book, run: Run) -> Lock | None:
    """Find the lock that keeps this run from beginning.

    What only goes back may begin, but not to what was bad; what moves nothing may, whatever was.
    """
    lock = book.locks.find(run.workload) if run.workload and run.way is not Way.ADOPT else None
    if lock is None or (run.redeploys is not None and run.redeploys not in lock.barred):
        return None
    return lock


def _turn_away(run: RunId, obstacle: Lock | Standing) -> c.Stop:
    way_out = obstacle.way_out if isinstance(obstacle, Lock) else "Nothing starts it afterwards by itself."
    return c.Stop(run=run, by=ENGINE, reason=f"{obstacle} {way_out}")


def _agreed(book: Book, run: Run) -> Override | None:
    """Use up what two people have agreed on about one start inside a freeze window."""
    plea = let_in(book, run.pipeline, run.created_at)
    if plea is None or not book.freezes.drop_plea(plea.id):
        return None
    return Override(plea.by, plea.confirmed_by, plea.reason, run.created_at)


def _was_told(book: Book, obstacle: Lock | Standing, run: Run) -> bool:
    if isinstance(obstacle, Lock):
        return aftermath.was_told(book, run.workload, run.pipeline)
    return aftermath.was_told_of_freeze(book, obstacle, run.pipeline)


def _left_gray(book: Book, run: Run) -> Run | None:
    """The run that is over and has left a gray release of this run's workload standing."""
    name = book.releases.gray_of(run.workload) if run.workload else None
    return book.runs.find(name) if name else None


def _concurrency(book: Book, run: Run) -> str:
    return resolve(book.pipelines.load(run.pipeline, run.version).text, run.variables).concurrency


def _check_variables(book: Book, run: Run, command: c.MeetCondition) -> None:
    """Refuse values that the definition cannot be read with: the run's next stage would meet them otherwise."""
    text = book.pipelines.load(run.pipeline, run.version).text
    resolve(text, {**run.variables, **command.variables})
