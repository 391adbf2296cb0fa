"""Bring a database to the tables of this version."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

_HERE = Path(__file__).parent / "migrations"


def newest() -> str | None:
    """The version that this code wants."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def upgrade(engine: Engine, to: str | None = None) -> None:
    """Run the migrations that `engine`'s database has not seen, up to the version `to` (None: the newest)."""
    config, head = _config(), to or newest()
    with engine.begin() as connection:
        if MigrationContext.configure(connection).get_current_revision() == head:
            return
        config.attributes["connection"] = connection
        command.upgrade(config, head or "head")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_HERE))
    return config
