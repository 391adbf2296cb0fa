"""What each run has applied, object by object, for as long as logs are kept."""

import json
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import bindparam, delete, select

from engine.left import AppliedThing
from engine.model import Json, RunId
from storage.part import Transaction, upsert
from storage.tables import IS_ACTIVE, applied, runs

_OF = select(applied).where(applied.c.run == bindparam("run_")).order_by(applied.c.stage, applied.c.thing)


class SqlApplied:
    """`engine.left.AppliedThings` in one transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._in = transaction

    def keep(self, run: RunId, stage: int, things: Mapping[str, Json], at: datetime, *, missing: bool = False) -> None:
        """Keep what differs from what the run had applied by then."""
        known = {each.thing: each.document for each in self.of(run)}
        for thing, document in things.items():
            if known.get(thing) == document or (missing and thing in known):
                continue
            row = {"run": run, "stage": stage, "thing": thing, "at": at}
            text = json.dumps(document, separators=(",", ":"))
            upsert(self._in, applied, {**row, "document": text}, update=("at", "document"))

    def of(self, run: RunId) -> list[AppliedThing]:
        """By stages, then by names."""
        rows = self._in.read(_OF, {"run_": run})
        return [AppliedThing(row.stage, row.thing, row.at, json.loads(row.document)) for row in rows]

    def forget(self, before: datetime) -> None:
        """Forget what was applied before then, but for runs that are not over."""
        going_on = select(runs.c.id).where(IS_ACTIVE)
        self._in.write(delete(applied).where(applied.c.at < before, applied.c.run.not_in(going_on)))
