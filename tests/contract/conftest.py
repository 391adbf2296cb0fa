"""Every promise of the store is tried on SQLite and on PostgreSQL."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from storage.store import SqlStore
from tests.support.postgres import Cluster, running_cluster
from tests.support.store import opened, sqlite_at


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.live)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database with the tables of this version and nothing in them."""
    if request.param == "sqlite":
        yield sqlite_at(tmp_path)
        return
    cluster: Cluster = request.getfixturevalue("postgres")
    database = cluster.database()
    yield database
    cluster.drop(database)


@pytest.fixture
async def store(url: str) -> AsyncIterator[SqlStore]:
    async with opened(url) as store:
        yield store


@pytest.fixture
async def other(url: str, store: SqlStore) -> AsyncIterator[SqlStore]:
    """The same database, opened by another process."""
    async with opened(url) as second:
        yield second
