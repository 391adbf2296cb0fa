"""The example pipelines are pipelines."""

from pathlib import Path

import pytest

from engine.pipeline import check, parse
from tests.support.tree import ROOT

EXAMPLES = sorted((ROOT / "deploy/examples").glob("*.yaml"))


def test_there_is_an_example_of_every_strategy() -> None:
    deployments = [parse(path.read_text()).pipeline.deployment for path in EXAMPLES]
    assert {one.strategy for one in deployments if one} == {"canary", "blue_green", "istio"}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_gives_nothing_to_complain_about(path: Path) -> None:
    assert check(path.read_text(), frozenset({"ann", "bob"})) == ()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_explains_itself_first(path: Path) -> None:
    assert path.read_text().startswith("# ")


def test_examples_can_stand_side_by_side() -> None:
    deployments = [parse(path.read_text()).pipeline.deployment for path in EXAMPLES]
    services = [one.service for one in deployments if one]
    ports = [port for service in services for port in (service.port, service.preview_port) if port is not None]
    assert len(ports) == len(set(ports))
