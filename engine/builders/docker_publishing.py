"""From a built image to a name that everybody can use: the tag in the registry, or in the engine when there is none.

The danger: a tag that means one thing today and another tomorrow; the same order pushed twice under two digests,
because the bot was killed after the push and before it was written down; a registry that is full half-way.

The promise: a tag that Sluice has written is never moved by it. An order that is there already is found by the label
that the image's own last step wrote, whoever pushed it and whatever happened since. Of one order one content is
pushed: what was built is kept until it is, and a push that did not get through is tried again with it.

Why it holds: what the tag points to is looked at before anything is built, again before the push, and once more after
it, when it must be what was pushed. An engine sends the layers first and the tag last, in one request. Between the
last look and that request somebody else may write the same tag; no registry offers to prevent that, but it is seen.
"""

from collections.abc import Collection
from dataclasses import dataclass
from time import monotonic

import docker
import docker.errors

from engine.builders.docker_credentials import shown_to
from engine.builders.docker_engine import Engine
from engine.builders.docker_labels import ORDER, made_by, written_on
from engine.builders.docker_progress import Progress
from engine.builders.docker_words import EngineRefused, RegistryInTrouble, explain_push
from engine.builders.registries import Registries
from engine.builders.registry import Registry, Seen
from engine.errors import StageFailure
from engine.ports import LogSink


class TagTaken(StageFailure):
    """The tag is there already, and is another image."""

    def __init__(self, image: str, where: str, seen: Seen) -> None:
        super().__init__(
            f"{image} is in {where} already, and is another image ({seen.digest[:19]}, {made_by(_own(seen))}).",
            "Choose another tag, for example one with ${SYS_INCREMENT}; or remove that image first.",
        )


class NoImageHere(StageFailure):
    """The engine has no such image, and no registry is set up to ask."""

    def __init__(self, image: str) -> None:
        super().__init__(
            f"There is no image {image} in the Docker Engine.",
            "Run the pipeline that builds it, or name its registry in SLUICE_REGISTRIES.",
        )


@dataclass(frozen=True, slots=True)
class Published:
    """An image that can be had: its digest (its id, where there is no registry), and its full name."""

    digest: str
    place: str


@dataclass(frozen=True, slots=True)
class Publishing:
    """Writes tags."""

    engine: Engine
    registries: Registries

    async def find(self, image: str, keys: Collection[str]) -> Published | None:
        """Return the image under this tag if it came of an order of `keys`, None if there is none.

        Raises `TagTaken` when there is another one.
        """
        registry = self.registries.find(image)
        seen = await (registry.look(image) if registry else self.look_here(":".join(self.registries.place_of(image))))
        if seen is None:
            return None
        if _own(seen).get(ORDER) not in keys:
            raise TagTaken(image, f"the registry {registry.host}" if registry else "the Docker Engine", seen)
        return self._published(image, seen.digest)

    async def look_here(self, name: str) -> Seen | None:
        """Look at an image of the engine by its full name or id."""
        return await self.engine.ask(lambda api: _look(api, name))

    async def publish(self, image: str, keys: Collection[str], built: str, log: LogSink) -> Published:
        """Let `image` be what was built (an id in the engine), everywhere."""
        name, tag = self.registries.place_of(image)
        registry = self.registries.find(image)
        if found := await self.find(image, keys):
            return found
        await self.engine.ask(lambda api: api.tag(built, name, tag))
        if registry is None:
            log(f"No registry is set up for {image}: it stays in the Docker Engine")
            return self._published(image, built)
        digest = await self._push(registry, name, tag, log)
        seen = await registry.look(image)
        if seen is None:
            raise RegistryInTrouble(image, registry.host, "it does not show what was pushed")
        if seen.digest != digest if digest else _own(seen).get(ORDER) not in keys:  # not all engines tell a digest
            raise TagTaken(image, f"the registry {registry.host}", seen)
        return self._published(image, seen.digest)

    def _published(self, image: str, digest: str) -> Published:
        name, tag = self.registries.place_of(image)
        return Published(digest, f"{name}@{digest}" if self.registries.find(image) else f"{name}:{tag}")

    async def _push(self, registry: Registry, name: str, tag: str, log: LogSink) -> str:
        log(f"Pushing {name}:{tag}")
        try:
            progress = await self._converse(registry, name, tag, log)
        except EngineRefused as refused:  # before it has said anything else
            raise explain_push(self.engine.address, refused.words, f"{name}:{tag}", registry.host) from refused
        if progress.error:
            raise explain_push(self.engine.address, progress.error, f"{name}:{tag}", registry.host)
        return progress.digest

    async def _converse(self, registry: Registry, name: str, tag: str, log: LogSink) -> Progress:
        progress = Progress(log, monotonic, "Pushing")
        async with self.engine.conversation(
            "POST", f"/images/{name}/push", parameters={"tag": tag}, headers={"X-Registry-Auth": shown_to(registry)}
        ) as said:
            async for message in self.engine.told(said):
                progress.take(message)
                if progress.is_stuck:
                    raise RegistryInTrouble(f"{name}:{tag}", registry.host, "it does not take a layer of it")
        progress.close()
        return progress


def _look(api: docker.APIClient, name: str) -> Seen | None:
    try:
        facts = api.inspect_image(name)
        return Seen(str(facts["Id"]), (facts.get("Config") or {}).get("Labels") or {}, steps_of(api, str(facts["Id"])))
    except docker.errors.NotFound:
        return None


def steps_of(api: docker.APIClient, image: str) -> list[str]:
    """What made an image of the engine, the oldest step first."""
    return [str(step.get("CreatedBy", "")) for step in reversed(api.history(image))]


def _own(seen: Seen) -> dict[str, str]:
    return written_on(seen.labels, seen.steps)
