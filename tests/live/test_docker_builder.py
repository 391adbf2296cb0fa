"""The Docker builder with a real engine, real git and a real registry."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine.builders.docker_context import ContextTooLarge, NoDockerfile, NoUseForBase
from engine.builders.docker_publishing import NoImageHere, TagTaken
from engine.builders.docker_words import BuildFailed, BuildTooSlow, CopiesFromOutside
from engine.builders.registry import Registry
from engine.builders.shelf import UnusableImageName
from engine.errors import StageFailure
from engine.trees import EscapingLink
from tests.support.docker_engine import DockerEngine
from tests.support.image_house import BASE, ImageHouse
from tests.support.registry_server import RegistryServer, registry_server

pytestmark = pytest.mark.live
ENDLESS = f"FROM {BASE}\nRUN echo it begins; exec sleep 1000\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    with registry_server(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture
def house(docker_engine: DockerEngine, server: RegistryServer, tmp_path: Path) -> ImageHouse:
    docker_engine.busybox_image(BASE)
    return ImageHouse(tmp_path, docker_engine, Registry(f"{server.address}/{tmp_path.name.replace('_', '-')}"))


@pytest.fixture
def local(docker_engine: DockerEngine, tmp_path: Path) -> Iterator[ImageHouse]:
    docker_engine.busybox_image(BASE)
    house = ImageHouse(tmp_path, docker_engine)
    yield house
    house.forget_images()


async def test_an_image_is_built_pushed_and_known_by_the_digest_of_the_registry(house: ImageHouse) -> None:
    built = await house.build(
        arguments={"VERSION": "7"}, inline=f"FROM {BASE}\nARG VERSION\nCOPY . /srv\nRUN echo $VERSION > /v\n"
    )
    registry = house.registries.others
    assert registry is not None
    assert built.digest == await registry.find("shop/api:v1")
    assert built.place == f"{registry.host}/shop/api@{built.digest}"
    assert (built.reused, built.builder) == (False, "docker")
    assert house.inside(built.place, "cat", "/v", "/srv/server.py") == "7\none\n"
    assert house.inside(built.place, "ls", "-A", "/srv").split() == ["Dockerfile", "server.py"]
    assert house.left_over() == []


async def test_the_log_tells_the_steps_and_not_every_layer(house: ImageHouse) -> None:
    await house.build()
    assert any(line.startswith("Building shop/api:v1 with Docker Engine") for line in house.log)
    assert any("Step 2/" in line and "COPY server.py" in line for line in house.log)
    assert any(line.startswith("Pushing it: ") and "layers" in line for line in house.log)
    assert not any("--->" in line or "Preparing" in line for line in house.log)
    assert len(house.log) < 20


async def test_an_equal_order_is_found_by_whoever_asks(house: ImageHouse) -> None:
    first = await house.build()
    again = await house.another().build(await house.order(run="shop-2"), house.log.append)
    house.forget_images()
    elsewhere = await house.another().build(await house.order(run="shop-3"), house.log.append)
    assert (first.reused, again.reused, elsewhere.reused, house.forge.exports) == (False, True, True, 1)
    assert first.digest == again.digest == elsewhere.digest


async def test_an_equal_order_under_another_tag_is_the_same_image(house: ImageHouse) -> None:
    first = await house.build()
    second = await house.build(image="shop/api:v2")
    assert (second.digest, second.reused, house.forge.exports) == (first.digest, True, 1)
    later = datetime(2100, 1, 1, tzinfo=UTC)
    assert await house.builder.prune({first.digest}, later) == (), "releases know it by the registry's digest"
    assert len(await house.builder.prune((), later)) == 1
    assert house.images() == []


async def test_a_tag_that_is_another_image_is_refused_and_stays(house: ImageHouse) -> None:
    first = await house.build()
    house.commit({"server.py": "two\n"})
    with pytest.raises(TagTaken, match="built by shop-1") as refused:
        await house.build(run="shop-2")
    assert "another tag" in refused.value.hint
    assert house.forge.exports == 1
    assert await house.builder.find("shop/api:v1") == first.digest


async def test_a_tag_that_somebody_else_pushed_is_refused(house: ImageHouse, server: RegistryServer) -> None:
    folder = house.place.name.replace("_", "-")
    theirs = server.push(f"{folder}/shop/api", "v1", "theirs")
    with pytest.raises(TagTaken, match="not built by Sluice"):
        await house.build()
    assert await house.builder.find("shop/api:v1") == theirs


async def test_without_a_registry_the_image_stays_in_the_engine(local: ImageHouse) -> None:
    built = await local.build(image="shop/local:v1")
    assert local.images() == [built.digest]
    assert built.place == "shop/local:v1"
    assert any("No registry is set up" in line for line in local.log)
    assert await local.builder.find("shop/local:v1") == built.digest
    local.commit({"server.py": "two\n"})
    with pytest.raises(TagTaken):
        await local.build(image="shop/local:v1")
    with pytest.raises(NoImageHere):
        await local.builder.find("shop/local:v2")


async def test_a_stopped_build_is_ended_in_the_engine_too(local: ImageHouse) -> None:
    before = local.running()
    task = asyncio.create_task(local.build(inline=ENDLESS))
    await local.cut_off(task)
    await local.until(lambda: local.running() == before)
    assert local.left_over() == []
    assert local.images() == []


async def test_a_build_that_takes_too_long_is_ended_and_its_last_words_are_told(local: ImageHouse) -> None:
    with pytest.raises(BuildTooSlow, match="it begins"):
        await local.build(inline=ENDLESS, timeout=timedelta(seconds=2))
    await local.until(lambda: local.running() == [])


async def test_a_failing_step_is_told_with_its_last_lines(local: ImageHouse) -> None:
    with pytest.raises(BuildFailed, match=r"returned a non-zero code: 3\. Its last lines: .*there is no such thing"):
        await local.build(inline=f"FROM {BASE}\nRUN echo there is no such thing; exit 3\n")


async def test_with_the_cache_a_step_runs_once_and_without_it_each_time(local: ImageHouse) -> None:
    dockerfile = f"FROM {BASE}\nRUN cat /proc/sys/kernel/random/uuid > /once\nCOPY server.py /\n"
    first = await local.build(image="shop/cache:v1", inline=dockerfile)
    local.commit({"server.py": "two\n"})
    second = await local.build(image="shop/cache:v2", inline=dockerfile)
    third = await local.build(image="shop/cache:v3", inline=dockerfile, cache=False)
    assert any("Using cache" in line for line in local.log)
    values = [local.inside(one.place, "cat", "/once") for one in (first, second, third)]
    assert values[0] == values[1] != values[2]


async def test_the_base_image_is_the_one_that_was_chosen_by_its_digest(house: ImageHouse) -> None:
    base = await house.build(image="shop/base:v1", inline=f"FROM {BASE}\nRUN echo chosen > /base\n")
    dockerfile = "ARG BASE_IMAGE=nowhere/to-be:found\nFROM ${BASE_IMAGE}\nCOPY . /srv\n"
    built = await house.build(inline=dockerfile, base_image="shop/base:v1")
    assert house.inside(built.place, "cat", "/base") == "chosen\n"
    assert any(f"shop/base@{base.digest}" in line or "FROM ${BASE_IMAGE}" in line for line in house.log)
    with pytest.raises(NoUseForBase, match="does not build on the base image"):
        await house.build(image="shop/api:v2", inline=f"FROM {BASE}\n", base_image="shop/base:v1")


async def test_an_image_is_placed_in_the_build_directory_as_an_archive(house: ImageHouse) -> None:
    await house.build(image="shop/model:v7")
    house.forget_images()
    built = await house.build(
        inline=f"FROM {BASE}\nCOPY models/seven.tar /\nRUN tar tf /seven.tar > /list\n",
        images=(("shop/model:v7", "models/seven.tar"),),
    )
    assert "manifest.json" in house.inside(built.place, "cat", "/list").split()


@pytest.mark.parametrize(
    ("files", "settings", "refusal"),
    [
        ({}, {"inline": f"FROM {BASE}\nCOPY ../outside /\n"}, CopiesFromOutside),
        ({}, {"inline": f"FROM {BASE}\nADD ../../etc/passwd /\n"}, CopiesFromOutside),
        ({}, {"inline": f"FROM {BASE}\nCOPY /etc/passwd /\n"}, BuildFailed),
        ({}, {"dockerfile": "docker/Dockerfile"}, NoDockerfile),
        ({"large": "x" * 2000}, {"context_limit": 1000}, ContextTooLarge),
    ],
)
async def test_what_leaves_the_build_directory_or_is_too_much_is_refused(
    files: dict[str, str], settings: dict[str, object], refusal: type[StageFailure], local: ImageHouse
) -> None:
    if files:
        local.commit(files)
    with pytest.raises(refusal):
        await local.build(**settings)
    assert local.images() == []


async def test_a_link_out_of_the_source_is_refused_before_anything_is_sent(local: ImageHouse) -> None:
    (local.repository.path / "key").symlink_to("/etc/passwd")
    local.repository.commit({"server.py": "three\n"})
    with pytest.raises(EscapingLink):
        await local.build()
    assert not any("Step" in line for line in local.log)


async def test_a_step_that_needs_more_memory_than_it_may_use_is_ended_and_told(local: ImageHouse) -> None:
    with pytest.raises(BuildFailed) as failed:
        await local.build(
            inline=f"FROM {BASE}\nRUN dd if=/dev/zero of=/dev/null bs=300M count=1\n", memory=64 * 1024 * 1024
        )
    assert "memory" in failed.value.hint


@pytest.mark.parametrize("image", ["shop/api-:v1", "shop/a..b:v1", "shop_/api:v1"])
async def test_a_name_that_docker_does_not_take_is_refused_before_anything_is_built(
    image: str, local: ImageHouse
) -> None:
    with pytest.raises(UnusableImageName):
        await local.build(image=image)
    assert local.forge.exports == 0


async def test_an_image_that_is_larger_than_it_may_be_is_refused_and_gone(local: ImageHouse) -> None:
    with pytest.raises(StageFailure, match="MB is the most"):
        await local.build(image_limit=1000)
    assert local.images() == []
