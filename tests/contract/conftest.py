"""Every promise of the store is tried on SQLite and on PostgreSQL, those of clusters on a stand-in and a real one."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from storage.store import SqlStore
from tests.support.kube_client import Client
from tests.support.kube_facts import in_cluster
from tests.support.kube_facts import on_stand_in as facts_on_stand_in
from tests.support.kube_place import Place
from tests.support.kube_places import on_cluster, on_stand_in
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


@pytest.fixture(
    params=["stand-in", pytest.param("cluster", marks=[pytest.mark.cluster, pytest.mark.timeout(600)])],
)
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    """A namespace; after the test every promise must have been kept, and nothing of Sluice's may be left in it."""
    async with on_stand_in() if request.param == "stand-in" else on_cluster() as place:
        yield place


@pytest.fixture(
    params=["stand-in", pytest.param("cluster", marks=[pytest.mark.cluster, pytest.mark.timeout(300)])],
)
async def api(request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    """Somebody who asks the API, in a namespace of his own."""
    async with in_cluster() if request.param == "cluster" else facts_on_stand_in() as client:
        yield client
