"""What is made once for each worker of a test run: parts that are slow to start, started when a test asks for them."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.support.docker_engine import DockerEngine, running_engine, try_a_container

# A machine that stands still for a moment has found no bug.
settings.register_profile("patient", settings(), deadline=None)
settings.load_profile("patient")


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[DockerEngine]:
    """A Docker Engine: see `tests.support.docker_engine`."""
    with running_engine() as engine:
        try_a_container(engine)
        yield engine
