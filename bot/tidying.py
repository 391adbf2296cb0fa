"""Takes away what nobody needs any more, so that a disk does not fill up by Sluice's being used.

What a workload runs, may go back to, or is about to run is kept, however old; so is the audit, and the journal of every
run. What goes: bundles and images of no such release, what stages said and applied and rooms showed long ago, keys of
deliveries that no chat repeats any more, buttons of cards that nobody has seen for months.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from engine.deployment import target_of
from engine.errors import SluiceError
from engine.model import Run
from engine.ports import Clock, Target
from engine.rollout.fleet import ReleaseId
from storage.book import SqlBook
from storage.store import SqlStore

REPEATED_WITHIN = timedelta(days=2)
SIGNED_KEPT = timedelta(days=400)
"""How long signed pushes are known, at least: their signature holds for ever, so one that is forgotten counts anew."""
BUTTONS_KEPT = timedelta(days=90)
BUNDLES_KEPT = timedelta(days=7)
VERSIONS_KEPT = 50
BUNDLED = "process"
"""The target whose instances are started from bundles."""
_LOG = logging.getLogger(__name__)


class Shelf(Protocol):
    """Where bundles are kept."""

    async def prune(self, keep: frozenset[str], made_before: datetime) -> tuple[str, ...]:
        """Remove what was made before that moment and is not named in `keep`; returns what was removed."""
        ...


class Packages(Protocol):
    """Where packages are kept."""

    async def tidy(self) -> int:
        """Remove what nothing refers to any more; returns how many bytes that were."""
        ...


@dataclass(frozen=True, slots=True)
class Tidying:
    """Tidies. `kept` is how long logs and rooms' messages stay."""

    store: SqlStore
    clock: Clock
    bundles: Shelf
    targets: Mapping[str, Target]
    kept: timedelta

    async def tidy(self) -> None:
        """Take away what is old. A database or disk that is in trouble is left alone until next time."""
        now = self.clock.now()
        try:
            await self.store.transact(lambda book: _forget(book, now, now - self.kept))
            keep = await self.store.read(_needed) | await self._running()
            gone = await self.bundles.prune(keep, now - BUNDLES_KEPT)
        except SluiceError as error:
            _LOG.warning("Not tidied: %s", error)
            return
        if gone:
            _LOG.info("%d bundles and images that no version needs are gone.", len(gone))

    async def tidy_packages(self, packages: Packages) -> None:
        """Free what no package has any more; what was just deleted stays a while, as somebody may be reading it."""
        try:
            freed = await packages.tidy()
        except SluiceError as error:
            _LOG.warning("Packages are not tidied: %s", error)
            return
        if freed:
            _LOG.info("%d bytes of packages that are deleted are free.", freed)

    async def _running(self) -> frozenset[str]:
        """The digests of what runs from bundles, whatever brought it there; clusters keep their images themselves."""
        digests: set[str] = set()
        for workload in await self.store.read(lambda book: book.releases.workloads()):
            if target_of(workload) != BUNDLED:
                continue
            names = {one.release for one in await self.targets[BUNDLED].instances(workload)}
            known = await self.store.read(lambda book, of=workload, n=tuple(names): book.releases.all_of(of, n))  # type: ignore[misc]
            digests |= {release.digest for release in known.values()}
        return frozenset(digests)


def _forget(book: SqlBook, now: datetime, before: datetime) -> None:
    book.chats.forget_inbox(now - REPEATED_WITHIN, min(before, now - SIGNED_KEPT))
    book.updates.forget(now - REPEATED_WITHIN)
    book.buttons.forget(now - BUTTONS_KEPT)
    book.accounts.forget(now - REPEATED_WITHIN)
    book.chats.forget_questions(now - REPEATED_WITHIN)
    book.drafts.forget(now - REPEATED_WITHIN)
    book.rooms.forget(before)
    book.chats.forget_messages(before)
    book.logs.forget(before)
    book.applied.forget(before)
    book.pushes.forget(before)
    book.hooks.forget(now - REPEATED_WITHIN, before)
    book.outbox.forget(before)


def _needed(book: SqlBook) -> frozenset[str]:
    """The digests that a workload runs or may go back to, and those that an active run has built."""
    digests = {
        release.digest
        for workload in book.releases.workloads()
        for release in book.releases.history(workload, VERSIONS_KEPT)
    }
    return frozenset(digests.union(*(_digests(book, run) for run in book.runs.active())))


def _digests(book: SqlBook, run: Run) -> set[str]:
    built = {str(stage.outputs["digest"]) for stage in run.stages if "digest" in stage.outputs}
    placed = {str(stage.outputs["release"]) for stage in run.stages if "release" in stage.outputs}
    if run.redeploys:
        placed.add(run.redeploys)
    found = [book.releases.find(ReleaseId(name)) for name in placed]
    return built | {release.digest for release in found if release is not None}
