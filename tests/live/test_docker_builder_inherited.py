"""What only looks like an image of ours, because it stands on one; and what is ours though it does not look so."""

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import docker.errors
import httpx
import pytest

from engine.builders.docker import DockerBuilder
from engine.builders.docker_engine import Engine
from engine.builders.docker_publishing import TagTaken
from engine.builders.registries import Registries
from engine.builders.registry import Registry
from engine.errors import StageFailure
from tests.support.docker_engine import DockerEngine
from tests.support.image_house import BASE, ImageHouse
from tests.support.registry_server import RegistryServer, registry_server

pytestmark = pytest.mark.live
LATER = datetime(2100, 1, 1, tzinfo=UTC)
STANDS = "ARG BASE_IMAGE\nFROM $BASE_IMAGE\nCOPY server.py /srv/\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    with registry_server(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture
def house(docker_engine: DockerEngine, server: RegistryServer, tmp_path: Path) -> Iterator[ImageHouse]:
    docker_engine.busybox_image(BASE)
    house = ImageHouse(tmp_path, docker_engine, Registry(f"{server.address}/{tmp_path.name.replace('_', '-')}"))
    yield house
    house.forget_images()


@pytest.fixture
def local(docker_engine: DockerEngine, tmp_path: Path) -> Iterator[ImageHouse]:
    docker_engine.busybox_image(BASE)
    house = ImageHouse(tmp_path, docker_engine)
    yield house
    house.forget_images()


class Forgetful(Engine):
    """An engine whose user dies when it has pushed or named: what came of it is never heard."""

    async def told(self, said: httpx.Response) -> AsyncIterator[dict[str, Any]]:
        async for message in super().told(said):
            yield message
            if "Digest" in (message.get("aux") or {}):
                raise KeyboardInterrupt


@dataclass(slots=True)
class Mumbling(Engine):
    """An engine that does not say what the digest of a push is; `meanwhile` somebody moves the tag."""

    meanwhile: Callable[[], object] = list

    async def told(self, said: httpx.Response) -> AsyncIterator[dict[str, Any]]:
        async for message in Engine.told(self, said):
            if "Digest" not in (message.get("aux") or {}):
                yield message
        if "/push" in str(said.url):
            self.meanwhile()


def stand_on(house: ImageHouse, image: str, rest: str, tag: str = "") -> str:
    """Build on an image by hand; returns the id, empty where a step fails."""
    file = BytesIO(f"FROM {image}\n{rest}\n".encode())
    try:
        return str(house.engine.client().images.build(fileobj=file, tag=tag or None, rm=True)[0].id)
    except docker.errors.BuildError:
        return ""


async def test_what_is_left_of_a_failed_build_on_our_image_is_never_taken_for_it(local: ImageHouse) -> None:
    first = await local.build(image="shop/base:v1")
    stand_on(local, "shop/base:v1", "RUN echo evil > /evil\nRUN exit 1")
    assert len(local.images()) == 2, "it has inherited our labels"
    again = await local.build(image="shop/base:v2")
    assert (again.digest, again.reused) == (first.digest, True)


async def test_an_image_on_ours_that_was_given_the_wanted_tag_is_another_one(local: ImageHouse) -> None:
    await local.build(image="shop/base:v1")
    stand_on(local, "shop/base:v1", "RUN echo evil > /evil", "shop/base:v2")
    with pytest.raises(TagTaken, match="not built by Sluice"):
        await local.build(image="shop/base:v2")


async def test_an_image_on_ours_that_was_pushed_under_the_wanted_tag_is_another_one(house: ImageHouse) -> None:
    await house.build(image="shop/base:v1")
    name, _ = house.registries.place_of("shop/base:v2")
    stand_on(house, f"{name}:v1", "RUN echo evil > /evil", f"{name}:v2")
    house.engine.client().images.push(name, "v2")
    with pytest.raises(TagTaken, match="not built by Sluice"):
        await house.build(image="shop/base:v2")


async def test_tidying_takes_no_image_that_others_have_built_on_ours(local: ImageHouse) -> None:
    kept = await local.build(image="shop/base:v1")
    theirs = stand_on(local, "shop/base:v1", "RUN echo theirs > /theirs")
    named = stand_on(local, "shop/base:v1", "RUN echo named > /named", "shop/base:mine")
    assert await local.builder.prune({kept.digest}, LATER) == ()
    assert sorted(local.images()) == sorted([kept.digest, theirs, named])


async def test_what_was_pushed_before_a_kill_is_found_though_the_base_has_moved_or_gone_since(
    house: ImageHouse, server: RegistryServer
) -> None:
    base = await house.build(image="shop/base:latest", inline=f"FROM {BASE}\nRUN echo base > /base\n")
    wanted: dict[str, Any] = {"image": "shop/api:v1", "inline": STANDS, "base_image": "shop/base:latest"}
    killed = DockerBuilder(house.place / "images", house.forge, Forgetful(house.engine.address), house.registries)
    with pytest.raises(KeyboardInterrupt):
        await killed.build(await house.order(**wanted), house.log.append)
    pushed = await house.builder.find("shop/api:v1")
    folder = house.place.name.replace("_", "-")
    assert server.push(f"{folder}/shop/base", "latest", "moved") != base.digest
    house.registries = Registries(others=Registry(f"{server.address}/{folder}"))  # the other one remembers for a while
    built = await house.another().build(await house.order(**wanted), house.log.append)
    assert (built.digest, built.reused) == (pushed, True)
    with pytest.raises(TagTaken, match="built by shop-1"):
        await house.another().build(await house.order(**{**wanted, "run": "shop-2"}), house.log.append)


async def test_what_was_built_before_is_held_to_the_limit_of_this_order_too(local: ImageHouse) -> None:
    await local.build(image="shop/base:v1")
    for image in ("shop/base:v1", "shop/base:v2"):
        with pytest.raises(StageFailure, match="MB is the most"):
            await local.build(image=image, image_limit=1000)
    assert await local.builder.find("shop/base:v1"), "what has a name stays"
    assert len(local.images()) == 1


async def test_a_tag_that_is_moved_while_it_is_pushed_is_seen_though_the_engine_tells_no_digest(
    house: ImageHouse, server: RegistryServer
) -> None:
    engine = Mumbling(house.engine.address)
    house.builder = DockerBuilder(house.place / "images", house.forge, engine, house.registries)
    assert (await house.build(image="shop/api:v1")).digest
    folder = house.place.name.replace("_", "-")
    engine.meanwhile = lambda: server.push(f"{folder}/shop/api", "v2", "theirs")
    with pytest.raises(TagTaken, match="not built by Sluice"):
        await house.build(image="shop/api:v2")
