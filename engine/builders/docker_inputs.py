"""What a build is made with beside its source: the base image, placed images and software packages.

Images are looked up once, before the build: what is fetched then is that content, by its digest, however long the
build takes and whoever moves a tag meanwhile.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from engine.builders.docker_credentials import fetch
from engine.builders.docker_engine import Engine
from engine.builders.docker_labels import Pinned
from engine.builders.docker_progress import Progress
from engine.builders.docker_publishing import NoImageHere, Publishing
from engine.builders.docker_words import EngineAway, EngineRefused, explain, explain_pull
from engine.builders.placing import place, place_packages
from engine.builders.registry import Registry
from engine.disk import disk_errors
from engine.image_build import Recipe
from engine.ports import BuildOrder, LogSink, Packages

_OWN_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*/[a-z0-9][a-z0-9._-]*:[A-Za-z0-9_][A-Za-z0-9_.-]*", re.ASCII)


def named_in(order: BuildOrder) -> list[str]:
    """The images of our organizations that an order names: its own, and those that it is made with."""
    names = [order.image, *(name for name, _ in order.recipe.images), order.recipe.base_image]
    return [name for name in names if _OWN_NAME.fullmatch(name)]


@dataclass(frozen=True, slots=True)
class Inputs:
    """Looks up what a recipe names, and places it."""

    engine: Engine
    publishing: Publishing
    packages: Packages | None = None

    async def pin(self, recipe: Recipe) -> Pinned:
        """Find what the recipe's images are now. Raises `StageFailure` when there is none of a name."""
        images = [(name, await self._pinned(name), to) for name, to in recipe.images]
        return Pinned(await self._base(recipe.base_image), images)

    async def place(self, recipe: Recipe, pinned: Pinned, tree: Path, beside: Path, log: LogSink) -> None:
        """Put packages and images into `tree`; `beside` is an empty directory on the same disk."""
        await place_packages(self.packages, recipe.packages, tree, beside, log)
        for number, (name, source, to) in enumerate(pinned.images):
            archive = beside / f"image-{number}.tar"
            await self._save(name, source, archive, log)
            with disk_errors(beside):
                place(name, archive, tree, to)

    async def _base(self, name: str) -> str:
        """The base image as FROM takes it: by digest where a registry of ours has it."""
        if _OWN_NAME.fullmatch(name) and self.publishing.registries.find(name):
            return await self._pinned(name)
        return name

    async def _pinned(self, image: str) -> str:
        name, tag = self.publishing.registries.place_of(image)
        if registry := self.publishing.registries.find(image):
            return f"{name}@{await registry.find(image)}"
        seen = await self.publishing.look_here(f"{name}:{tag}")
        if seen is None:
            raise NoImageHere(image)
        return seen.digest

    async def _save(self, image: str, source: str, archive: Path, log: LogSink) -> None:
        name, tag = self.publishing.registries.place_of(image)
        if registry := self.publishing.registries.find(image):
            await self._fetch(source, registry, log)
            await self.engine.ask(lambda api: api.tag(source, name, tag))
        log(f"Placing {image} in the build directory")
        async with self.engine.conversation("GET", f"/images/{name}:{tag}/get") as said:
            with disk_errors(archive.parent), archive.open("wb") as file:
                async for chunk in said.aiter_bytes():
                    file.write(chunk)

    async def _fetch(self, source: str, registry: Registry, log: LogSink) -> None:
        progress = Progress(log, monotonic)
        try:
            await fetch(self.engine, source, registry, progress.take)
        except EngineRefused as refused:  # before it has said anything else
            progress.error = refused.words
        progress.close()
        if progress.error:
            address, words = self.engine.address, progress.error
            raise explain(address, words) or explain_pull(address, words) or EngineRefused(address, words)
        if await self.publishing.look_here(source) is None:
            raise EngineAway(self.engine.address, "it stopped while it fetched an image")
