"""A separate process that builds and pushes an image, and tells what its log says: it is there to be killed.

Arguments: the place of an `ImageHouse`, the engine's address, the registry's address, the Dockerfile. Prints the log,
and at the end ``digest`` and the digest.
"""

import asyncio
import sys
from datetime import timedelta
from pathlib import Path

from engine.builders.docker import DockerBuilder
from engine.builders.docker_engine import Engine
from engine.builders.registries import Registries
from engine.builders.registry import Registry
from engine.forges.git import GitForge
from engine.image_build import Recipe
from engine.ports import BuildOrder


def _say(text: str) -> None:
    print(text, flush=True)


async def _build(place: str, engine: str, registry: str, dockerfile: str) -> None:
    forge = GitForge(Path(place) / "forge", allow_local=True)
    commit = await forge.resolve(str(Path(place) / "source"), branch="main", tag=None, log=_say)
    recipe = Recipe(inline=dockerfile)
    order = BuildOrder(commit, "shop/api:v1", "", "", {}, timedelta(minutes=1), "docker", recipe, "shop", "shop-1")
    registries = Registries(others=Registry(registry))
    built = await DockerBuilder(Path(place) / "images", forge, Engine(engine), registries).build(order, _say)
    _say(f"digest {built.digest}")


if __name__ == "__main__":
    asyncio.run(_build(*sys.argv[1:]))
