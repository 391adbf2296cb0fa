"""One thread that writes, and commits in one transaction what many runs decided.

The danger: a commit costs a disk write, and an asynchronous program is tempted to make one per request, each waiting for the
one before. The promise: whoever awaits `submit` gets the result only when it is committed, and a job that fails changes
nothing and disturbs nobody.

Why it holds: jobs that wait are run one after another inside one transaction, which is then committed once. A job that is
refused before it wrote anything only loses its own turn. A job that fails after a write spoils the transaction: it is
rolled back and every job of the batch is run again, each in a transaction of its own. Jobs are functions of the book alone,
so running one twice is running it once.
"""

import asyncio
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from engine.errors import Interrupted, SluiceError
from storage.book import SqlBook
from storage.faults import Faults, translated

T = TypeVar("T")
BATCH = 256


@dataclass(slots=True)
class Job(Generic[T]):
    """One piece of work and who waits for it."""

    work: Callable[[SqlBook], T]
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[T]"
    result: T | None = None
    error: BaseException | None = None

    def answer(self) -> None:
        """Tell the one who waits. A loop that has ended waits for nothing any more."""
        try:
            self.loop.call_soon_threadsafe(self._settle)
        except RuntimeError:
            return

    def _settle(self) -> None:
        if self.future.cancelled():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)  # type: ignore[arg-type]


@dataclass(slots=True)
class Writer:
    """The writing thread. `heard` is called in it after each commit, with the runs whose journal grew and how far."""

    engine: Engine
    heard: Callable[[dict[str, int]], None]
    faults: Faults = field(default_factory=Faults)
    _jobs: "queue.SimpleQueue[Job[Any] | None]" = field(default_factory=queue.SimpleQueue)
    _thread: threading.Thread | None = None
    _ended: bool = False

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
        if self._ended:
            raise Interrupted("The store is closed.")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._jobs.put(Job(work, loop, future))
        return await future

    def _live(self) -> None:
        while (batch := self._gather()) is not None:
            self._write(batch)
            for job in batch:
                job.answer()

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
        if self._together(batch) or len(batch) == 1:
            return
        for job in batch:
            job.error = None
            self._together([job])

    def _together(self, batch: list[Job[Any]]) -> bool:
        """Run and commit `batch` as one transaction; False when it has to be taken apart."""
        try:
            with self.engine.begin() as connection:
                book = SqlBook(connection)
                for job in batch:
                    if not _ran(job, book):
                        connection.rollback()
                        return False
                self._commit(connection, book)
        except (SQLAlchemyError, OSError) as error:
            for job in batch:
                job.error = translated(error)
            return False
        if book.touched:
            self.faults.after_commit()
            self.heard(book.touched)
        return True

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
    except SQLAlchemyError as error:
        job.error = translated(error)
        return False
    except (SluiceError, ValueError, TypeError, KeyError, AttributeError, AssertionError, IndexError) as error:
        job.error = error
        return book.writes == writes
    return True
