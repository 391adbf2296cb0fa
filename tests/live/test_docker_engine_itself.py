"""The stand-in that is none: the Docker Engine that tests start is whole, reachable, and gone afterwards."""

from pathlib import Path

import httpx
import pytest

from tests.support.docker_engine import DockerEngine, running_engine

pytestmark = pytest.mark.live


async def test_a_container_is_reached_by_its_address_and_by_its_port(docker_engine: DockerEngine) -> None:
    docker_engine.busybox_image(
        "tests/web:1", files={"www/index.html": "hello"}, command=["httpd", "-f", "-p", "80", "-h", "/www"]
    )
    client = docker_engine.client()
    network = client.networks.create("tests-web")
    container = client.containers.run(
        "tests/web:1", detach=True, network="tests-web", ports={"80/tcp": ("127.0.0.1", 0)}
    )
    container.reload()
    address = container.attrs["NetworkSettings"]["Networks"]["tests-web"]["IPAddress"]
    port = container.ports["80/tcp"][0]["HostPort"]
    async with httpx.AsyncClient() as http:
        for place in (f"http://{address}", f"http://127.0.0.1:{port}"):
            assert (await http.get(place)).text == "hello"
    container.remove(force=True)
    network.remove()


def test_an_engine_that_was_killed_has_its_images_when_it_is_back_and_leaves_nothing(
    docker_engine: DockerEngine,
) -> None:
    with running_engine() as engine:
        first = engine.busybox_image("tests/kept:1")
        engine.client().containers.run("tests/kept:1", detach=True, stop_signal="SIGKILL")
        engine.kill()
        assert not engine.answers()
        engine.start()
        assert engine.client().images.get("tests/kept:1").id == first
        home = engine.home
    assert not home.exists()
    assert str(home) not in Path("/proc/self/mountinfo").read_text()
