"""What surrounds the Docker builder: which builder is taken, packages in the build directory, and what goes at last."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.builders.bundle import BundleBuilder
from engine.builders.choice import WITHOUT_ENGINE, Choice
from engine.builders.docker_engine import Engine
from engine.builders.placing import NoPackages
from engine.errors import StageFailure
from tests.support.docker_engine import DockerEngine
from tests.support.image_house import BASE, ImageHouse

pytestmark = pytest.mark.live
LATER = datetime(2100, 1, 1, tzinfo=UTC)
EARLIER = datetime(2000, 1, 1, tzinfo=UTC)


class OnePackage:
    """`engine.ports.Packages` with one package."""

    async def fetch(self, path: str, into: str) -> None:
        if path != "tools/lint/checker/1.4":
            raise StageFailure(f"There is no package {path}.")
        await asyncio.to_thread(self._put, Path(into))

    def _put(self, place: Path) -> None:
        place.mkdir(parents=True)
        (place / "checker").write_text("checked\n")


@pytest.fixture
def house(docker_engine: DockerEngine, tmp_path: Path) -> Iterator[ImageHouse]:
    docker_engine.busybox_image(BASE)
    house = ImageHouse(tmp_path, docker_engine, packages=OnePackage())
    yield house
    house.forget_images()


@pytest.fixture
def choice(house: ImageHouse) -> Choice:
    return Choice(BundleBuilder(house.place / "bundles", house.forge, packages=OnePackage()), house.builder)


async def test_where_nothing_is_said_the_dockerfile_decides_and_the_log_says_so(
    house: ImageHouse, choice: Choice
) -> None:
    built = await choice.build(await house.order(builder=""), house.log.append)
    assert built.builder == "docker"
    assert any("The source has a Dockerfile" in line for line in house.log)
    house.repository.git("rm", "-q", "Dockerfile")
    house.commit({"Procfile": "web: python3 server.py\n"})
    built = await choice.build(await house.order(builder="", image="shop/api:v2"), house.log.append)
    assert built.builder == "bundle"
    assert any("The source has no Dockerfile" in line for line in house.log)


async def test_without_an_engine_the_bundle_builder_serves_and_says_why(house: ImageHouse, choice: Choice) -> None:
    house.commit({"Procfile": "web: python3 server.py\n"})
    choice.images.engine = Engine(f"unix://{house.place}/none.sock")
    built = await choice.build(await house.order(builder=""), house.log.append)
    assert (built.builder, built.why) == ("bundle", WITHOUT_ENGINE)
    assert any("there is no such socket" in line and "A bundle is built" in line for line in house.log)


async def test_packages_are_in_the_build_directory_of_both_builders(house: ImageHouse, choice: Choice) -> None:
    packages = (("tools/lint/checker/1.4", "packages"),)
    built = await house.build(packages=packages, inline=f"FROM {BASE}\nCOPY packages /packages\n")
    assert house.inside(built.place, "cat", "/packages/checker") == "checked\n"
    house.commit({"Procfile": "web: python3 server.py\n"})
    order = await house.order(packages=packages, builder="bundle")
    bundle = await choice.build(order, house.log.append)
    assert (choice.bundles.directory(bundle.digest) / "packages/checker").read_text() == "checked\n"
    with pytest.raises(StageFailure, match="There is no package"):
        await house.build(image="shop/api:v2", packages=(("tools/lint/checker/2", "packages"),))
    with pytest.raises(NoPackages):
        await house.another().build(await house.order(image="shop/api:v3", packages=packages), house.log.append)


async def test_only_what_we_built_and_nobody_needs_is_taken_away(house: ImageHouse, tmp_path: Path) -> None:
    client = house.engine.client()
    built = {name: (await house.build(image=f"shop/{name}:v1", arguments={"A": name})).digest for name in "abcd"}
    other = ImageHouse(tmp_path / "other", house.engine)
    theirs = (await other.build(image="other/x:v1")).digest
    client.images.get(built["b"]).tag("somebody/else", "1")
    container = client.containers.create("shop/c:v1", ["true"])
    assert await house.builder.prune({built["d"]}, EARLIER) == ()
    assert await house.builder.prune({built["d"]}, LATER) == (built["a"],)
    assert sorted(house.images()) == sorted([built["b"], built["c"], built["d"]])
    assert other.images() == [theirs]
    assert client.images.get(BASE)
    container.remove()
    client.images.remove("somebody/else:1")
    other.forget_images()
