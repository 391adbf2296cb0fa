"""What the tests of the Docker builder stand on: a repository, an engine, a registry or none, and a log."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import docker.errors

from engine.builders.docker import DockerBuilder
from engine.builders.docker_engine import Engine
from engine.builders.docker_labels import OWNER
from engine.builders.registries import Registries
from engine.builders.registry import Registry
from engine.image_build import Recipe
from engine.ports import BuildOrder, Built, Packages
from tests.support.bundle_house import CountingForge
from tests.support.docker_engine import DockerEngine
from tests.support.eventually import eventually
from tests.support.repository import Repository

BASE = "tests/base:1"
DOCKERFILE = f"FROM {BASE}\nCOPY server.py /srv/server.py\n"


class ImageHouse:
    """A repository, a forge that counts and a Docker builder, under one directory."""

    def __init__(
        self, place: Path, engine: DockerEngine, registry: Registry | None = None, packages: Packages | None = None
    ) -> None:
        self.place = place
        self.engine = engine
        self.repository = Repository(place / "source")
        self.repository.commit({"server.py": "one\n", "Dockerfile": DOCKERFILE})
        self.forge = CountingForge(place / "forge", allow_local=True)
        self.registries = Registries(others=registry)
        self.builder = self.another(packages)
        self.log: list[str] = []

    def another(self, packages: Packages | None = None) -> DockerBuilder:
        """A builder that knows nothing but what is on the disk, in the engine and in the registry."""
        return DockerBuilder(self.place / "images", self.forge, Engine(self.engine.address), self.registries, packages)

    async def order(self, **settings: Any) -> BuildOrder:
        """An order for what is committed now; settings that are the recipe's go there."""
        commit = await self.forge.resolve(self.repository.url, branch="main", tag=None, log=self.log.append)
        recipe = {name: settings.pop(name) for name in tuple(settings) if name in Recipe.__dataclass_fields__}
        order = BuildOrder(commit, "shop/api:v1", "", "", {}, timedelta(minutes=1), "docker", Recipe(**recipe))
        return replace(order, **{"pipeline": "shop", "run": "shop-1", **settings})

    async def build(self, **settings: Any) -> Built:
        """Build what is committed now."""
        return await self.builder.build(await self.order(**settings), self.log.append)

    def commit(self, files: Mapping[str, str]) -> None:
        """Change the source."""
        self.repository.commit(dict(files))

    def images(self) -> list[str]:
        """The ids of the images that the house has built and that are in the engine."""
        if not (self.place / "images/owner").exists():
            return []
        owner = (self.place / "images/owner").read_text()
        return [str(one.id) for one in self.engine.client().images.list(filters={"label": f"{OWNER}={owner}"})]

    def inside(self, image: str, *words: str) -> str:
        """What a command prints in an image."""
        said: bytes = self.engine.client().containers.run(image, list(words), remove=True, network_mode="none")
        return said.decode()

    def running(self) -> list[str]:
        """The containers of the engine that run, build steps among them."""
        return [str(one.id) for one in self.engine.client().containers.list(sparse=True)]

    async def until_running(self) -> None:
        """Wait for a build step that runs."""
        await eventually(lambda: bool(self.running()))

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait."""
        await eventually(condition)

    async def cut_off(self, task: "asyncio.Task[Built]") -> None:
        """Cancel a build while a step runs."""
        await self.until_running()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    def left_over(self) -> list[str]:
        """What builds left in their workspaces."""
        return [path.name for path in (self.place / "images/work").iterdir()]

    def forget_images(self) -> None:
        """Take everything that was built out of the engine, and before it what stands on it."""
        client, before = self.engine.client(), -1
        while (left := self.images()) and len(left) != before:
            before = len(left)
            for image in left:
                with contextlib.suppress(docker.errors.APIError):
                    client.images.remove(image, force=True)
