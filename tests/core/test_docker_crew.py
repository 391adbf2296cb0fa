"""Containers of an engine that declines some of what it is asked."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from engine.builders.docker_engine import Engine
from engine.builders.docker_words import EngineAway
from engine.builders.registries import Registries
from engine.errors import SluiceError
from engine.model import Json
from engine.targets.docker import names
from engine.targets.docker.asking import Container, Containers, Declined
from engine.targets.docker.crew import ContainerCrew
from engine.targets.docker.images import Images
from engine.targets.docker.network import Network
from engine.targets.fronted.state import Workload
from tests.support.console import StillClock

HELLO = Workload("docker/hello", 80)
ENDED = {"State": {"Status": "exited", "ExitCode": 3}}


class OneEnded(Containers):
    """One container, which has ended. `faults` are what the engine says instead of an answer."""

    def __init__(self, place: str, faults: Mapping[str, SluiceError]) -> None:
        super().__init__(Engine("unix:///nowhere"))
        self._place = place
        self._faults = faults

    async def listed(self, labels: Mapping[str, str] | None = None) -> list[Container]:
        name = names.container_name("hello.stable.1", self._place)
        return [Container("1", "exited", {names.INSTANCE: "hello.stable.1"}, name)]

    async def inspected(self, container: str) -> Json | None:
        if "inspect" in self._faults:
            raise self._faults["inspect"]
        return ENDED

    async def last_words(self, container: str) -> str:
        raise self._faults["logs"]


def crew_of(faults: Mapping[str, SluiceError], root: Path) -> ContainerCrew:
    mark, clock = names.Mark(root), StillClock()
    containers = OneEnded(mark.place, faults)
    images = Images(containers, Registries(), clock)
    return ContainerCrew(containers, images, Network(containers, mark, lambda _: True), mark, clock)


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        ({"logs": Declined("configured logging driver does not support reading")}, "ended: exit code 3"),
        ({"inspect": Declined("layer does not exist")}, "ended: layer does not exist"),
    ],
)
async def test_a_container_that_the_engine_does_not_tell_of_does_not_make_the_engine_one_that_is_away(
    faults: Mapping[str, SluiceError], words: str, tmp_path: Path
) -> None:
    crew = crew_of(faults, tmp_path)
    assert await crew.present(HELLO)
    assert await crew.exits(HELLO) == {"hello.stable.1": words}
    assert crew.away is None


async def test_an_engine_that_stops_answering_while_it_is_asked_how_a_container_ended_is_away(tmp_path: Path) -> None:
    crew = crew_of({"logs": EngineAway("unix:///nowhere", "nobody listens")}, tmp_path)
    await crew.present(HELLO)
    assert await crew.exits(HELLO) == {}
    assert isinstance(crew.away, EngineAway)
