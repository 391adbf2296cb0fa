"""`SqlStore`: the database opened, brought up to date, written by one thread and read by others."""

import asyncio
import sqlite3
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeVar

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from engine.errors import Broken, Interrupted
from engine.model import RunId
from engine.redaction import Redaction
from storage.address import NoAddress, address_of
from storage.book import SqlBook
from storage.chain import Sealing
from storage.faults import translated
from storage.migrate import upgrade
from storage.writer import Writer

T = TypeVar("T")
Durability = Literal["NORMAL", "FULL"]
READERS = 2


@dataclass(slots=True)
class SqlStore:
    """`engine.ports.Store` on SQLite or PostgreSQL.

    SQLite with `synchronous` NORMAL (WAL): what was committed survives the death of the process and of the operating
    system's programs; a power cut may lose the last commits but never tears one. FULL waits for the disk at each
    commit.
    """

    engine: Engine
    sealing: Sealing = field(default_factory=Sealing)
    redaction: Redaction = field(default_factory=Redaction)
    writer: Writer = field(init=False)
    _reading: Engine = field(init=False)
    _heard: list[Callable[[Mapping[RunId, int]], None]] = field(default_factory=list)
    _readers: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(READERS, "sluice-reader"))

    def __post_init__(self) -> None:
        """Make the writing thread, which begins with `start`; what reads sees one moment of the database."""
        self.writer = Writer(self.engine, self._tell, sealing=self.sealing, clean=self.redaction.clean)
        if self.engine.dialect.name == "postgresql":
            self._reading = self.engine.execution_options(isolation_level="REPEATABLE READ")
        else:
            self._reading = self.engine

    @classmethod
    def open(
        cls,
        url: str,
        *,
        synchronous: Durability = "NORMAL",
        migrate: bool = True,
        patience: float = 5.0,
        chain_key: str = "",
        redaction: Redaction | None = None,
    ) -> "SqlStore":
        """Open the database at an SQLAlchemy `url`, with its tables brought up to date when `migrate`.

        `patience` is how many seconds an SQLite database may be locked by somebody else before that is an error.
        `chain_key` seals what is added to the journal and to the audit; empty: they are chained, but not sealed.
        `redaction` knows what must not come to stand in logs. The audit is not looked through: who sets
        a secret to a word could hide that word there.
        """
        try:
            engine = create_engine(address_of(url), **_options(url, patience))
        except (SQLAlchemyError, ImportError, ValueError, TypeError):
            raise NoAddress from None
        if engine.dialect.name == "sqlite":
            _prepare_sqlite(engine, synchronous)
        try:
            if migrate:
                upgrade(engine)
        except (SQLAlchemyError, OSError) as error:
            engine.dispose()
            raise translated(error) from error
        return cls(engine, Sealing(chain_key), redaction or Redaction())

    def start(self) -> None:
        """Begin to write; commits are told on the event loop that runs now."""
        self.writer.loop = asyncio.get_running_loop()
        self.writer.start()

    def close(self) -> None:
        """Finish what waits and close."""
        self.writer.stop()
        self._readers.shutdown(wait=True)
        self.engine.dispose()

    async def transact(self, work: Callable[[SqlBook], T]) -> T:
        """Run `work` in one transaction and commit it."""
        return await self.writer.submit(work)

    def post(self, work: Callable[[SqlBook], T]) -> "asyncio.Future[T]":
        """Run `work` in one transaction soon, before the store is closed; for whoever does not wait for it."""
        return self.writer.post(work)

    @property
    def trouble(self) -> str:
        """Why nothing can be written since the last time that something could not; empty when all is well."""
        found = self.writer.trouble
        return f"{found} {found.hint}".strip() if found else ""

    async def recover(self, now: datetime) -> bool:
        """Try whether the database takes something again after it did not. True when that trouble is over."""
        try:
            await self.transact(lambda book: book.chats.sign_of_life(now))
        except (Broken, Interrupted):
            return False
        self.writer.trouble = None
        return True

    async def read(self, work: Callable[[SqlBook], T]) -> T:
        """Run `work`, which only reads."""
        try:
            answer = asyncio.get_running_loop().run_in_executor(self._readers, self._read, work)
        except RuntimeError as error:
            raise Interrupted("The store is closed.") from error
        return await answer

    def _read(self, work: Callable[[SqlBook], T]) -> T:
        try:
            with self._reading.connect() as connection:
                return work(SqlBook(connection, sealing=self.sealing))
        except (SQLAlchemyError, OSError) as error:
            raise translated(error) from error

    def on_commit(self, heard: Callable[[Mapping[RunId, int]], None]) -> None:
        """Tell `heard` of each commit that added to the journal."""
        self._heard.append(heard)

    def _tell(self, runs: dict[str, int]) -> None:
        named = {RunId(run): newest for run, newest in runs.items()}
        for heard in self._heard:
            heard(named)


def _options(url: str, patience: float) -> dict[str, Any]:
    if url.startswith("sqlite"):
        return {"connect_args": {"check_same_thread": False, "timeout": patience}, "pool_size": READERS + 2}
    return {"pool_size": READERS + 2, "pool_pre_ping": True}


def _prepare_sqlite(engine: Engine, synchronous: Durability) -> None:
    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute(f"PRAGMA synchronous={synchronous}")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA temp_store=MEMORY")
        cursor.execute("PRAGMA cache_size=-4000")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _began(connection: Any) -> None:
        writes = connection.get_execution_options().get("writes", False)
        words = "BEGIN IMMEDIATE" if writes else "BEGIN"
        try:
            connection.connection.dbapi_connection.execute(words)
        except sqlite3.OperationalError as error:
            raise OperationalError(words, None, error) from error
