"""What becomes of instances when people lay hands on the engine's networks, or copy what Sluice has made."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from docker.types import IPAMConfig, IPAMPool

from tests.support.docker_engine import DockerEngine
from tests.support.docker_place import DockerPlace, docker_place
from tests.support.traffic import ask_many

pytestmark = pytest.mark.live


@pytest.fixture
async def place(tmp_path: Path, docker_engine: DockerEngine) -> AsyncIterator[DockerPlace]:
    place = docker_place(tmp_path, docker_engine)
    await place.launch("stable", place.release("v1"), 2)
    await place.route({"stable": 100})
    yield place
    await place.end()


@pytest.mark.parametrize("count", [1, 2])
async def test_instances_get_other_addresses_when_their_network_was_made_again_with_another_range(
    count: int, place: DockerPlace
) -> None:
    await place.launch("stable", next(iter(place.releases)), count)
    api, name = place.engine.client().api, place.docker._ours._network.name
    for each in await place.containers():
        api.remove_container(each.id, force=True)
    before = api.inspect_network(name)["IPAM"]["Config"][0]["Subnet"]
    second = before.split(".")[1]
    api.remove_network(name)
    pool = IPAMPool(subnet=f"10.250.{second}.0/24", gateway=f"10.250.{second}.1")
    api.create_network(name, driver="bridge", ipam=IPAMConfig(pool_configs=[pool]))
    await place.settled("stable")
    addresses = {each.address for each in await place.target.instances(place.workload)}
    assert all(each.startswith(f"10.250.{second}.") for each in addresses)
    assert (await ask_many(place.port, 10, key="version")).failures == []


async def test_instances_whose_network_was_removed_while_they_were_stopped_are_made_again(place: DockerPlace) -> None:
    api, name = place.engine.client().api, place.docker._ours._network.name
    for each in await place.containers():
        api.stop(each.id, timeout=1)
    api.remove_network(name)
    await place.settled("stable")
    assert len(await place.containers()) == 2
    assert (await ask_many(place.port, 10, key="version")).failures == []


async def test_a_container_of_an_image_that_was_made_of_an_instance_is_somebody_elses(place: DockerPlace) -> None:
    client = place.engine.client()
    copied, _ = await place.containers()
    image = client.containers.get(copied.id).commit("debug/hello", "1")
    debug = client.containers.run(
        image.id, ["1000"], entrypoint="sleep", detach=True, name="debug", network_mode="none"
    )
    place.another_target()
    await place.settled("stable")
    assert len(await place.target.instances(place.workload)) == 2
    await place.target.forget(place.workload)
    assert [each.name for each in await place.containers()] == ["debug"]
    debug.remove(force=True)
    client.images.remove(image.id, force=True)
