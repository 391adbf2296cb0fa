"""The Docker builder: a Dockerfile and a build directory become an image, in the registry under its tag.

The danger: a build that goes on after its run was stopped; one that is done twice after a crash, and gives two
contents for one version; an engine that dies half-way; a directory that holds more than the source; a flood of output.

The promise: a build ends when its task is cancelled, its time is over or the bot is killed: the engine ends what it
runs for it. An order that was carried out is found again, under its tag or in the engine, and nothing else is taken for
it. An engine that is away is waited for. The source cannot name a file outside of itself.

Why it holds: an engine cancels a build whose conversation is closed, and the kernel closes it when the bot dies; what
came of an order is written down when the build is over (`docker_orders`), and a build that was not is done again with
the engine's cache; `docker_publishing` says why a tag is written once, and `docker_context` what is sent.

A Dockerfile runs as the engine lets it: whoever may change one may do on the engine's machine what containers may, and
may stand on every image that the engine has already. To registries it shows the accounts of the order's own images.
"""

import asyncio
import contextlib
import hashlib
import json
import os
import secrets
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from time import monotonic

import docker
import docker.errors
from docker.utils.build import match_tag

from engine.builders import docker_context
from engine.builders.docker_credentials import credentials_for_builds
from engine.builders.docker_engine import Engine, Greeting
from engine.builders.docker_inputs import Inputs, named_in
from engine.builders.docker_kept import prune
from engine.builders.docker_labels import Pinned, key_of, labels_of
from engine.builders.docker_orders import Orders
from engine.builders.docker_progress import Progress
from engine.builders.docker_publishing import NoImageHere, Published, Publishing
from engine.builders.docker_words import BuildTooSlow, EngineAway, explain_build
from engine.builders.registries import Registries
from engine.builders.shelf import Shelf, UnusableImageName, parse_image
from engine.disk import disk_errors, locked, try_lock, write_whole
from engine.errors import StageFailure
from engine.image_build import BASE_IMAGE, DOCKER
from engine.ports import BuildOrder, Built, Forge, LogSink, Packages

_MEGABYTE = 1_000_000


class ImageTooLarge(StageFailure):
    """The image is larger than it may be."""

    def __init__(self, image: str, size: int, limit: int) -> None:
        super().__init__(
            f"{image} has {size / _MEGABYTE:.1f} MB, and {limit / _MEGABYTE:.1f} MB is the most.",
            "Leave something out of it, or raise image_limit.",
        )


