"""Runs as they stand, the leases on them, and who holds which workload.

The sole writer of a database (SQLite) gathers what is saved and sends it before anything is read and at the end, so a
batch of many runs is one statement. It also remembers what it wrote and need not read it back. Should a row not be as
remembered, the statement that stores the next value changes nothing, the transaction is undone, and all that was
remembered is forgotten.

A lease is three columns of the run's own row, so "store this, if the lease still holds" is one statement: a worker that
was paused for longer than its lease finds its token outdated and changes nothing.
"""

import difflib
from datetime import datetime
from itertools import groupby
from operator import itemgetter

from sqlalchemy import BindParameter, Select, bindparam, delete, insert, null, or_, select, update

from engine.errors import Interrupted, LeaseLost, Refused
from engine.model import Run, RunId
from engine.ports import Claim
from storage import codec
from storage.part import Transaction, upsert
from storage.ready import Ready
from storage.tables import IS_ACTIVE, counters, holders, runs

_LOAD = select(runs.c.document).where(runs.c.id == bindparam("id_"))
_INSERT = insert(runs)
_VALUES: dict[str, BindParameter[object]] = {
    name: bindparam(name) for name in ("state", "active", "seq", "document", "due_at")
}
_GROWTH = {name: _VALUES[name] for name in ("seq", "document")}
_STORE = update(runs).where(runs.c.id == bindparam("id_"), runs.c.seq == bindparam("before_")).values(_VALUES)
_STORE_FENCED = _STORE.where(runs.c.token == bindparam("token_"))
_SAVE = Ready(_STORE)
_SAVE_FENCED = Ready(_STORE_FENCED)
_SAVE_LAST = Ready(_STORE_FENCED.values(lease_owner=null(), lease_until=null()))
_GROW = update(runs).where(runs.c.id == bindparam("id_"), runs.c.seq == bindparam("before_")).values(_GROWTH)
_ADVANCE = Ready(_GROW)
_ADVANCE_FENCED = Ready(_GROW.where(runs.c.token == bindparam("token_")))
_RELEASE = (
    update(runs)
    .where(runs.c.id == bindparam("id_"), runs.c.token == bindparam("token_"))
    .values(lease_owner=None, lease_until=None)
)
_ABANDON = update(runs).where(runs.c.lease_owner == bindparam("owner_")).values(lease_owner=None, lease_until=None)
_ABANDON_ALL = update(runs).where(runs.c.lease_owner.is_not(None)).values(lease_owner=None, lease_until=None)
_EXTEND = update(runs).where(runs.c.lease_owner == bindparam("owner_")).values(lease_until=bindparam("until_"))
_CLAIMABLE = (
    select(runs.c.id)
    .where(
        runs.c.due_at.is_not(None),
        runs.c.due_at <= bindparam("now_"),
        or_(runs.c.lease_until.is_(None), runs.c.lease_until < bindparam("now_")),
    )
    .order_by(runs.c.due_at)
    .limit(bindparam("limit_"))
)
_DUE = _CLAIMABLE.with_for_update(skip_locked=True)
_CLAIM = (
    update(runs)
    .where(runs.c.id.in_(bindparam("ids_", expanding=True)))
    .values(token=runs.c.token + 1, lease_owner=bindparam("owner_"), lease_until=bindparam("until_"))
    .returning(runs.c.id, runs.c.token)
)
_TOKEN = select(runs.c.token).where(runs.c.id == bindparam("id_"))
_BY_CREATION = select(runs.c.document).order_by(runs.c.created_at.desc()).limit(bindparam("limit_"))
_OF_PIPELINE = (
    select(runs.c.document)
    .where(runs.c.pipeline == bindparam("pipeline_"))
    .order_by(runs.c.number.desc())
    .limit(bindparam("limit_"))
)
_ACTIVE = select(runs.c.document).where(IS_ACTIVE)
_HOLDER = select(holders.c.run).where(holders.c.workload == bindparam("workload_"))
_LET_GO = delete(holders).where(holders.c.workload == bindparam("workload_"), holders.c.run == bindparam("run_"))
_QUEUED = (
    select(runs.c.document)
    .where(IS_ACTIVE, runs.c.workload == bindparam("workload_"), runs.c.state == "queued")
    .order_by(runs.c.created_at, runs.c.number)
)
_COUNT = (
    update(counters)
    .where(counters.c.name == bindparam("name_"))
    .values(value=counters.c.value + 1)
    .returning(counters.c.value)
)


MOST_REMEMBERED = 1000


