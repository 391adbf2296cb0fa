"""What follows from a change of a run, beside the run itself: timers, deployments, locks, gray that is left standing.

All of it is written in the transaction of the change. Of gray that nobody promotes: while a run is not over it has the
workload, so it looks after its own gray release. When it ends and leaves one, the workload remembers which run that
was, until another one deploys there; so there is always at most one run whose gray release stands, and a timer for it.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from engine import events as e
from engine.book import STAGE_TIMERS, Book, Timer
from engine.evolution import DEPLOYING
from engine.freezes import Standing
from engine.locks import after_rollback
from engine.model import Release, Run, RunState, StageKind, StageState, Unwinding
from engine.stages.rollout import placed_release
from engine.transitions import ENGINE

REMIND_AFTER = timedelta(hours=1)
REMIND_AGAIN = timedelta(hours=24)
GRAY_REMINDER = timedelta(hours=24)
GRAY_TIMERS = ("gray", "gray_soon")
_CHANGE_NO_TIMER = (e.Voted, e.ReviewEscalated, e.FreezeOverruled)
"""What leaves the timers of an open review as they are."""


def keep_timers(book: Book, before: Run, run: Run, events: Sequence[e.Event]) -> None:
    """Set the timers that the present stage needs, and forget those that it does not."""
    if before.stage.deadline is None and run.stage.deadline is None and not run.state.is_over:
        return
    for event in events:
        if isinstance(event, e.Reminded):
            again = event.at + (run.rule.remind_every or REMIND_AGAIN)
            book.timers.set(Timer(run.id, "remind", run.position, run.stage.attempt, again))
            return
        if isinstance(event, _CHANGE_NO_TIMER) and run.stage.state is StageState.AWAITING_REVIEW:
            return
    if before.stage.deadline is not None:
        book.timers.drop(run.id, STAGE_TIMERS)
    if run.stage.deadline is not None and not run.state.is_over and run.unwinding is None:
        _set_timers(book, run, events[-1].at)


def _set_timers(book: Book, run: Run, now: datetime) -> None:
    deadline = run.stage.deadline
    if deadline is None:
        return
    book.timers.set(Timer(run.id, "expire", run.position, run.stage.attempt, deadline))
    if run.stage.state is StageState.AWAITING_REVIEW:
        wait = run.rule.remind_after
        soon = now + wait if wait else min(now + REMIND_AFTER, now + (deadline - now) / 2)
        book.timers.set(Timer(run.id, "remind", run.position, run.stage.attempt, soon))
        if run.stage.deputies_from is not None and not run.stage.is_escalated:
            book.timers.set(Timer(run.id, "escalate", run.position, run.stage.attempt, run.stage.deputies_from))


def keep_gray_timers(book: Book, before: Run, run: Run, now: datetime) -> None:
    """Set the timers of a gray release that is left alone now, or forget them."""
    until = run.gray_until
    if until == before.gray_until:
        return
    book.timers.drop(run.id, GRAY_TIMERS)
    if until is not None:
        soon = max(until - GRAY_REMINDER, now + (until - now) / 2)
        book.timers.set(Timer(run.id, "gray_soon", 0, 0, soon))
        book.timers.set(Timer(run.id, "gray", 0, 0, until))


def keep_left_gray(book: Book, before: Run, run: Run) -> None:
    """Remember a run that has ended and left a gray release standing, for as long as that stands."""
    stands = run.state.is_over and run.gray_until is not None
    stood = before.state.is_over and before.gray_until is not None
    if stands and not stood:
        book.releases.leave_gray(run.workload, run.id)
    elif stood and not stands and book.releases.gray_of(run.workload) == run.id:
        book.releases.leave_gray(run.workload, None)


def has_replaced_gray(before: Run, run: Run, events: Sequence[e.Event]) -> bool:
    """Whether the run has begun to place a release of its own just now: what stood as gray before gives way to it.

    A run that goes straight back is asked when it has succeeded: until then, what it goes back from is still there.
    """
    return not run.is_straight and any(
        isinstance(event, e.StageNoted | e.StageSucceeded)
        and run.stages[event.stage].kind in DEPLOYING
        and bool(run.stages[event.stage].outputs.get("release"))
        and not before.stages[event.stage].outputs.get("release")
        for event in events
    )


def keep_deployment(book: Book, run: Run, now: datetime) -> None:
    """Number what a run that has succeeded has released to everybody."""
    for stage in run.stages:
        if stage.kind is StageKind.OFFICIAL and stage.state is StageState.SUCCEEDED and "release" in stage.outputs:
            book.releases.mark_deployed(stage.outputs["release"], run.id, now)


def lock_what_was_taken_back(book: Book, before: Run, run: Run, now: datetime) -> None:
    """Lock the workload of a run that a person has rolled back, if anything of it was placed."""
    if run.state is not RunState.ROLLED_BACK or before.unwinding is None or before.unwinding.by == ENGINE:
        return
    placed = placed_release(run)
    if placed is not None:
        _lock(book, run, book.releases.find(placed), before.unwinding, now)


def lock_what_was_gone_back_from(book: Book, run: Run, was: Release | None, now: datetime) -> None:
    """Lock the workload after a way back that a person asked for has succeeded: `was` was deployed before it."""
    bad = None if was is None or was.id == run.redeploys else was
    _lock(book, run, bad, Unwinding(RunState.ROLLED_BACK, run.requested_by, run.because), now)


def _lock(book: Book, run: Run, bad: Release | None, back: Unwinding, now: datetime) -> None:
    if not run.workload:
        return
    because = f": {back.reason}" if back.reason else ""
    said = f"rolled back by {back.by} from {bad.image if bad else run.id}{because}"
    before, name = book.locks.find(run.workload), bad.id if bad else None
    book.locks.put(after_rollback(before, workload=run.workload, by=back.by, at=now, run=run.id, bad=name, said=said))


def was_told_of_freeze(book: Book, standing: Standing, pipeline: str) -> bool:
    """Whether it was said already that a start of `pipeline` was turned away in this window; from now on it was."""
    freeze, key = standing.freeze, standing.told_key(pipeline)
    if key in freeze.told:
        return True
    window = standing.window.begins.isoformat()
    book.freezes.change(replace(freeze, told=(*(old for old in freeze.told if old.endswith(window)), key)))
    return False


def was_told(book: Book, workload: str, pipeline: str) -> bool:
    """Whether it was said already that a start of `pipeline` was turned away; from now on it was."""
    lock = book.locks.find(workload)
    if lock is None or pipeline in lock.told:
        return True
    book.locks.tell(replace(lock, told=(*lock.told, pipeline)))
    return False
