"""The tables, written once for SQLite and PostgreSQL. `storage/migrations` brings a database here."""

from datetime import UTC, datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
    }
)


class Moment(TypeDecorator[datetime]):
    """Aware UTC; SQLite keeps no zone, so it is taken off on the way in and put back on the way out."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn an aware moment into what the database keeps."""
        if value is None or dialect.name != "sqlite":
            return value
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy asks so
        """Turn what the database kept into an aware moment."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Number = BigInteger().with_variant(Integer, "sqlite")
Workload = String(200).with_variant(String(64), "sqlite")
"""CLUSTER/NAMESPACE/NAME at its longest. SQLite heeds no length, and would copy a whole table to change one."""
ReleaseName = String(220).with_variant(String(128), "sqlite")
"""A workload's name, an @, and up to 18 characters."""

pipelines = Table(
    "pipelines",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("pipeline_group", String(64), nullable=False),
    Column("version", Integer, nullable=False),
    Column("deleted_at", Moment),
)

pipeline_versions = Table(
    "pipeline_versions",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("text", Text, nullable=False),
    Column("by", String(128), nullable=False),
    Column("at", Moment, nullable=False),
)

counters = Table(
    "counters",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("value", Number, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("id", String(128), primary_key=True),
    Column("pipeline", String(64), nullable=False),
    Column("number", Integer, nullable=False),
    Column("workload", Workload, nullable=False),
    Column("state", String(16), nullable=False),
    Column("active", Boolean, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("document", Text, nullable=False),
    Column("due_at", Moment),
    Column("lease_owner", String(128)),
    Column("lease_until", Moment),
    Column("token", Integer, nullable=False, default=0),
)
Index("ix_runs_pipeline_number", runs.c.pipeline, runs.c.number.desc())
Index("ix_runs_created", runs.c.created_at.desc())
IS_ACTIVE = text("runs.active")
"""An index over some rows serves only queries that say the same in the same words; SQLAlchemy writes ``active = 1``."""
_ACTIVE, _DUE = text("active"), text("due_at IS NOT NULL")
Index("ix_runs_active_created", runs.c.created_at, sqlite_where=_ACTIVE, postgresql_where=_ACTIVE)
Index("ix_runs_active", runs.c.workload, sqlite_where=_ACTIVE, postgresql_where=_ACTIVE)
Index("ix_runs_active_pipeline", runs.c.pipeline, sqlite_where=_ACTIVE, postgresql_where=_ACTIVE)
Index("ix_runs_due", runs.c.due_at, sqlite_where=_DUE, postgresql_where=_DUE)

holders = Table(
    "holders",
    metadata,
    Column("workload", Workload, primary_key=True),
    Column("run", String(128), nullable=False),
)

journal = Table(
    "journal",
    metadata,
    Column("seq", Number, primary_key=True, autoincrement=True),
    Column("run", String(128), nullable=False),
    Column("n", Integer, nullable=False),
    Column("at", Moment, nullable=False),
    Column("by", String(128), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("document", Text, nullable=False),
    Column("hash", String(64)),
    UniqueConstraint("run", "n"),
)

timers = Table(
    "timers",
    metadata,
    Column("run", String(128), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("stage", Integer, primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("due_at", Moment, nullable=False, index=True),
)

releases = Table(
    "releases",
    metadata,
    Column("id", ReleaseName, primary_key=True),
    Column("workload", Workload, nullable=False, index=True),
    Column("document", Text, nullable=False),
)

deployments = Table(
    "deployments",
    metadata,
    Column("workload", Workload, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("release", ReleaseName, nullable=False),
    Column("run", String(128), nullable=False),
    Column("at", Moment, nullable=False),
    Column("document", Text, nullable=False),
)

applied = Table(
    "applied",
    metadata,
    Column("run", String(128), primary_key=True),
    Column("stage", Integer, primary_key=True),
    Column("thing", String(400), primary_key=True),
    Column("at", Moment, nullable=False, index=True),
    Column("document", Text, nullable=False),
)

retired = Table(
    "retired",
    metadata,
    Column("workload", Workload, primary_key=True),
    Column("by", String(128), nullable=False),
    Column("at", Moment, nullable=False),
    Column("ended", Boolean, nullable=False),
)

locks = Table(
    "locks",
    metadata,
    Column("workload", String(200), primary_key=True),
    Column("reason", Text, nullable=False),
    Column("by", String(128), nullable=False),
    Column("at", Moment, nullable=False),
    Column("run", String(128), nullable=False),
    Column("barred", Text, nullable=False),
    Column("told", Text, nullable=False),
)

left_grays = Table(
    "left_grays",
    metadata,
    Column("workload", String(200), primary_key=True),
    Column("run", String(128), nullable=False),
)

logs = Table(
    "logs",
    metadata,
    Column("seq", Number, primary_key=True, autoincrement=True),
    Column("run", String(128), nullable=False),
    Column("stage", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("at", Moment, nullable=False),
    Column("text", Text, nullable=False),
)
Index("ix_logs_run", logs.c.run, logs.c.seq)

people = Table(
    "people",
    metadata,
    Column("id", String(128), primary_key=True),
    Column("email", String(256), nullable=False, default=""),
    Column("phone", String(64), nullable=False, default=""),
)

accounts = Table(
    "accounts",
    metadata,
    Column("id", String(128), primary_key=True),
    Column("person", String(128), nullable=False, index=True),
    Column("name", String(128), nullable=False),
    Column("direct", String(128), nullable=False),
    Column("linked_at", Moment, nullable=False),
)

link_codes = Table(
    "link_codes",
    metadata,
    Column("person", String(128), primary_key=True),
    Column("code", String(64), nullable=False, unique=True),
    Column("expires_at", Moment, nullable=False),
)

link_tries = Table(
    "link_tries",
    metadata,
    Column("account", String(128), primary_key=True),
    Column("wrong", Integer, nullable=False),
    Column("since", Moment, nullable=False),
)

rooms = Table(
    "rooms",
    metadata,
    Column("id", String(128), primary_key=True),
    Column("cursor", Number, nullable=False),
    Column("lost", Text, nullable=False, server_default=text("''")),
    Column("moved", String(128), nullable=False, server_default=text("''")),
)

cards = Table(
    "cards",
    metadata,
    Column("room", String(128), primary_key=True),
    Column("run", String(128), primary_key=True),
    Column("message", String(128), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("told", Integer, nullable=False, server_default="0"),
)
Index("ix_cards_run", cards.c.run)

subscriptions = Table(
    "subscriptions",
    metadata,
    Column("room", String(128), primary_key=True),
    Column("pipeline", String(64), primary_key=True),
    Column("wants", String(16), nullable=False),
    Column("by", String(128), nullable=False),
)
Index("ix_subscriptions_pipeline", subscriptions.c.pipeline)

buttons = Table(
    "buttons",
    metadata,
    Column("token", String(32), primary_key=True),
    Column("room", String(128), nullable=False),
    Column("line", Text, nullable=False),
    Column("danger", Boolean, nullable=False),
    Column("at", Moment, nullable=False, index=True),
)

updates = Table(
    "updates",
    metadata,
    Column("seq", Number, primary_key=True, autoincrement=True),
    Column("key", String(200), nullable=False, unique=True),
    Column("at", Moment, nullable=False, index=True),
    Column("is_open", Boolean, nullable=False),
    Column("document", Text, nullable=False),
)
_OPEN = text("is_open")
Index("ix_updates_open", updates.c.seq, sqlite_where=_OPEN, postgresql_where=_OPEN)

audit = Table(
    "audit",
    metadata,
    Column("seq", Number, primary_key=True, autoincrement=True),
    Column("key", String(200), nullable=False, unique=True),
    Column("at", Moment, nullable=False, index=True),
    Column("person", String(128), nullable=False),
    Column("account", String(128), nullable=False),
    Column("room", String(128), nullable=False),
    Column("line", Text, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("said", Text, nullable=False),
    Column("journal_seq", Number, nullable=False, server_default="0"),
    Column("journal_hash", String(64), nullable=False, server_default=text("''")),
    Column("before", String(64), nullable=False, server_default=text("''")),
    Column("hash", String(64), nullable=False, server_default=text("''")),
    Column("seal", String(64), nullable=False, server_default=text("''")),
)

confirmations = Table(
    "confirmations",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("room", String(128), nullable=False),
    Column("person", String(128), nullable=False),
    Column("phrase", String(128), nullable=False),
    Column("document", Text, nullable=False),
    Column("expires_at", Moment, nullable=False),
)
Index("ix_confirmations_person", confirmations.c.room, confirmations.c.person, unique=True)

inbox = Table(
    "inbox",
    metadata,
    Column("key", String(200), primary_key=True),
    Column("at", Moment, nullable=False, index=True),
)

messages = Table(
    "messages",
    metadata,
    Column("seq", Number, primary_key=True, autoincrement=True),
    Column("room", String(128), nullable=False),
    Column("at", Moment, nullable=False),
    Column("by", String(128), nullable=False),
    Column("document", Text, nullable=False),
)
Index("ix_messages_room", messages.c.room, messages.c.seq)
