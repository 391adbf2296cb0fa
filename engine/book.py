"""What is kept, as protocols: everything that a store offers inside one transaction. `storage` implements them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from engine.events import Event
from engine.freezes import Freeze, FreezeId, Plea
from engine.left import AppliedThings, Logs
from engine.locks import Lock
from engine.model import PersonId, Release, Run, RunId
from engine.rollout.fleet import ReleaseId

T = TypeVar("T")
STAGE_TIMERS = ("expire", "remind", "escalate")
"""The kinds of timers that belong to one stage attempt."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the journal: `seq` counts all of them, `n` those of the run."""

    seq: int
    run: RunId
    n: int
    event: Event


@dataclass(frozen=True, slots=True)
class Claim:
    """A lease on a run. `token` grows with every claim of the run: whoever writes under an older one is refused."""

    run: RunId
    token: int


@dataclass(frozen=True, slots=True)
class Timer:
    """An absolute deadline: at `due_at`, `kind` of that stage attempt is submitted: see `engine.control.Control.fire`.

    Those of a gray release that is left standing (gray and gray_soon) are about the run: `stage`, `attempt` are 0.
    """

    run: RunId
    kind: str
    stage: int
    attempt: int
    due_at: datetime


@dataclass(frozen=True, slots=True)
class StoredPipeline:
    """One version of a definition, as its author wrote it."""

    name: str
    group: str
    version: int
    text: str
    by: PersonId
    at: datetime


class Runs(Protocol):
    """Runs as they stand, and the leases on them."""

    def load(self, run: RunId) -> Run:
        """The run. Raises `Refused` when there is none."""
        ...

    def find(self, run: RunId) -> Run | None:
        """The run, or None."""
        ...

    def add(self, run: Run) -> None:
        """Store a new run."""
        ...

    def save(self, run: Run, before: int, *, token: int | None, due_at: datetime | None) -> None:
        """Store `run`, whose `seq` was `before`. With `token`, only while that lease is held (else `LeaseLost`).

        `due_at` is when a worker should look at it; None: not until something happens.
        """
        ...

    def advance(self, run: Run, before: int, *, token: int | None) -> None:
        """`save` a run that is in the state that it was in, and was due for a worker and still is."""
        ...

    def is_due(self, now: datetime) -> bool:
        """Whether there is anything to claim."""
        ...

    def claim(self, owner: str, now: datetime, until: datetime, limit: int) -> list[Claim]:
        """Lease up to `limit` runs that are due and not leased, to `owner` until `until`."""
        ...

    def extend(self, owner: str, until: datetime) -> None:
        """Keep every lease of `owner` until `until`."""
        ...

    def release(self, claim: Claim) -> None:
        """Give a lease back, if it is still held."""
        ...

    def abandon(self, owner: str | None) -> None:
        """Give back every lease of `owner`, or of everybody: for the sole process of a database, after a restart."""
        ...

    def next_number(self, pipeline: str) -> int:
        """The next run's number, counted up for ever even if runs or the pipeline are deleted."""
        ...

    def latest(self, pipeline: str | None, limit: int) -> list[Run]:
        """The newest runs, of one pipeline or of all."""
        ...

    def active(self, pipeline: str | None = None) -> list[Run]:
        """Runs that are not over, oldest first."""
        ...

    def holder(self, workload: str) -> RunId | None:
        """The run that has `workload` now."""
        ...

    def hold(self, workload: str, run: RunId) -> bool:
        """Give `workload` to `run`; False when another run has it."""
        ...

    def let_go(self, workload: str, run: RunId) -> None:
        """Take `workload` from `run`, if it has it."""
        ...

    def queued(self, workload: str) -> list[Run]:
        """Runs that wait for `workload`, in the order in which they were asked for."""
        ...


class Journal(Protocol):
    """Everything that has happened, in order. Entries are added and never changed."""

    def append(self, run: RunId, first: int, events: Sequence[Event]) -> None:
        """Add the run's next events; the first of them is the run's entry number `first`."""
        ...

    def of(self, run: RunId, after: int = 0) -> list[Entry]:
        """The entries of one run whose `n` is above `after`."""
        ...

    def since(self, seq: int, limit: int) -> list[Entry]:
        """The entries of all runs whose `seq` is above `seq`."""
        ...

    def head(self) -> int:
        """The newest entry's `seq`; 0 when there is none."""
        ...


class Timers(Protocol):
    """Absolute deadlines."""

    def set(self, timer: Timer) -> None:
        """Set a timer, in place of one of the same run, kind, stage and attempt."""
        ...

    def drop(self, run: RunId, kinds: Sequence[str]) -> None:
        """Forget the timers of `run` of these kinds."""
        ...

    def due(self, now: datetime, limit: int) -> list[Timer]:
        """Timers whose time has come."""
        ...

    def next_due(self) -> datetime | None:
        """When the next one is due."""
        ...

    def remove(self, timer: Timer) -> None:
        """Forget one timer."""
        ...


