"""Releases, and when each was deployed everywhere."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, insert, select

from engine.errors import InvariantViolation
from engine.model import PersonId, Release, RunId
from engine.rollout.fleet import ReleaseId
from storage import codec
from storage.part import Transaction, upsert
from storage.tables import deployments, left_grays, releases, retired

_FIND = select(releases.c.document).where(releases.c.id == bindparam("id_"))
_DEPLOYED = (
    select(deployments.c.document, deployments.c.number, deployments.c.run, deployments.c.at, deployments.c.release)
    .where(deployments.c.workload == bindparam("workload_"))
    .order_by(deployments.c.number.desc())
)
_HISTORY = _DEPLOYED.limit(bindparam("limit_"))
_MARKED = _DEPLOYED.where(deployments.c.run == bindparam("run_")).limit(1)
_BY_RUN = _DEPLOYED.where(deployments.c.release == bindparam("release_"), deployments.c.run == bindparam("run_"))
_VERSION = _DEPLOYED.where(deployments.c.number == bindparam("number_"))


_LEFT_GRAY = select(left_grays.c.run).where(left_grays.c.workload == bindparam("workload_"))
_RETIRED = select(retired.c.workload).where(retired.c.workload == bindparam("workload_"))


class SqlReleases:
    """`engine.ports.Releases` in one transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._in = transaction

    def add(self, release: Release) -> None:
        """Keep it; one of the same id takes its place.

        What it was deployed with before is kept with that deployment.
        """
        row = {"id": release.id, "workload": release.workload, "document": codec.dump(release)}
        upsert(self._in, releases, row, update=("document",))

    def find(self, release: ReleaseId) -> Release | None:
        """One release."""
        text = self._in.read(_FIND, {"id_": release}).scalar_one_or_none()
        return None if text is None else codec.load_release(text)

    def load(self, release: ReleaseId) -> Release:
        """One release that is known to be there."""
        found = self.find(release)
        if found is None:
            raise InvariantViolation(f"Release {release} is not kept.")
        return found

    def mark_deployed(self, release: ReleaseId, run: RunId, at: datetime) -> Release:
        """Number it, unless it is what the run has marked last."""
        found = self.load(release)
        marked = self._in.read(_MARKED, {"workload_": found.workload, "run_": run}).first()
        if marked is not None and marked.release == release:
            return _deployed(marked)
        highest = select(func.max(deployments.c.number)).where(deployments.c.workload == found.workload)
        number = (self._in.read(highest).scalar_one() or 0) + 1
        row = {
            "workload": found.workload,
            "number": number,
            "release": release,
            "run": run,
            "at": at,
            "document": codec.dump(found),
        }
        self._in.write(insert(deployments), row)
        self._in.write(retired.delete().where(retired.c.workload == found.workload))
        return replace(found, number=number, deployed_at=at, run=run)

    def history(self, workload: str, limit: int) -> list[Release]:
        """Newest first."""
        return [_deployed(row) for row in self._in.read(_HISTORY, {"workload_": workload, "limit_": limit})]

    def version(self, workload: str, number: int) -> Release | None:
        """The deployment of this number."""
        row = self._in.read(_VERSION, {"workload_": workload, "number_": number}).first()
        return None if row is None else _deployed(row)

    def deployed_by(self, workload: str, run: RunId, release: ReleaseId) -> Release | None:
        """The newest deployment of a release by a run."""
        row = self._in.read(_BY_RUN, {"workload_": workload, "release_": release, "run_": run}).first()
        return None if row is None else _deployed(row)

    def deployed(self, workload: str) -> Release | None:
        """What is everywhere now."""
        if self._in.read(_RETIRED, {"workload_": workload}).first() is not None:
            return None
        return next(iter(self.history(workload, 1)), None)

    def retire(self, workload: str, by: PersonId, at: datetime) -> None:
        """Nothing of it is to run any more, until it is deployed again."""
        row = {"workload": workload, "by": by, "at": at, "ended": False}
        upsert(self._in, retired, row, update=("by", "at", "ended"))

    def ended(self, workload: str) -> None:
        """Nothing of a retired workload runs any more."""
        self._in.write(retired.update().where(retired.c.workload == workload).values(ended=True))

    def ending(self) -> list[str]:
        """The retired workloads of which something may still run."""
        statement = select(retired.c.workload).where(~retired.c.ended).order_by(retired.c.workload)
        return list(self._in.read(statement).scalars())

    def gray_of(self, workload: str) -> RunId | None:
        """Who has left a gray release standing."""
        run = self._in.read(_LEFT_GRAY, {"workload_": workload}).scalar_one_or_none()
        return None if run is None else RunId(run)

    def leave_gray(self, workload: str, run: RunId | None) -> None:
        """Remember who has."""
        if run is None:
            self._in.write(left_grays.delete().where(left_grays.c.workload == workload))
        else:
            upsert(self._in, left_grays, {"workload": workload, "run": run}, update=("run",))

    def all_of(self, workload: str, names: Sequence[ReleaseId]) -> dict[ReleaseId, Release]:
        """Those of these names."""
        statement = select(releases.c.document).where(releases.c.workload == workload, releases.c.id.in_(names))
        found = [codec.load_release(text) for text in self._in.read(statement).scalars()]
        return {release.id: release for release in found}

    def workloads(self) -> list[str]:
        """Each that had a release."""
        return list(self._in.read(select(releases.c.workload).distinct().order_by(releases.c.workload)).scalars())


def _deployed(row: Any) -> Release:
    return replace(codec.load_release(row.document), number=row.number, deployed_at=row.at, run=RunId(row.run))
