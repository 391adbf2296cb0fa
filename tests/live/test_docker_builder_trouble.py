"""The engine dies, the registry is away or full, the bot is killed: nothing is lost, nothing is there twice."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.builders.docker_words import EngineAway, RegistryInTrouble, RegistryRefusesPush
from engine.builders.registries import Registries
from engine.builders.registry import NotLetIn, Registry
from engine.errors import Broken, Interrupted, StageFailure
from tests.support.docker_engine import DockerEngine, running_engine
from tests.support.image_house import BASE, ImageHouse
from tests.support.registry_server import PASSWORD, USER, registry_server

pytestmark = pytest.mark.live
ROOT = Path(__file__).parents[2]
SLOW = f"FROM {BASE}\nRUN sleep 1\nRUN cat /proc/sys/kernel/random/uuid > /once\n"


@pytest.fixture
def house(docker_engine: DockerEngine, tmp_path: Path) -> Iterator[ImageHouse]:
    docker_engine.busybox_image(BASE)
    house = ImageHouse(tmp_path, docker_engine)
    yield house
    house.forget_images()


async def test_a_build_whose_engine_is_killed_is_begun_again_when_that_is_back(
    docker_engine: DockerEngine, tmp_path: Path
) -> None:
    with running_engine() as engine:
        engine.busybox_image(BASE)
        house = ImageHouse(tmp_path, engine)
        task = asyncio.create_task(house.build(inline=f"FROM {BASE}\nSTOPSIGNAL SIGKILL\nRUN sleep 1000\n"))
        await house.until_running()
        engine.kill()
        with pytest.raises(EngineAway, match="broke off"):
            await task
        with pytest.raises(EngineAway, match="nobody listens"):
            await house.build()
        assert house.left_over() == []
        engine.start()
        built = await house.build()
        assert house.images() == [built.digest]


async def test_an_engine_that_is_not_there_or_not_for_us_is_told_in_words(house: ImageHouse, tmp_path: Path) -> None:
    order = await house.order()
    for address, words in [
        (f"unix://{tmp_path}/nothing.sock", "there is no such socket"),
        ("tcp://127.0.0.1:1", "nobody listens"),
        ("ssh://somewhere", "only unix:// and tcp:// are spoken"),
    ]:
        house.builder.engine.address = address
        with pytest.raises((Interrupted, Broken), match=words):
            await house.builder.build(order, house.log.append)


async def test_a_registry_that_was_away_gets_what_was_built_before(house: ImageHouse) -> None:
    folder = house.place
    with registry_server(folder) as server:
        port = int(server.address.rpartition(":")[2])
        registry = Registry(server.address)
        house.registries = Registries(others=registry)
        house.builder = house.another()
        await house.build(image="shop/other:v1", inline=f"FROM {BASE}\nCOPY . /one\n")
    with pytest.raises(Interrupted, match="does not answer"):
        await house.build()
    with registry_server(folder, port=port):
        built = await house.build()
        assert built.digest == await registry.find("shop/api:v1")


async def test_a_full_registry_is_told_and_gets_the_same_image_when_there_is_room(house: ImageHouse) -> None:
    with a_small_disk(house.place / "small") as disk, registry_server(disk) as server:
        house.registries = Registries(others=Registry(server.address))
        house.builder = house.another()
        with pytest.raises(RegistryInTrouble, match="cannot be pushed"):
            await house.build()
        kept = house.images()
        assert len(kept) == 1
        await asyncio.to_thread(make_room, disk)
        built = await house.build()
        assert (built.reused, house.images(), house.forge.exports) == (True, kept, 1)


async def test_a_registry_that_wants_an_account_gets_ours_and_nobody_else_does(house: ImageHouse) -> None:
    with registry_server(house.place, guarded=True) as server:
        known = Registry(server.address, USER, PASSWORD)
        house.registries = Registries(others=known)
        house.builder = house.another()
        base = await house.build(image="shop/base:v1", inline=f"FROM {BASE}\nRUN echo from us > /base\n")
        house.forget_images()
        built = await house.build(inline="ARG BASE_IMAGE\nFROM $BASE_IMAGE\nCOPY . /srv\n", base_image="shop/base:v1")
        assert built.digest == (await known.look("shop/api:v1")).digest != base.digest  # type: ignore[union-attr]
        assert PASSWORD not in "".join(house.log) + house.engine.last_words()
        for registry in (Registry(server.address), Registry(server.address, USER, "wrong")):
            house.registries = Registries(others=registry)
            with pytest.raises((NotLetIn, RegistryRefusesPush)):
                await house.another().build(await house.order(image="shop/api:v2"), house.log.append)


async def test_a_dockerfile_gets_no_image_of_an_organization_that_its_build_does_not_name(house: ImageHouse) -> None:
    with registry_server(house.place, guarded=True) as server:
        known = Registry(server.address, USER, PASSWORD)
        house.registries = Registries(of={"pay": known})
        house.builder = house.another()
        await house.build(image="pay/secret:v1")
        house.forget_images()
        name = f"{known.host}/pay/secret:v1"
        with pytest.raises(StageFailure, match=r"no basic auth credentials|unauthorized|denied"):
            await house.build(inline=f"FROM {name}\n")
        stands = {"inline": "ARG BASE_IMAGE\nFROM $BASE_IMAGE\n", "base_image": "pay/secret:v1"}
        assert (await house.build(**stands)).digest


@pytest.mark.parametrize("last_words", ["Step 3/", "Pushing "])
def test_a_bot_that_is_killed_while_it_builds_has_built_one_image_in_the_end(
    last_words: str, house: ImageHouse
) -> None:
    with registry_server(house.place) as server:
        words = [str(house.place), house.engine.address, server.address, SLOW]
        command = [sys.executable, "-m", "tests.support.image_until_killed", *words]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as victim:
            assert victim.stdout is not None
            assert any(line.startswith(last_words) for line in victim.stdout)
            victim.send_signal(signal.SIGKILL)
        done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=60)
        digest = done.stdout.split()[-1]
        kept = house.place / "images/docker/registry/v2/repositories/shop/api/_manifests/revisions/sha256"
        assert [f"sha256:{one.name}" for one in kept.iterdir()] == [digest]
        assert len(house.images()) == 1
        assert house.running() == []


async def test_two_builds_of_one_order_at_once_are_one_image(house: ImageHouse) -> None:
    with registry_server(house.place) as server:
        house.registries = Registries(others=Registry(server.address))
        orders = [await house.order(run=f"shop-{number}") for number in (1, 2)]
        came = await asyncio.gather(*(house.another().build(order, house.log.append) for order in orders))
        assert len({one.digest for one in came}) == 1
        assert sorted(one.reused for one in came) == [False, True]
        assert any(line.startswith("Waiting for another run") for line in house.log)


def make_room(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=100m", disk], check=True)


@contextmanager
def a_small_disk(place: Path) -> Iterator[Path]:
    """A disk of one megabyte. Skips where nobody may mount one."""
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", place], check=False, capture_output=True)
    if done.returncode:
        pytest.skip(f"No disk can be mounted here: {done.stderr.decode()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)
