"""Everything that is stored, inside one transaction: `engine.ports.Book`, and what only the chats need."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, CursorResult, Executable

from engine.model import Run, RunId
from storage.accounts import SqlAccounts
from storage.applied import SqlApplied
from storage.attached import SqlAttached
from storage.audit import SqlAudit
from storage.buttons import SqlButtons
from storage.chain import Sealing
from storage.chats import SqlChats
from storage.code_accounts import SqlCodeAccounts
from storage.drafts import SqlDrafts
from storage.freezes import SqlFreezes
from storage.grants import SqlGrants
from storage.hooks import SqlHooks
from storage.journal import SqlJournal
from storage.locks import SqlLocks
from storage.logs import SqlLogs
from storage.outbox import SqlOutbox
from storage.packages import SqlPackages
from storage.people import SqlPeople
from storage.pipelines import SqlPipelines
from storage.pushes import SqlPushes
from storage.ready import Ready, ReadyQuestion
from storage.releases import SqlReleases
from storage.rooms import SqlRooms
from storage.runs import SqlRuns
from storage.secrets import SqlSecrets
from storage.subscriptions import SqlSubscriptions
from storage.templates import SqlTemplates
from storage.timers import SqlTimers
from storage.updates import SqlUpdates


@dataclass(slots=True)
class SqlBook:
    """One transaction.

    `memory` is what the sole writer of a database knows without reading. `writes` counts what it changes, `touched` are
    the runs whose journal grew, with their newest entry. `sealing` is what journal and audit are chained with.
    `clean` takes out of logs what is known to be secret.
    """

    connection: Connection
    memory: dict[RunId, Run] | None = None
    sealing: Sealing = field(default_factory=Sealing)
    clean: Callable[[str], str] = str
    writes: int = 0
    touched: dict[str, int] = field(default_factory=dict)
    runs: SqlRuns = field(init=False)
    journal: SqlJournal = field(init=False)
    timers: SqlTimers = field(init=False)
    pipelines: SqlPipelines = field(init=False)
    releases: SqlReleases = field(init=False)
    applied: SqlApplied = field(init=False)
    locks: SqlLocks = field(init=False)
    freezes: SqlFreezes = field(init=False)
    logs: SqlLogs = field(init=False)
    people: SqlPeople = field(init=False)
    chats: SqlChats = field(init=False)
    rooms: SqlRooms = field(init=False)
    accounts: SqlAccounts = field(init=False)
    subscriptions: SqlSubscriptions = field(init=False)
    buttons: SqlButtons = field(init=False)
    updates: SqlUpdates = field(init=False)
    audit: SqlAudit = field(init=False)
    code_accounts: SqlCodeAccounts = field(init=False)
    attached: SqlAttached = field(init=False)
    pushes: SqlPushes = field(init=False)
    packages: SqlPackages = field(init=False)
    grants: SqlGrants = field(init=False)
    templates: SqlTemplates = field(init=False)
    drafts: SqlDrafts = field(init=False)
    hooks: SqlHooks = field(init=False)
    outbox: SqlOutbox = field(init=False)
    secrets: SqlSecrets = field(init=False)

    def __post_init__(self) -> None:
        """Open each part on this transaction."""
        self.runs = SqlRuns(self, self.memory)
        self.journal = SqlJournal(self, self.sealing)
        self.timers = SqlTimers(self)
        self.pipelines = SqlPipelines(self)
        self.releases = SqlReleases(self)
        self.applied = SqlApplied(self)
        self.locks = SqlLocks(self)
        self.freezes = SqlFreezes(self)
        self.logs = SqlLogs(self)
        self.people = SqlPeople(self)
        self.chats = SqlChats(self)
        self.rooms = SqlRooms(self)
        self.accounts = SqlAccounts(self)
        self.subscriptions = SqlSubscriptions(self)
        self.buttons = SqlButtons(self)
        self.updates = SqlUpdates(self)
        self.audit = SqlAudit(self, self.sealing)
        self.packages = SqlPackages(self)
        self.code_accounts = SqlCodeAccounts(self)
        self.attached = SqlAttached(self)
        self.pushes = SqlPushes(self)
        self.hooks = SqlHooks(self)
        self.outbox = SqlOutbox(self)
        self.secrets = SqlSecrets(self)
        self.grants = SqlGrants(self)
        self.templates = SqlTemplates(self)
        self.drafts = SqlDrafts(self)

    def read(self, statement: Executable, values: Any = None) -> CursorResult[Any]:
        """Ask the database."""
        return self.connection.execute(statement, values)

    def write(self, statement: Executable, values: Any = None) -> CursorResult[Any]:
        """Change the database."""
        self.wrote()
        return self.connection.execute(statement, values)

    def ask(self, question: ReadyQuestion, values: Mapping[str, Any] = MappingProxyType({})) -> Sequence[Any] | None:
        """Ask the database what is asked often."""
        return question.ask(self.connection, values)

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
        self.audit.flush()

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self.connection.dialect.name
