"""The rows of lists: pipelines, runs, releases."""

from datetime import datetime

from bot.presenters import badge_of, clock_time, elapsed, errand_of, own_variables
from bot.rights.holders import Sight
from bot.ways_back import workload_of
from engine.locks import Lock
from engine.model import Release, Run
from engine.ports import StoredPipeline
from storage.book import SqlBook

PAGE = 50


def seen_page(book: SqlBook, after: str, sight: Sight) -> list[StoredPipeline]:
    """A page of the pipelines that somebody sees."""
    found: list[StoredPipeline] = []
    while len(found) < PAGE and (page := book.pipelines.page(after, PAGE)):
        found += [stored for stored in page if stored.name not in sight.hidden]
        after = page[-1].name
    return found[:PAGE]


def pipeline_rows(book: SqlBook, after: str, sight: Sight) -> tuple[tuple[str, ...], ...]:
    """Return a page of the pipelines that somebody sees: name, group, last run, its state, when."""
    rows = []
    locked = {lock.workload for lock in book.locks.all()}
    for stored in seen_page(book, after, sight):
        last = next(iter(book.runs.latest(stored.name, 1)), None)
        when = clock_time(last.created_at) if last else ""
        state = badge_of(last) if last else "never run"
        if locked and workload_of(book, stored) in locked:
            state = f"{state}, locked"
        rows.append((stored.name, stored.group, last.id if last else "", state, when))
    return tuple(rows)


def run_row(run: Run, now: datetime) -> tuple[str, ...]:
    """Return a run: name, state, by whom, begun, how long, what it brings back and with which variables."""
    began = clock_time(run.created_at)
    took = elapsed((run.ended_at or now) - (run.started_at or run.created_at))
    own = " ".join(f"{name}={value}" for name, value in own_variables(run).items())
    what = ", ".join(part for part in (errand_of(run), own) if part)
    return (run.id, badge_of(run), run.requested_by, began, took, what)


def release_row(release: Release, is_newest: bool, lock: Lock | None) -> tuple[str, ...]:  # noqa: FBT001 - a row's mark
    """Return a release: version, image, digest, run, when, what it is now."""
    when = clock_time(release.deployed_at) if release.deployed_at else ""
    marks = ["everywhere now"] if is_newest else []
    marks += ["rolled back from"] if not is_newest and lock is not None and release.id in lock.barred else []
    marks += ["no instances"] if release.idle else []
    marks += [f"put there by {release.changed_by}, adopted by {release.adopted_by}"] if release.adopted_by else []
    return (
        str(release.number),
        release.image,
        release.digest[7:19] or "by its tag",
        release.run,
        when,
        "; ".join(marks),
    )