class Pipelines(Protocol):
    """Definitions, every version of each."""

    def save(self, name: str, group: str, text: str, by: PersonId, at: datetime) -> int:
        """Keep a new version; an equal text keeps the present one. Returns the version's number."""
        ...

    def load(self, name: str, version: int | None = None) -> StoredPipeline:
        """A version (None: the newest). Raises `Refused`, with the nearest name, when there is none."""
        ...

    def names(self) -> list[str]:
        """Every pipeline that is not deleted, in order."""
        ...

    def page(self, after: str, limit: int) -> list[StoredPipeline]:
        """The newest versions of up to `limit` pipelines whose names follow `after`."""
        ...

    def delete(self, name: str, at: datetime) -> None:
        """Take the pipeline away. Its runs and releases stay in the history."""
        ...


class Releases(Protocol):
    """Every release of every workload, with the configuration it was deployed with."""

    def add(self, release: Release) -> None:
        """Keep a release that is about to be placed, in place of an earlier one of the same id."""
        ...

    def find(self, release: ReleaseId) -> Release | None:
        """One release."""
        ...

    def load(self, release: ReleaseId) -> Release:
        """One release that is known to be there; raises `InvariantViolation` when it is not."""
        ...

    def mark_deployed(self, release: ReleaseId, run: RunId, at: datetime) -> Release:
        """It is deployed everywhere: it gets the workload's next number, unless it is what `run` has marked last."""
        ...

    def history(self, workload: str, limit: int) -> list[Release]:
        """What was deployed everywhere, newest first; a release deployed twice is there twice."""
        ...

    def deployed(self, workload: str) -> Release | None:
        """What is deployed everywhere now; None for a retired workload."""
        ...

    def all_of(self, workload: str, names: Sequence[ReleaseId]) -> dict[ReleaseId, Release]:
        """The named releases."""
        ...

    def workloads(self) -> list[str]:
        """Every workload that ever had a release."""
        ...

    def gray_of(self, workload: str) -> RunId | None:
        """The run that is over and has left a gray release of the workload standing."""
        ...

    def leave_gray(self, workload: str, run: RunId | None) -> None:
        """Remember that run, in place of another; None: no gray release is left standing."""
        ...


class Locks(Protocol):
    """Workloads that take no release."""

    def find(self, workload: str) -> Lock | None:
        """The lock of a workload."""
        ...

    def put(self, lock: Lock) -> None:
        """Lock a workload; a lock that it had gives way."""
        ...

    def tell(self, lock: Lock) -> None:
        """Keep whom a lock was told. One that is gone meanwhile, or was made anew, stays as it is."""
        ...

    def remove(self, workload: str) -> None:
        """Unlock a workload."""
        ...

    def all(self) -> list[Lock]:
        """Every lock, in order of workloads."""
        ...


class Freezes(Protocol):
    """Freeze windows, and pleas to overrule them."""

    def all(self, *, firmly: bool = False) -> list[Freeze]:
        """Every freeze, in the order in which they were made. `firmly`: none goes before this transaction ends."""
        ...

    def find(self, name: FreezeId) -> Freeze | None:
        """One freeze."""
        ...

    def put(self, freeze: Freeze) -> None:
        """Keep a freeze, in place of one of the same id."""
        ...

    def change(self, freeze: Freeze) -> bool:
        """Keep a freeze in place of the one of the same id; False when that is gone, and then it stays so."""
        ...

    def remove(self, name: FreezeId) -> None:
        """Forget a freeze."""
        ...

    def next_id(self, letter: str) -> str:
        """A name that was never given before: the letter and a number."""
        ...

    def pleas(self, *, firmly: bool = False) -> list[Plea]:
        """Every plea, in the order of their making. `firmly`: nobody else uses one up before this transaction ends."""
        ...

    def keep_plea(self, plea: Plea) -> None:
        """Keep a plea, in place of one of the same id."""
        ...

    def drop_plea(self, name: str) -> bool:
        """Forget a plea; False when somebody else has used it up."""
        ...


class Book(Protocol):
    """Everything that is stored, inside one transaction."""

    @property
    def runs(self) -> Runs:
        """Runs and leases."""
        ...

    @property
    def journal(self) -> Journal:
        """What happened."""
        ...

    @property
    def timers(self) -> Timers:
        """What is due."""
        ...

    @property
    def pipelines(self) -> Pipelines:
        """Definitions."""
        ...

    @property
    def releases(self) -> Releases:
        """What was deployed."""
        ...

    @property
    def applied(self) -> AppliedThings:
        """What each run has applied."""
        ...

    @property
    def locks(self) -> Locks:
        """What takes no release."""
        ...

    @property
    def freezes(self) -> Freezes:
        """When nothing begins."""
        ...

    @property
    def logs(self) -> Logs:
        """What stages said."""
        ...


class Store(Protocol):
    """Where everything is kept. What `transact` has returned survives the death of the process."""

    async def transact(self, work: Callable[[Book], T]) -> T:
        """Run `work` in one transaction and commit it; it may run more than once and must touch only the book."""
        ...

    async def read(self, work: Callable[[Book], T]) -> T:
        """Run `work`, which only reads, on a snapshot that holds everything committed so far."""
        ...

    def on_commit(self, heard: Callable[[Mapping[RunId, int]], None]) -> None:
        """Call `heard` on the event loop after each commit to the journal, with each run's newest entry number `n`."""
        ...
