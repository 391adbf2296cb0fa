"""One thread that writes, and commits in one transaction what many runs decided.

The danger: a commit costs a disk write, and an asynchronous program is tempted to make one per request, each waiting
for the one before. The promise: whoever awaits `submit` gets the result only when it is committed, and a job that
fails changes nothing and disturbs nobody.

Why it holds: jobs that wait are run one after another inside one transaction, which is then committed once. A job that
is refused before it wrote anything only loses its own turn. A job that fails after a write spoils the transaction: it
is rolled back and every job of the batch is run again, each in a transaction of its own. Jobs are functions of the book
alone, so running one twice is running it once. Only a database that takes nothing at all ends the whole batch at once:
each job would wait for it as long as the first did.
"""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from engine.errors import Interrupted, LeaseLost, SluiceError
from engine.model import Run, RunId
from storage.book import SqlBook
from storage.chain import Sealing
from storage.faults import Faults, StoreUnavailable, translated

T = TypeVar("T")
BATCH = 256
TRIES = 3
"""How often a job is run that met another writer's change. It reads what is there anew each time."""


class Outcome(Enum):
    """What became of a batch: all of it, none of it, or each job has to be run for itself."""

    COMMITTED = "committed"
    FAILED = "failed"
    APART = "apart"


@dataclass(slots=True)
class Job(Generic[T]):
    """One piece of work and who waits for it."""

    work: Callable[[SqlBook], T]
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[T]"
    result: T | None = None
    error: BaseException | None = None

    def settle(self) -> None:
        """Hand over what came of it, on the loop of whoever waits."""
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)  # type: ignore[arg-type]


@dataclass(slots=True)
class Writer:
    """The writing thread. After each commit, `heard` is told on `loop` which runs' journals grew, and how far."""

    engine: Engine
    heard: Callable[[dict[str, int]], None]
    faults: Faults = field(default_factory=Faults)
    _jobs: "queue.SimpleQueue[Job[Any] | None]" = field(default_factory=queue.SimpleQueue)
    _thread: threading.Thread | None = None
    _ended: bool = False
    _touched: dict[str, int] = field(default_factory=dict)
    _connection: Connection | None = None
    loop: asyncio.AbstractEventLoop | None = None
    """Where `heard` is called."""
    trouble: StoreUnavailable | None = None
    """Why something could not be written. It stays until the store is found to be well again."""
    sealing: Sealing = field(default_factory=Sealing)
    """What the journal and the audit are chained with."""
    clean: Callable[[str], str] = str
    _writing: Engine = field(init=False)
    _memory: dict[RunId, Run] | None = None

    def __post_init__(self) -> None:
        """Say at the start of each transaction that it will write."""
        self._writing = self.engine.execution_options(writes=True)
        self._memory = {} if self.engine.dialect.name == "sqlite" else None

    @property
    def waiting(self) -> int:
        """How many jobs wait to be run."""
        return self._jobs.qsize()

    def start(self) -> None:
        """Begin to write."""
        self._thread = threading.Thread(target=self._live, name="sluice-writer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish what is waiting, then end."""
        self._ended = True
        self._jobs.put(None)
        if self._thread is not None:
            self._thread.join(timeout=30)

    async def submit(self, work: Callable[[SqlBook], T]) -> T:
        """Run `work` in a transaction; returns when it is committed."""
        return await self.post(work)

    def post(self, work: Callable[[SqlBook], T]) -> "asyncio.Future[T]":
        """Run `work` in a transaction soon: what was posted before `stop` is done. Gives what is told of the commit."""
        if self._ended:
            raise Interrupted("The store is closed.")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._jobs.put(Job(work, loop, future))
        return future

    def _live(self) -> None:
        while (batch := self._gather()) is not None:
            self._write(batch)
            self.trouble = next((job.error for job in batch if isinstance(job.error, StoreUnavailable)), self.trouble)
            self._answer(batch)
        self._forget()

    def _answer(self, batch: list[Job[Any]]) -> None:
        """Tell of the commit, then those who wait, in one call for each loop: each call wakes a thread.

        A loop that has ended waits for nothing any more.
        """
        touched, self._touched = self._touched, {}
        loops = {job.loop for job in batch}
        if touched and self.loop is not None:
            loops.add(self.loop)
        for loop in loops:
            jobs = [job for job in batch if job.loop is loop]
            news = touched if loop is self.loop else {}
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._settle, jobs, news)

    def _settle(self, jobs: list[Job[Any]], news: dict[str, int]) -> None:
        if news:
            self.heard(news)
        for job in jobs:
            job.settle()

    def _gather(self) -> list[Job[Any]] | None:
        first = self._jobs.get()
        if first is None:
            return None
        batch = [first]
        while len(batch) < BATCH:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is None:
                self._jobs.put(None)
                break
            batch.append(job)
        return batch

    def _write(self, batch: list[Job[Any]]) -> None:
        if self._together(batch) is not Outcome.APART:
            return
        if len(batch) == 1 and not isinstance(batch[0].error, Interrupted):
            return
        for job in batch:
            self._alone(job)

    def _alone(self, job: Job[Any]) -> None:
        for _ in range(TRIES):
            self._together([job])
            if not isinstance(job.error, Interrupted) or isinstance(job.error, LeaseLost):
                return

    def _together(self, batch: list[Job[Any]]) -> Outcome:
        """Run and commit `batch` as one transaction."""
        try:
            connection = self._connected()
            book = SqlBook(connection, self._memory, self.sealing, self.clean)
            for job in batch:
                if not _ran(job, book):
                    self._forget()
                    return _undone(batch, job)
            self._commit(connection, book)
        except (SQLAlchemyError, OSError) as error:
            self._forget()
            return _failed(batch, translated(error))
        except Interrupted as error:
            self._forget()
            return _failed(batch, error)
        if book.touched:
            self.faults.after_commit()
            self._touched.update(book.touched)
        return Outcome.COMMITTED

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = self._writing.connect()
        return self._connection

    def _forget(self) -> None:
        """Undo the transaction by giving the connection back. What was undone was remembered, too."""
        if self._memory is not None:
            self._memory.clear()
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(SQLAlchemyError, OSError):
                connection.close()

    def _commit(self, connection: Connection, book: SqlBook) -> None:
        book.flush()
        if book.touched:
            self.faults.before_commit()
        connection.commit()


def _ran(job: Job[Any], book: SqlBook) -> bool:
    """Whether the transaction may go on after the job. A job's error is kept for whoever waits for it."""
    writes = book.writes
    try:
        job.result = job.work(book)
        job.error = None
    except (SQLAlchemyError, OSError) as error:
        job.error = translated(error)
        return False
    except Exception as error:  # noqa: BLE001 - one thread writes for everybody: a bug in one job is for who waits for it
        job.error = error
        return book.writes == writes
    return True


def _undone(batch: list[Job[Any]], culprit: Job[Any]) -> Outcome:
    if isinstance(culprit.error, StoreUnavailable):
        return _failed(batch, culprit.error)
    return Outcome.APART


def _failed(batch: list[Job[Any]], error: SluiceError) -> Outcome:
    """Nothing of `batch` was committed. A database that is locked or full is so for each of its jobs alone, too."""
    for job in batch:
        job.error = error
    return Outcome.FAILED if isinstance(error, StoreUnavailable) else Outcome.APART
