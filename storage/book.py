"""Everything that is stored, inside one transaction: `engine.ports.Book`, and what only the chats need."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, CursorResult, Executable

from engine.model import Run, RunId
from storage.accounts import SqlAccounts
from storage.audit import SqlAudit
from storage.buttons import SqlButtons
from storage.chats import SqlChats
from storage.journal import SqlJournal
from storage.locks import SqlLocks
from storage.logs import SqlLogs
from storage.people import SqlPeople
from storage.pipelines import SqlPipelines
from storage.ready import Ready
from storage.releases import SqlReleases
from storage.rooms import SqlRooms
from storage.runs import SqlRuns
from storage.subscriptions import SqlSubscriptions
from storage.timers import SqlTimers
from storage.updates import SqlUpdates


@dataclass(slots=True)
class SqlBook:
    """One transaction.

    `memory` is what the sole writer of a database knows without reading. `writes` counts what it changes, `touched` are
    the runs whose journal grew, with their newest entry.
    """

    connection: Connection
    memory: dict[RunId, Run] | None = None
    writes: int = 0
    touched: dict[str, int] = field(default_factory=dict)
    runs: SqlRuns = field(init=False)
    journal: SqlJournal = field(init=False)
    timers: SqlTimers = field(init=False)
    pipelines: SqlPipelines = field(init=False)
    releases: SqlReleases = field(init=False)
    locks: SqlLocks = field(init=False)
    logs: SqlLogs = field(init=False)
    people: SqlPeople = field(init=False)
    chats: SqlChats = field(init=False)
    rooms: SqlRooms = field(init=False)
    accounts: SqlAccounts = field(init=False)
    subscriptions: SqlSubscriptions = field(init=False)
    buttons: SqlButtons = field(init=False)
    updates: SqlUpdates = field(init=False)
    audit: SqlAudit = field(init=False)

    def __post_init__(self) -> None:
        """Open each part on this transaction."""
        self.runs = SqlRuns(self, self.memory)
        self.journal = SqlJournal(self)
        self.timers = SqlTimers(self)
        self.pipelines = SqlPipelines(self)
        self.releases = SqlReleases(self)
        self.locks = SqlLocks(self)
        self.logs = SqlLogs(self)
        self.people = SqlPeople(self)
        self.chats = SqlChats(self)
        self.rooms = SqlRooms(self)
        self.accounts = SqlAccounts(self)
        self.subscriptions = SqlSubscriptions(self)
        self.buttons = SqlButtons(self)
        self.updates = SqlUpdates(self)
        self.audit = SqlAudit(self)

    def read(self, statement: Executable, values: Any = None) -> CursorResult[Any]:
        """Ask the database."""
        return self.connection.execute(statement, values)

    def write(self, statement: Executable, values: Any = None) -> CursorResult[Any]:
        """Change the database."""
        self.wrote()
        return self.connection.execute(statement, values)

    def send(self, ready: Ready, rows: Sequence[Mapping[str, Any]]) -> int:
        """Change the database as `wrote` has counted."""
        return ready.run(self.connection, rows)

    def wrote(self) -> None:
        """Count a change: whoever fails from here on has to be rolled back."""
        self.writes += 1

    def flush(self) -> None:
        """Send what was gathered for one statement."""
        self.runs.flush()
        self.journal.flush()

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self.connection.dialect.name
