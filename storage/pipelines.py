"""Definitions, every version of each."""

import difflib
from datetime import datetime
from typing import Any

from sqlalchemy import and_, bindparam, insert, select, update

from engine.errors import Refused
from engine.model import PersonId
from engine.ports import StoredPipeline
from storage.part import Transaction, upsert
from storage.tables import pipeline_versions, pipelines, runs

_P, _V = pipelines.c, pipeline_versions.c
_COLUMNS = (_P.name, _P.pipeline_group, _V.version, _V.text, _V.by, _V.at)
_NEWEST = (
    select(*_COLUMNS)
    .join_from(pipelines, pipeline_versions, and_(_P.name == _V.name, _P.version == _V.version))
    .where(_P.deleted_at.is_(None))
)
_LOAD = _NEWEST.where(_P.name == bindparam("name_"))
_PAGE = _NEWEST.where(_P.name > bindparam("after_")).order_by(_P.name).limit(bindparam("limit_"))
_VERSION = (
    select(*_COLUMNS)
    .join_from(pipelines, pipeline_versions, _P.name == _V.name)
    .where(_P.name == bindparam("name_"), _V.version == bindparam("version_"))
)
_NAMES = select(_P.name).where(_P.deleted_at.is_(None)).order_by(_P.name)
_STARTED = select(runs.c.pipeline).order_by(runs.c.created_at.desc()).limit(bindparam("limit_"))
_HEAD = select(_P.version).where(_P.name == bindparam("name_"))


class SqlPipelines:
    """`engine.ports.Pipelines` in one transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._in = transaction

    def save(self, name: str, group: str, text: str, by: PersonId, at: datetime) -> int:
        """Keep a version, unless it is the present one."""
        present = self._in.read(_LOAD, {"name_": name}).one_or_none()
        if present is not None and present.text == text:
            return int(present.version)
        version = (self._in.read(_HEAD, {"name_": name}).scalar_one_or_none() or 0) + 1
        row = {"name": name, "pipeline_group": group, "version": version, "deleted_at": None}
        upsert(self._in, pipelines, row, update=("pipeline_group", "version", "deleted_at"))
        self._in.write(insert(pipeline_versions), {"name": name, "version": version, "text": text, "by": by, "at": at})
        return version

    def load(self, name: str, version: int | None = None) -> StoredPipeline:
        """The newest version, or a chosen one. A chosen one can be had of a deleted pipeline too: its runs need it."""
        if version is None:
            row = self._in.read(_LOAD, {"name_": name}).one_or_none()
        else:
            row = self._in.read(_VERSION, {"name_": name, "version_": version}).one_or_none()
        if row is None:
            raise self._unknown(name, version)
        return _stored(row)

    def _unknown(self, name: str, version: int | None) -> Refused:
        names = self.names()
        if version is not None and name in names:
            return Refused(f"Pipeline {name} has no version {version}.", f"`show {name}` names the newest.")
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"Did you mean {near[0]}?" if near else "`list` shows every pipeline, `define` makes one."
        return Refused(f"There is no pipeline {name}.", hint)

    def names(self) -> list[str]:
        """All that are not deleted."""
        return list(self._in.read(_NAMES).scalars())

    def newest(self, limit: int) -> list[str]:
        """Some that are not deleted: those that one of the last `limit` runs was of, newest first, then by name."""
        started = dict.fromkeys(self._in.read(_STARTED, {"limit_": limit}).scalars())
        there = set(self._in.read(_NAMES.where(_P.name.in_(started))).scalars())
        others = self._in.read(_NAMES.where(_P.name.not_in(started)).limit(limit)).scalars()
        return [*(name for name in started if name in there), *others][:limit]

    def page(self, after: str, limit: int) -> list[StoredPipeline]:
        """A page of them."""
        return [_stored(row) for row in self._in.read(_PAGE, {"after_": after, "limit_": limit})]

    def delete(self, name: str, at: datetime) -> None:
        """Hide it."""
        self._in.write(update(pipelines).where(_P.name == name).values(deleted_at=at))


def _stored(row: Any) -> StoredPipeline:
    return StoredPipeline(row.name, row.pipeline_group, row.version, row.text, PersonId(row.by), row.at)
