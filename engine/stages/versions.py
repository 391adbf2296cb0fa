"""What others have made, as versions of a workload: what was there before its first release, and what they put there.

The danger: a place and a book that do not say the same. A version that is in the book and runs nowhere would be gone
back to; one that runs and is not in the book would be taken for drift, and overwritten.

The promise: nothing becomes a version that does not run at that moment, and what a place was told that it runs is
written down, by whoever comes next if need be.

Why it holds: what was found is only read. What is adopted is described in the book, then written to the place, which
refuses it if it is another one by then and says from then on what it is; that it is everywhere, the book says after
that. Whoever begins to move anything, or goes back, asks the place first.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from engine.deployed import Deployed
from engine.deployment import FOUND, Deployment
from engine.errors import StageFailure
from engine.model import Release, RunId
from engine.ports import Book, Placement, Store, Target
from engine.rollout.fleet import ReleaseId
from engine.stages.fleets import serving
from engine.stages.job import Job


@dataclass(frozen=True, slots=True)
class Versions:
    """Writes them down."""

    store: Store

    async def found(self, job: Job, target: Target, spec: Deployment) -> Release | None:
        """What is there already, written down as a version: it is what a way back leads to.

        Until a release takes its place it stays somebody else's, who may change it between two runs.
        """
        found = await target.found(job.run.workload, spec)
        if found is None or not await self.store.read(lambda book: is_news(book, found)):
            return None
        now = job.now()
        return await self.store.transact(lambda book: _found(book, found, job.run.id, now))

    async def followed(self, job: Job, target: Target, spec: Deployment, old: Release) -> Release:
        """`old`, or what its makers have put there while a release goes on beside it, written down as a version.

        It is theirs until the release takes its place. How many instances there are is the release's affair meanwhile.
        """
        found = await target.found(job.run.workload, spec)
        if found is None or found.id == old.id:
            return old
        known = await self.store.read(lambda book: book.releases.find(found.id))
        if known is not None and not is_found(known):
            return old  # the release has taken its place
        count = old.settings["instances"]
        release = replace(found, settings={**found.settings, "instances": count}, idle=old.idle)
        await self.keep(job, release)
        return release

    async def adopt(self, job: Job, target: Target, deployed: Deployed) -> ReleaseId:
        """Take what runs as the new version of `deployed`, if it is still that. It is written down as the run ends."""
        new = deployed.new
        if is_found(new):
            return _still(new, await target.found(deployed.workload, deployed.spec))
        place = deployed.placement()
        hotfix = await target.hotfix(place)
        if hotfix is None:
            return _still(new, await self.brought_back(target, place))
        _still(new, hotfix.release)
        job.log(f"Adopting {new.image}")
        await target.adopt(place, hotfix.disputes, new.adopted_by, new)
        return new.id

    async def brought_back(self, target: Target, place: Placement) -> Release | None:
        """The known version that serves instead of the last of `place`'s, as ``kubectl rollout undo`` may bring it.

        Raises `StageFailure` while it is on its way.
        """
        group, old = serving(await target.observe(place)), list(place.releases)[-1]
        if group is None or group.release == old:
            return None
        release = await self.store.read(lambda book: book.releases.find(group.release))
        if release is None or group.is_settled():
            return release
        ready = group.ready.get(release.id, 0)
        raise StageFailure(
            f"{place.workload}: {ready} of {group.count} instances are ready with {release.image}, which serves "
            "instead of what was deployed last, so it cannot be adopted yet.",
            "Say it again when all of them are.",
        )

    async def announce(self, release: Release) -> None:
        """Write down what a place is about to be told that it runs: whoever comes next is to know all about it."""
        await self.store.transact(lambda book: book.releases.add(release))

    async def keep(self, job: Job, release: Release) -> None:
        """Write down that what was adopted in the middle of a run is everywhere."""
        now = job.now()
        await self.store.transact(lambda book: _adopted(book, release, job.run.id, now))

    async def healed(self, job: Job, target: Target, place: Placement, old: Release) -> Release:
        """What is everywhere. The place knows of what a run has adopted that ended before it could write that down."""
        try:
            hotfix = await target.hotfix(place)
        except StageFailure:
            return old
        if hotfix is None or hotfix.disputes or hotfix.release.id == job.run.redeploys:
            return old  # what others have changed is asked about, and what the run itself brings is taken back
        release = await self.store.read(lambda book: book.releases.find(hotfix.release.id)) or hotfix.release
        await self.keep(job, release)
        return release


def is_found(release: Release) -> bool:
    """Whether somebody else made what the release is."""
    return bool(release.settings.get("creation") == FOUND) and not release.adopted_by


def is_news(book: Book, found: Release) -> bool:
    """Whether what was found is not what is known to be everywhere, nor placed by a run, be it one taken back."""
    known, standing = book.releases.find(found.id), book.releases.deployed(found.workload)
    if known is not None and not is_found(known):
        return False
    if standing is None or not is_found(standing):
        return standing is None
    return _what(standing) != _what(found)


def _what(release: Release) -> tuple[object, ...]:
    return release.id, release.settings.get("instances"), release.idle


def _found(book: Book, found: Release, run: RunId, now: datetime) -> Release | None:
    if not is_news(book, found):
        return book.releases.deployed(found.workload)
    was_there = book.releases.find(found.id) is not None
    book.releases.add(found)
    return book.releases.mark_deployed(found.id, run if was_there else found.run, now)


def _still(wanted: Release, seen: Release | None) -> ReleaseId:
    """What is to be adopted, if it is what runs."""
    if seen is None:
        raise StageFailure(f"{wanted.image} runs no more as it was shown: nothing was adopted.")
    if seen.id != wanted.id:
        raise StageFailure(
            "More was changed since that was shown: nothing was adopted.", "Say it again to see what runs now."
        )
    return wanted.id


def _adopted(book: Book, release: Release, run: RunId, now: datetime) -> None:
    standing = book.releases.deployed(release.workload)
    if standing is None or standing.id != release.id:
        book.releases.add(release)
        book.releases.mark_deployed(release.id, run, now)
