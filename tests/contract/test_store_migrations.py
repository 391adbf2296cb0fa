"""A new database has exactly the tables of `storage.tables`, and the indexes that the queries need."""

from datetime import datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, MetaData, Table, create_engine, inspect, select, text
from sqlalchemy.dialects import sqlite

from storage import runs
from storage.migrate import upgrade
from storage.tables import metadata
from tests.support.postgres import Cluster
from tests.support.store import T0, sqlite_at


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.live)])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return sqlite_at(tmp_path)
    cluster: Cluster = request.getfixturevalue("postgres")
    return cluster.database("template0")


def difference(engine: Engine) -> list[object]:
    with engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))


def uniques(engine: Engine) -> set[str]:
    found = inspect(engine)
    names = {index["name"] for table in metadata.tables for index in found.get_indexes(table) if index["unique"]}
    names |= {rule["name"] for table in metadata.tables for rule in found.get_unique_constraints(table)}
    return {name for name in names if name}


def test_the_migrations_lead_to_the_tables_as_they_are_written(empty: str) -> None:
    engine = create_engine(empty)
    upgrade(engine)
    assert difference(engine) == []
    assert uniques(engine) == {
        "ix_confirmations_person",
        "uq_audit_key",
        "uq_journal_run",
        "uq_link_codes_code",
        "uq_updates_key",
    }
    engine.dispose()


def test_upgrading_again_changes_nothing(empty: str) -> None:
    engine = create_engine(empty)
    upgrade(engine)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO counters (name, value) VALUES ('run:shop', 7)"))
    upgrade(engine)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT value FROM counters")).scalars().all() == [7]
    engine.dispose()


@pytest.mark.parametrize("query", ["_ACTIVE", "_QUEUED", "_CLAIMABLE", "_BY_CREATION", "_OF_PIPELINE"])
def test_what_is_asked_often_is_found_by_an_index(tmp_path: Path, query: str) -> None:
    engine = create_engine(sqlite_at(tmp_path))
    upgrade(engine)
    statement = getattr(runs, query).compile(dialect=sqlite.dialect())
    with engine.connect() as connection:
        values = dict.fromkeys(statement.params, 1)
        plan = connection.exec_driver_sql(
            f"EXPLAIN QUERY PLAN {statement}", tuple(values[name] for name in statement.positiontup or ())
        )
        words = " ".join(row[-1] for row in plan)
    assert "USING INDEX ix_runs_" in words, words
    engine.dispose()


@pytest.mark.parametrize("table", ["runs", "releases", "deployments", "holders", "retired"])
def test_what_was_kept_before_workloads_had_long_names_is_still_there(empty: str, table: str) -> None:
    engine = create_engine(empty)
    upgrade(engine, "0002")
    with engine.begin() as connection:
        old = Table(table, MetaData(), autoload_with=connection)
        row = {column.name: some(column.type.python_type) for column in old.columns if not column.nullable}
        connection.execute(old.insert(), {**row, "workload": "shop"})
    indexes = {index["name"] for index in inspect(engine).get_indexes(table)}
    upgrade(engine)
    with engine.connect() as connection:
        assert connection.execute(select(old.c.workload)).scalars().all() == ["shop"]
    assert {index["name"] for index in inspect(engine).get_indexes(table)} == indexes
    engine.dispose()


def some(kind: type) -> object:
    """A value of this kind."""
    return T0.replace(tzinfo=None) if kind is datetime else kind(1)