class DockerBuilder:
    """Builds images with `engine` from what `forge` exports; works in `root`."""

    def __init__(
        self,
        root: Path,
        forge: Forge,
        engine: Engine,
        registries: Registries | None = None,
        packages: Packages | None = None,
    ) -> None:
        self._root = root.absolute()
        self._forge = forge
        self._shelf = Shelf(self._root)
        self._orders = Orders(self._root)
        self.engine = engine
        self.registries = registries or Registries()
        self._publishing = Publishing(engine, self.registries)
        self._inputs = Inputs(engine, self._publishing, packages)

    async def build(self, order: BuildOrder, log: LogSink) -> Built:
        """Build and push, or find the result of an equal order again. Cancelling the task ends the engine's work."""
        parse_image(order.image)
        if not match_tag(order.image):  # Docker is more particular about dots and dashes
            raise UnusableImageName(order.image)
        greeting = await self.engine.greet()
        async with self._alone(order.image, log):
            return await self._build(order, greeting, log)

    async def _build(self, order: BuildOrder, greeting: Greeting, log: LogSink) -> Built:
        keys = {await asyncio.to_thread(self._orders.announced, order)} - {""}
        if keys and (found := await self._publishing.find(order.image, keys)):
            return await self._found(order, found, log)
        pinned = await self._inputs.pin(order.recipe)
        key = key_of(order, pinned)
        if found := await self._publishing.find(order.image, {key}):
            return await self._found(order, found, log)
        image = await self._find_built(key)
        is_new = not image
        if is_new:
            log(f"Building {order.image} with Docker Engine {greeting.version}")
            image = await self._make(order, pinned, key, log)
        else:
            log("An equal order was built before; nothing is built again")
        await self._check_size(order, image)
        await asyncio.to_thread(self._orders.announce, order, key)
        published = await self._publishing.publish(order.image, {key}, image, log)
        return Built(order.image, published.digest, reused=not is_new, builder=DOCKER, place=published.place)

    async def _found(self, order: BuildOrder, found: Published, log: LogSink) -> Built:
        await self._check_size(order, found.place)
        log("An equal order was built before, and its image is there; nothing is built again")
        return Built(order.image, found.digest, reused=True, builder=DOCKER, place=found.place)

    @asynccontextmanager
    async def _alone(self, image: str, log: LogSink) -> AsyncIterator[None]:
        """Let two runs that would write the same tag do it one after the other: the second finds it."""
        place = self._root / "locks" / hashlib.sha256(image.encode()).hexdigest()[:2]
        with disk_errors(self._root):
            await asyncio.to_thread(place.parent.mkdir, parents=True, exist_ok=True)
            held = try_lock(place)
        if held is not None:
            os.close(held)
        else:
            log(f"Waiting for another run that builds {image}")
        async with locked(place):
            yield

    async def find(self, image: str) -> str:
        """Return the digest that organization/repository:tag has now. Raises `StageFailure` if there is none."""
        if registry := self.registries.find(image):
            return await registry.find(image)
        seen = await self._publishing.look_here(image)
        if seen is None:
            raise NoImageHere(image)
        return seen.digest

    async def has_dockerfile(self, order: BuildOrder, log: LogSink) -> bool:
        """Whether the source of an order holds the Dockerfile that it would be built by."""
        async with self._shelf.workspace() as place:
            tree = _new(place, "tree")
            await self._forge.export(order.commit, str(tree), log)
            return docker_context.has_dockerfile(tree, order.recipe)

    async def sweep(self) -> int:
        """Clear away what killed builds left. To be called when the bot starts."""
        return await asyncio.to_thread(self._shelf.sweep)

    async def prune(self, keep: Collection[str], made_before: datetime) -> tuple[str, ...]:
        """Remove images that this Sluice built before that moment from the engine; returns the digests removed.

        Those in `keep`, those of others and those that containers use stay. What is in a registry stays there.
        """
        owner = await asyncio.to_thread(self._owner)
        gone = await self.engine.ask(lambda api: prune(api, owner, frozenset(keep), made_before))
        here = await self.engine.ask(lambda api: frozenset(str(image["Id"]) for image in api.images()))
        await asyncio.to_thread(self._orders.forget, here, made_before)
        return gone

    async def _find_built(self, key: str) -> str:
        """The image that came of an equal order of ours, if the engine still has it; empty otherwise."""
        image = await asyncio.to_thread(self._orders.image, key)
        return image if image and await self._publishing.look_here(image) else ""

    async def _make(self, order: BuildOrder, pinned: Pinned, key: str, log: LogSink) -> str:
        async with self._shelf.workspace() as place:
            tree = _new(place, "tree")
            await self._forge.export(order.commit, str(tree), log)
            await self._inputs.place(order.recipe, pinned, tree, _new(place, "beside"), log)
            archive = place / "context.tar"
            context = await asyncio.to_thread(_pack, tree, archive, order)
            parameters = await self._parameters(order, pinned, key, context.dockerfile)
            image = await self._run(order, archive, parameters, log)
        await asyncio.to_thread(self._orders.finish, key, image)
        return image

    async def _run(self, order: BuildOrder, archive: Path, parameters: Mapping[str, str], log: LogSink) -> str:
        progress = Progress(log, monotonic, ours=len(json.loads(parameters["labels"])))
        try:
            async with asyncio.timeout(order.timeout.total_seconds()) as limit:
                await self._converse(order, archive, parameters, progress)
        except TimeoutError:
            if not limit.expired():
                raise
            raise BuildTooSlow(order.timeout, progress.last_lines()) from None
        finally:
            progress.close()
        if progress.error:
            await self.engine.greet()  # one that is going down ends builds with errors that are not theirs
            memory = order.recipe.memory
            raise explain_build(self.engine.address, progress.error, progress.last_lines(), memory=memory)
        if not progress.image:
            raise EngineAway(self.engine.address, "it stopped in the middle of the build")
        return progress.image

    async def _converse(
        self, order: BuildOrder, archive: Path, parameters: Mapping[str, str], progress: Progress
    ) -> None:
        headers = {
            "Content-Type": "application/x-tar",
            "Content-Length": str(await asyncio.to_thread(os.path.getsize, archive)),
            "X-Registry-Config": credentials_for_builds(self.registries, named_in(order)),
        }
        async with self.engine.conversation(
            "POST", "/build", parameters=parameters, headers=headers, content=_content(archive)
        ) as said:
            async for message in self.engine.told(said):
                progress.take(message)

    async def _parameters(self, order: BuildOrder, pinned: Pinned, key: str, dockerfile: str) -> Mapping[str, str]:
        recipe = order.recipe
        arguments = {**order.arguments(), **({BASE_IMAGE: pinned.base} if pinned.base else {})}
        owner = await asyncio.to_thread(self._owner)
        limits = {"memory": str(recipe.memory), "memswap": str(recipe.memory)} if recipe.memory else {}
        return {
            "dockerfile": dockerfile,
            "buildargs": json.dumps(arguments),
            "labels": json.dumps(labels_of(order, key, owner)),
            "rm": "1",
            "forcerm": "1",
            "nocache": "0" if recipe.cache else "1",
            **limits,
        }

    async def _check_size(self, order: BuildOrder, image: str) -> None:
        """Refuse what is larger than it may be, whichever way it came; what nobody has given a name is removed.

        Of what only the registry has, nobody here knows the size; it was looked at when it was built.
        """
        limit = order.recipe.image_limit
        size = await self.engine.ask(lambda api: _size_of(api, image)) if limit else 0
        if size > limit:
            await self.engine.ask(lambda api: _drop_nameless(api, image))
            raise ImageTooLarge(order.image, size, limit)

    def _owner(self) -> str:
        """What this Sluice calls itself on its images: others may share the engine."""
        file = self._root / "owner"
        with disk_errors(self._root):
            if not file.exists():
                write_whole(file, secrets.token_hex(8))
            return file.read_text(encoding="utf-8")


def _new(place: Path, name: str) -> Path:
    with disk_errors(place):
        (place / name).mkdir()
    return place / name


def _pack(tree: Path, archive: Path, order: BuildOrder) -> docker_context.Context:
    with disk_errors(archive.parent):
        context = docker_context.lay_out(tree, order.recipe, order.commit.at)
        docker_context.pack(context, archive)
    return context


async def _content(archive: Path) -> AsyncIterator[bytes]:
    chunks = docker_context.archive_chunks(archive)
    with disk_errors(archive.parent):
        while chunk := await asyncio.to_thread(next, chunks, b""):
            yield chunk


def _size_of(api: docker.APIClient, image: str) -> int:
    """How many bytes an image has; 0 when the engine has none of that name."""
    try:
        return int(api.inspect_image(image)["Size"])
    except docker.errors.NotFound:
        return 0


def _drop_nameless(api: docker.APIClient, image: str) -> None:
    """Remove an image that has no name, unless something stands on it."""
    with contextlib.suppress(docker.errors.APIError):
        if not api.inspect_image(image)["RepoTags"]:
            api.remove_image(image)