class SqlRuns:
    """`engine.ports.Runs` in one transaction."""

    def __init__(self, transaction: Transaction, memory: dict[RunId, Run] | None = None) -> None:
        self._in = transaction
        self._memory = memory
        self._saves: list[tuple[Ready, dict[str, object]]] = []

    def find(self, run: RunId) -> Run | None:
        """The run, or None."""
        known = self._memory.get(run) if self._memory is not None else None
        if known is not None:
            return known
        self.flush()
        text = self._in.read(_LOAD, {"id_": run}).scalar_one_or_none()
        return None if text is None else codec.load_run(text, run)

    def load(self, run: RunId) -> Run:
        """The run; `Refused` when there is none."""
        found = self.find(run)
        if found is None:
            raise Refused(f"There is no run {run}.", self._nearest(run))
        return found

    def _nearest(self, run: RunId) -> str:
        names = [str(row.id) for row in self._in.read(select(runs.c.id).order_by(runs.c.created_at.desc()).limit(200))]
        near = difflib.get_close_matches(run, names, n=1)
        return f"Did you mean {near[0]}?" if near else "`runs` lists the latest ones."

    def add(self, run: Run) -> None:
        """Store a new run."""
        self._in.write(
            _INSERT,
            {
                "id": run.id,
                "pipeline": run.pipeline,
                "number": run.number,
                "workload": run.workload,
                "state": run.state.value,
                "active": not run.state.is_over,
                "created_at": run.created_at,
                "seq": run.seq,
                "document": codec.dump_run(run),
                "due_at": None,
                "token": 0,
            },
        )

    def save(self, run: Run, before: int, *, token: int | None, due_at: datetime | None) -> None:
        """Store `run` over its value at `before`. A worker's last report gives its lease back in the same statement."""
        values: dict[str, object] = {"state": run.state.value, "active": not run.state.is_over, "due_at": due_at}
        if token is None:
            self._gather(_SAVE, run, before, values)
        else:
            self._gather(_SAVE_LAST if due_at is None else _SAVE_FENCED, run, before, {**values, "token_": token})

    def advance(self, run: Run, before: int, *, token: int | None) -> None:
        """Store `run`, which is as active and as due as before: no index has to move, which is half of the writing."""
        if token is None:
            self._gather(_ADVANCE, run, before, {})
        else:
            self._gather(_ADVANCE_FENCED, run, before, {"token_": token})

    def _gather(self, statement: Ready, run: Run, before: int, values: dict[str, object]) -> None:
        always = {"id_": run.id, "before_": before, "seq": run.seq, "document": codec.dump_run(run)}
        self._saves.append((statement, always | values))
        self._in.wrote()
        if self._memory is not None:
            self._remember(self._memory, run)
        else:
            self.flush()

    def _remember(self, memory: dict[RunId, Run], run: Run) -> None:
        if len(memory) >= MOST_REMEMBERED:
            memory.clear()
        memory.pop(run.id, None)
        if not run.state.is_over:
            memory[run.id] = run

    def flush(self) -> None:
        """Send what was saved, equal statements together. Raises what `save` promises."""
        saves, self._saves = self._saves, []
        for statement, group in groupby(saves, itemgetter(0)):
            rows = [values for _, values in group]
            if self._in.send(statement, rows) == len(rows):
                continue
            if len(rows) > 1:
                raise Interrupted("One of several runs was changed by somebody else at the same moment.")
            self._complain(rows[0])

    def _complain(self, values: dict[str, object]) -> None:
        name, token = RunId(str(values["id_"])), values.get("token_")
        if isinstance(token, int) and self._in.read(_TOKEN, {"id_": name}).scalar_one_or_none() != token:
            raise LeaseLost(name, token)
        raise Interrupted(f"Run {name} was changed by somebody else at the same moment.")

    def is_due(self, now: datetime) -> bool:
        """Whether there is anything to claim."""
        self.flush()
        return self._in.read(_CLAIMABLE, {"now_": now, "limit_": 1}).first() is not None

    def claim(self, owner: str, now: datetime, until: datetime, limit: int) -> list[Claim]:
        """Lease runs that are due."""
        self.flush()
        due = list(self._in.read(_DUE, {"now_": now, "limit_": limit}).scalars())
        if not due:
            return []
        claimed = self._in.write(_CLAIM, {"ids_": due, "owner_": owner, "until_": until}).all()
        tokens = {row.id: row.token for row in claimed}
        return [Claim(RunId(name), tokens[name]) for name in due]

    def extend(self, owner: str, until: datetime) -> None:
        """Keep the owner's leases."""
        self.flush()
        self._in.write(_EXTEND, {"owner_": owner, "until_": until})

    def release(self, claim: Claim) -> None:
        """Give a lease back."""
        self.flush()
        self._in.write(_RELEASE, {"id_": claim.run, "token_": claim.token})

    def abandon(self, owner: str | None) -> None:
        """Give all leases of the owner back, or everybody's."""
        self.flush()
        if owner is None:
            self._in.write(_ABANDON_ALL)
        else:
            self._in.write(_ABANDON, {"owner_": owner})

    def next_number(self, pipeline: str) -> int:
        """Count up."""
        name = f"run:{pipeline}"
        upsert(self._in, counters, {"name": name, "value": 0})
        return int(self._in.write(_COUNT, {"name_": name}).scalar_one())

    def latest(self, pipeline: str | None, limit: int) -> list[Run]:
        """The newest runs first."""
        if pipeline is None:
            return self._runs(_BY_CREATION, {"limit_": limit})
        return self._runs(_OF_PIPELINE, {"pipeline_": pipeline, "limit_": limit})

    def active(self, pipeline: str | None = None) -> list[Run]:
        """Runs that are not over, oldest first."""
        statement = _ACTIVE if pipeline is None else _ACTIVE.where(runs.c.pipeline == pipeline)
        return self._runs(statement.order_by(runs.c.created_at))

    def holder(self, workload: str) -> RunId | None:
        """Who has the workload."""
        name = self._in.read(_HOLDER, {"workload_": workload}).scalar_one_or_none()
        return None if name is None else RunId(name)

    def hold(self, workload: str, run: RunId) -> bool:
        """Take the workload for the run, if nobody else has it.

        Who has it cannot give it back before this transaction ends: on PostgreSQL a run that ends while another one
        queues behind it would otherwise not see that other one, and nobody would ever let it in.
        """
        upsert(self._in, holders, {"workload": workload, "run": run}, update=("workload",))
        return self.holder(workload) == run

    def let_go(self, workload: str, run: RunId) -> None:
        """Give the workload back."""
        self._in.write(_LET_GO, {"workload_": workload, "run_": run})

    def queued(self, workload: str) -> list[Run]:
        """Who waits for the workload."""
        return self._runs(_QUEUED, {"workload_": workload})

    def _runs(self, statement: Select[tuple[str]], values: dict[str, object] | None = None) -> list[Run]:
        self.flush()
        return [codec.load_run(text) for text in self._in.read(statement, values).scalars()]
