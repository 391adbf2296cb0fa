"""The one door that changes a run: load, decide, evolve, append to the journal, store. One transaction.

Whatever follows from a change beside the run itself belongs to the same transaction: the timers that its new state
needs, the workload that it takes or gives back, and the next run in that workload's queue. So there is no moment at
which a run is over and its workload is still taken, or a review is open without its deadline.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from engine import commands as c
from engine import events as e
from engine.errors import Refused
from engine.model import PersonId, Release, RoomId, Run, RunId, RunState, StageKind, StageRule, StageState
from engine.pipeline import resolve, stage_rules
from engine.ports import Book, Clock, Store, StoredPipeline, Timer
from engine.transitions import ENGINE, begin, decided, evolve, needs_worker, new_stages
from engine.variables import merge, system_variables

REMIND_AFTER = timedelta(hours=1)
REMIND_AGAIN = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A run that somebody wants: of which pipeline, with which variables changed, told to which room.

    `redeploys` asks for a run that only brings this release back, instead of the pipeline's stages.
    """

    pipeline: str
    by: PersonId
    room: RoomId
    changes: Mapping[str, str]
    redeploys: Release | None = None


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
            _check_variables(book, run, command.variables)
        events, after = decided(run, command, now)
        token = command.token if isinstance(command, c.Report) else None
        return self._keep(book, run, after, events, token)

    def start(self, book: Book, order: Order) -> Run:
        """`request` inside a transaction that somebody else has opened."""
        stored = book.pipelines.load(order.pipeline)
        now = self.clock.now()
        run = self._new_run(book, stored, order, now)
        self._make_way(book, run)
        events = begin(run, now)
        run = evolve(None, events[0])
        book.runs.add(run)
        book.journal.append(run.id, 1, events)
        if run.workload and not book.runs.hold(run.workload, run.id):
            return run
        return self.apply(book, c.Admit(run=run.id, by=ENGINE))

    def _new_run(self, book: Book, stored: StoredPipeline, order: Order, now: datetime) -> Run:
        number = book.runs.next_number(stored.name)
        pipeline = resolve(stored.text, system_variables(now, number))
        declared = {name: variable.value for name, variable in pipeline.variables.items()}
        variables = {**merge(declared, order.changes), **system_variables(now, number)}
        if order.redeploys is not None:
            book.releases.add(order.redeploys)
            variables |= order.redeploys.variables
        else:
            pipeline = resolve(stored.text, variables)
        rules = stage_rules(pipeline) if order.redeploys is None else (_redeploy_rule(order.redeploys),)
        return Run(
            id=RunId(f"{stored.name}-{number}"),
            pipeline=stored.name,
            number=number,
            version=stored.version,
            workload=order.redeploys.workload if order.redeploys else pipeline.workload,
            variables=variables,
            rules=rules,
            stages=new_stages(rules),
            requested_by=order.by,
            room=order.room,
            created_at=now,
            redeploys=order.redeploys.id if order.redeploys else None,
        )

    def _make_way(self, book: Book, run: Run) -> None:
        holder = book.runs.holder(run.workload) if run.workload else None
        if holder is None:
            return
        rule = "replace" if run.redeploys else self._concurrency(book, run)
        if rule == "reject":
            raise Refused(f"{run.workload} is being released by {holder} already.", f"`stop {holder}` ends that run.")
        if rule == "replace":
            for other in (*book.runs.queued(run.workload), book.runs.load(holder)):
                self._replace(book, other, run)

    def _concurrency(self, book: Book, run: Run) -> str:
        return resolve(book.pipelines.load(run.pipeline, run.version).text, run.variables).concurrency

    def _replace(self, book: Book, other: Run, run: Run) -> None:
        if other.unwinding is None and not other.state.is_over:
            self.apply(book, c.Stop(run=other.id, by=run.requested_by, reason=f"Replaced by {run.id}."))

    def _keep(self, book: Book, before: Run, run: Run, events: Sequence[e.Event], token: int | None) -> Run:
        now = events[0].at
        if run.state is before.state and needs_worker(before) and needs_worker(run):
            book.runs.advance(run, before.seq, token=token)
        else:
            book.runs.save(run, before.seq, token=token, due_at=now if needs_worker(run) else None)
        book.journal.append(run.id, before.seq + 1, events)
        self._keep_timers(book, before, run, events)
        if run.state is RunState.SUCCEEDED:
            self._keep_deployment(book, run, now)
        if run.state.is_over and run.workload:
            self._pass_on(book, run)
        return run

    def _keep_timers(self, book: Book, before: Run, run: Run, events: Sequence[e.Event]) -> None:
        if before.stage.deadline is None and run.stage.deadline is None and not run.state.is_over:
            return
        for event in events:
            if isinstance(event, e.Reminded):
                book.timers.set(Timer(run.id, "remind", run.position, run.stage.attempt, event.at + REMIND_AGAIN))
                return
            if isinstance(event, e.Voted) and run.stage.state is StageState.AWAITING_REVIEW:
                return
        if before.stage.deadline is not None:
            book.timers.drop(run.id)
        if run.stage.deadline is not None and not run.state.is_over and run.unwinding is None:
            self._set_timers(book, run, events[-1].at)

    def _set_timers(self, book: Book, run: Run, now: datetime) -> None:
        deadline = run.stage.deadline
        if deadline is None:
            return
        book.timers.set(Timer(run.id, "expire", run.position, run.stage.attempt, deadline))
        if run.stage.state is StageState.AWAITING_REVIEW:
            soon = min(now + REMIND_AFTER, now + (deadline - now) / 2)
            book.timers.set(Timer(run.id, "remind", run.position, run.stage.attempt, soon))

    def _keep_deployment(self, book: Book, run: Run, now: datetime) -> None:
        for stage in run.stages:
            if stage.kind is StageKind.OFFICIAL and stage.state is StageState.SUCCEEDED and "release" in stage.outputs:
                book.releases.mark_deployed(stage.outputs["release"], run.id, now)

    def _pass_on(self, book: Book, run: Run) -> None:
        if book.runs.holder(run.workload) != run.id:
            return
        book.runs.let_go(run.workload, run.id)
        for waiting in book.runs.queued(run.workload):
            if waiting.id != run.id and book.runs.hold(run.workload, waiting.id):
                self.apply(book, c.Admit(run=waiting.id, by=ENGINE))
                return


def replay(events: Sequence[e.Event]) -> Run:
    """The run that a journal tells of."""
    run = evolve(None, events[0])
    for event in events[1:]:
        run = evolve(run, event)
    return run


def _check_variables(book: Book, run: Run, changes: Mapping[str, str]) -> None:
    """Refuse values that the definition cannot be read with: the run's next stage would meet them otherwise."""
    resolve(book.pipelines.load(run.pipeline, run.version).text, {**run.variables, **changes})


def _redeploy_rule(release: Release) -> StageRule:
    return StageRule(f"redeploy version {release.number}", StageKind.OFFICIAL)
