"""Look at a database without changing anything: for `sluice doctor`."""

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from storage.faults import translated
from storage.migrate import newest

PATIENCE = 2


def examine(url: str) -> str:
    """Which of our versions the database is at: ``new``, ``old`` or ``current``; ``other`` for one that is not ours.

    Raises `Broken` or `Interrupted` when it cannot be reached or written to.
    """
    engine = create_engine(url, connect_args={"timeout" if url.startswith("sqlite") else "connect_timeout": PATIENCE})
    try:
        return _look(engine)
    except (SQLAlchemyError, OSError) as error:
        raise translated(error) from error
    finally:
        engine.dispose()


def _look(engine: Engine) -> str:
    with engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
        if found == newest():
            _try_to_write(connection)
            return "current"
        if found is not None:
            return "old"
        return "other" if engine.dialect.has_table(connection, "runs") else "new"


def _try_to_write(connection: Connection) -> None:
    """Take what a writer needs, and give it back."""
    connection.execute(text("UPDATE counters SET value = value WHERE name = ''"))
    connection.rollback()
