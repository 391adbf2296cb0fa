"""Who may do what in which group of pipelines.

A group is open to everybody until somebody is granted something in it; from then on it is closed, and stays closed when
its last grant is gone. That it is closed is a fact of its own and not that it has grants: otherwise whoever leaves last
would let everybody in.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from sqlalchemy import Boolean, Column, String, Table, and_, delete, select

from engine.model import PersonId
from storage.part import Transaction, upsert
from storage.tables import Moment, deployments, holders, metadata, pipeline_versions, pipelines, runs

groups = Table(
    "groups",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("closed", Boolean, nullable=False),
    Column("by", String(128), nullable=False),
    Column("at", Moment, nullable=False),
)

grants = Table(
    "grants",
    metadata,
    Column("group_name", String(64), primary_key=True),
    Column("person", String(128), primary_key=True),
    Column("right", String(16), nullable=False),
    Column("by", String(128), nullable=False),
    Column("at", Moment, nullable=False),
)

_P, _V = pipelines.c, pipeline_versions.c
_CLOSED = select(groups.c.name).where(groups.c.closed.is_(True))
_NEWEST = select(_P.name, _V.text).join_from(
    pipelines, pipeline_versions, and_(_P.name == _V.name, _P.version == _V.version)
)


class Right(IntEnum):
    """What somebody may do in a group; each includes those before. `SEE` is what a reviewer has without any grant."""

    NONE = 0
    SEE = 1
    READ = 2
    EDIT = 3
    MANAGE = 4

    def __str__(self) -> str:
        """The right as people type it."""
        return self.name.lower()


GRANTABLE = (Right.READ, Right.EDIT, Right.MANAGE)


@dataclass(frozen=True, slots=True)
class Grant:
    """What a person was granted in a group, by whom and when."""

    group: str
    person: PersonId
    right: Right
    by: PersonId
    at: datetime


class SqlGrants:
    """Groups and grants in one transaction. A pipeline says itself which group it is in."""

    def __init__(self, transaction: Transaction) -> None:
        self._in = transaction

    def closed(self) -> frozenset[str]:
        """The groups that only those see who were granted something."""
        return frozenset(self._in.read(_CLOSED).scalars())

    def made(self) -> list[str]:
        """The groups that somebody has made or granted something in, with pipelines or without."""
        return list(self._in.read(select(groups.c.name).order_by(groups.c.name)).scalars())

    def close(self, group: str, by: PersonId, at: datetime) -> None:
        """From now on only those see the group who were granted something in it."""
        row = {"name": group, "closed": True, "by": by, "at": at}
        upsert(self._in, groups, row, update=("closed",))

    def forget(self, group: str) -> None:
        """Forget a group and what was granted in it: pipelines that name it later are open to everybody."""
        self.empty(group)
        self._in.write(delete(groups).where(groups.c.name == group))

    def empty(self, group: str) -> None:
        """Take everybody's right in a group away. It stays closed."""
        self._in.write(delete(grants).where(grants.c.group_name == group))

    def put(self, grant: Grant) -> None:
        """Grant a right, in place of the one that the person had there. The group is closed by it."""
        self.close(grant.group, grant.by, grant.at)
        row = {
            "group_name": grant.group,
            "person": grant.person,
            "right": str(grant.right),
            "by": grant.by,
            "at": grant.at,
        }
        upsert(self._in, grants, row, update=("right", "by", "at"))

    def drop(self, group: str, person: PersonId) -> bool:
        """Take a right away; False when there was none. The group stays closed."""
        same = (grants.c.group_name == group) & (grants.c.person == person)
        return self._in.write(delete(grants).where(same)).rowcount == 1

    def leave(self, person: PersonId) -> None:
        """Take all rights of a person away: whoever has that name later is somebody else."""
        self._in.write(delete(grants).where(grants.c.person == person))

    def of_group(self, group: str) -> list[Grant]:
        """Who has what in a group, by name."""
        statement = select(grants).where(grants.c.group_name == group).order_by(grants.c.person)
        return [
            Grant(group, PersonId(row.person), Right[row.right.upper()], PersonId(row.by), row.at)
            for row in self._in.read(statement).all()
        ]

    def of_person(self, person: PersonId) -> dict[str, Right]:
        """What a person was granted, by group."""
        statement = select(grants.c.group_name, grants.c.right).where(grants.c.person == person)
        rows = self._in.read(statement.order_by(grants.c.group_name)).all()
        return {row.group_name: Right[row.right.upper()] for row in rows}

    def group_of(self, pipeline: str) -> str | None:
        """The group of a pipeline, of one that was deleted too: its runs are still told. None: there was never one."""
        found = self._in.read(select(_P.pipeline_group).where(_P.name == pipeline)).scalar_one_or_none()
        return None if found is None else str(found)

    def text_of(self, pipeline: str) -> str:
        """The newest definition of a pipeline, of one that was deleted too; empty when there was never one."""
        found = self._in.read(_NEWEST.where(_P.name == pipeline)).one_or_none()
        return "" if found is None else str(found.text)

    def used(self) -> list[str]:
        """The groups that pipelines are in, those that were deleted left out."""
        statement = select(_P.pipeline_group).where(_P.deleted_at.is_(None)).distinct()
        return list(self._in.read(statement.order_by(_P.pipeline_group)).scalars())

    def pipelines_in(self, group: str) -> list[str]:
        """The pipelines of a group, by name, those that were deleted left out."""
        statement = select(_P.name).where(_P.pipeline_group == group, _P.deleted_at.is_(None)).order_by(_P.name)
        return list(self._in.read(statement).scalars())

    def texts_in(self, names: frozenset[str]) -> dict[str, str]:
        """The newest definition of every pipeline that is or was in one of these groups, by the pipeline's name."""
        statement = _NEWEST.where(_P.pipeline_group.in_(sorted(names)))
        return {row.name: row.text for row in self._in.read(statement).all()}

    def texts_with(self, word: str) -> dict[str, str]:
        """The definitions of pipelines, not deleted, that are called so or have the word in their text."""
        statement = _NEWEST.where(_P.deleted_at.is_(None), (_P.name == word) | _V.text.contains(word, autoescape=True))
        return {row.name: row.text for row in self._in.read(statement).all()}

    def released(self) -> set[tuple[str, str]]:
        """Every workload that a run has released or holds, with that run's pipeline."""
        found: set[tuple[str, str]] = set()
        for table in (deployments, holders):
            statement = select(table.c.workload, runs.c.pipeline).join_from(table, runs, table.c.run == runs.c.id)
            found |= {(row.workload, row.pipeline) for row in self._in.read(statement.distinct()).all()}
        return found
