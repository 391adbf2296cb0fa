"""What is asked of a Docker Engine about containers, networks, volumes and images.

Each call is one request to the engine's API. What is not there is None or nothing; every other refusal is `Declined`,
with the engine's words. Everything that Sluice asks about is found by labels.
"""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from engine.builders.docker_engine import Engine
from engine.builders.docker_words import EngineRefused
from engine.errors import Broken, SluiceError
from engine.model import Json
from engine.targets.docker import names

_RUNNING = frozenset({"running", "restarting"})
_GRACE = 10
"""Seconds from being told to end to being killed."""
_ABSENT = ("no such", "not found")
_AGAIN = ("already in progress", "is already paused", "is not paused")


class Declined(Broken):
    """The engine does not do it; the sentence is what it says."""


@dataclass(frozen=True, slots=True)
class Container:
    """One container as the engine lists it. `state` is its word: created, running, paused, restarting, exited, dead."""

    id: str
    state: str
    labels: Mapping[str, str] = field(default_factory=dict)
    name: str = ""
    image: str = ""
    published: frozenset[int] = frozenset()

    @property
    def runs(self) -> bool:
        """Whether it runs, or the engine is about to start it again."""
        return self.state == "running"

    @property
    def is_kept(self) -> bool:
        """Whether it runs or will by itself, so that nobody has to start it."""
        return self.state in _RUNNING or self.state == "removing"

    @property
    def instance(self) -> str:
        """The instance that it is."""
        return self.labels.get(names.INSTANCE, "")


class Containers:
    """Asks `engine`."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    async def listed(self, labels: Mapping[str, str] | None = None) -> list[Container]:
        """Every container with all of `labels`, those that do not run included."""
        chosen = names.selected(labels or {})
        found: list[Json] = await self._ask(lambda api: api.containers(all=True, filters=chosen))
        return [_container(each) for each in found]

    async def ours(self, place: str, workload: str = "") -> list[Container]:
        """The containers that the Sluice called `place` has made, all or those of one workload.

        Labels alone do not say it: an image that somebody makes of a container (docker commit) hands them on.
        """
        found = await self.listed({names.PLACE: place, **({names.WORKLOAD: workload} if workload else {})})
        return [each for each in found if each.name == names.container_name(each.instance, place)]

    async def inspected(self, container: str) -> Json | None:
        """Everything about one container; None when there is none."""
        found: Json | None = await self._find(lambda api: api.inspect_container(container))
        return found

    async def last_words(self, container: str) -> str:
        """The last line that it wrote."""
        found = await self._find(lambda api: api.logs(container, tail=5))
        lines = [line for line in bytes(found or b"").decode(errors="replace").splitlines() if line.strip()]
        return lines[-1].strip()[:300] if lines else ""

    async def create(self, name: str, configuration: Json) -> None:
        """Make a container. One of that name that is there already is as good as made: names are never used again."""
        try:
            await self._ask(lambda api: api.create_container_from_config(configuration, name))
        except Declined as error:
            if "is already in use by container" not in str(error):
                raise

    async def start(self, name: str) -> None:
        """Start a container; one that runs goes on."""
        await self._ask(lambda api: api.start(name))

    async def unpause(self, name: str) -> None:
        """Let a paused container go on."""
        try:
            await self._ask(lambda api: api.unpause(name))
        except Declined as error:
            if not _says(error, _AGAIN):
                raise

    async def stop(self, name: str) -> None:
        """Tell a container to end, and wait until it has; it is killed when it takes too long."""
        await self._tell("POST", f"/containers/{quote(name)}/stop", {"t": str(_GRACE)})

    async def remove(self, name: str) -> None:
        """Remove a container with the volumes that are its own alone."""
        await self._tell("DELETE", f"/containers/{quote(name)}", {"v": "true", "force": "true"})

    async def update(self, name: str, limits: Mapping[str, Any]) -> None:
        """Change what a container may use, and when it is started again."""
        await self._tell("POST", f"/containers/{quote(name)}/update", {}, dict(limits))

    async def network(self, name: str) -> Json | None:
        """Everything about one network."""
        found: Json | None = await self._find(lambda api: api.inspect_network(name))
        return found

    async def create_network(self, name: str, labels: Mapping[str, str], subnet: str = "", gateway: str = "") -> None:
        """Make a network with addresses of `subnet`, or of the engine's own choice."""
        ipam = {"Driver": "default", "Config": [{"Subnet": subnet, "Gateway": gateway}]} if subnet else None
        told = dict(labels)
        await self._ask(lambda api: api.create_network(name, driver="bridge", ipam=ipam, labels=told))

    async def remove_network(self, name: str) -> None:
        """Remove a network that nobody is in; one that somebody is in stays."""
        try:
            await self._ask(lambda api: api.remove_network(name))
        except Declined:
            return

    async def has_volume(self, name: str) -> bool:
        """Whether there is a volume of that name."""
        return await self._find(lambda api: api.inspect_volume(name)) is not None

    async def image(self, name: str) -> Json | None:
        """Everything about an image that the engine has, by its id or a name."""
        found: Json | None = await self._find(lambda api: api.inspect_image(name))
        return found

    async def facts(self) -> Json:
        """What the engine says of itself."""
        found: Json = await self._ask(lambda api: api.info())
        return found

    async def _find(self, question: Any) -> Any:
        try:
            return await self._ask(question)
        except Declined as error:
            if _says(error, _ABSENT):
                return None
            raise

    async def _ask(self, question: Any) -> Any:
        try:
            return await self.engine.ask(question)
        except EngineRefused as error:
            raise Declined(error.words) from error

    async def _tell(self, method: str, path: str, parameters: Mapping[str, str], body: Json | None = None) -> None:
        """Say what takes as long as a container takes to end. What it is said of may be gone already."""
        written = json.dumps(body).encode() if body is not None else b""
        headers = {"content-type": "application/json", "content-length": str(len(written))}
        said = self.engine.conversation(method, path, parameters=parameters, headers=headers, content=_once(written))
        try:
            async with said as answer:
                await answer.aread()
        except EngineRefused as error:
            if not _says(error, (*_ABSENT, *_AGAIN)):
                raise Declined(error.words) from error


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


def _says(error: SluiceError, signs: tuple[str, ...]) -> bool:
    low = str(error).lower()
    return any(sign in low for sign in signs)


def _container(said: Json) -> Container:
    ports = (each.get("PublicPort") for each in said.get("Ports") or ())
    return Container(
        id=said["Id"],
        state=str(said.get("State", "")).lower(),
        labels=said.get("Labels") or {},
        name=(said.get("Names") or [""])[0].lstrip("/"),
        image=str(said.get("Image", "")),
        published=frozenset(int(port) for port in ports if port),
    )
