"""Images as instances need them: in the Docker Engine, by their content; fetched from their registry when they are not.

Fetching takes minutes, and a pass must not: it goes on beside the passes, once for each image, and every asking says
how far it is. What cannot be fetched is said in words and tried again after a while.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from engine.builders.docker_credentials import fetch
from engine.builders.docker_words import shortened
from engine.builders.registries import Registries
from engine.builders.registry import Registry
from engine.errors import SluiceError
from engine.model import Release
from engine.ports import Clock
from engine.targets.docker.asking import Containers
from engine.targets.fronted.report import FETCHING

_AGAIN = timedelta(seconds=15)
_HERE = frozenset({"Pull complete", "Already exists"})


@dataclass(slots=True)
class _Fetch:
    """One image on its way: whether each layer is here, and how many bytes of it; `trouble` is why it did not come."""

    since: datetime
    layers: dict[str, bool] = field(default_factory=dict)
    loaded: dict[str, int] = field(default_factory=dict)
    trouble: str = ""
    task: "asyncio.Task[None] | None" = None

    @property
    def is_over(self) -> bool:
        return self.task is None or self.task.done()

    def hear(self, message: Mapping[str, Any]) -> None:
        """Take what the engine says of it."""
        if "error" in message:
            self.trouble = shortened(str(message["error"]))
        elif "id" in message and "progressDetail" in message:
            status = str(message.get("status", ""))
            layer, detail = str(message["id"]), message["progressDetail"]
            self.layers[layer] = self.layers.get(layer, False) or status in _HERE
            if status == "Downloading" and isinstance(detail, dict):
                self.loaded[layer] = int(detail.get("current") or 0)


class Images:
    """Finds images in the engine, and fetches what is missing with the credentials of `registries`."""

    def __init__(self, containers: Containers, registries: Registries, clock: Clock) -> None:
        self._containers = containers
        self._registries = registries
        self._clock = clock
        self._fetches: dict[str, _Fetch] = {}

    async def ready(self, release: Release) -> str:
        """The name by which the engine has the release's image; empty while it has none, see `obstacle`."""
        for name in self._names(release):
            if name and await self._containers.image(name) is not None:
                self._fetches.pop(release.image, None)
                return name
        self._fetch(release)
        return ""

    def obstacle(self, release: Release) -> str:
        """Why the image is not there, in words that follow "it ..."."""
        if self._registries.find(release.image) is None:
            return (
                f"cannot be started: the Docker Engine has no image {release.image}, and SLUICE_REGISTRIES names no"
                " registry for it (what the builder bundle makes is none)"
            )
        coming = self._fetches.get(release.image)
        if coming is None or (coming.is_over and not coming.trouble):
            return f"{FETCHING} {release.image}"
        if coming.trouble:
            return f"cannot be started: {coming.trouble}"
        here, loaded = sum(coming.layers.values()), sum(coming.loaded.values())
        return f"{FETCHING} {release.image}: {here} of {len(coming.layers)} layers, {loaded >> 20} MiB"

    async def close(self) -> None:
        """Stop fetching."""
        tasks = [each.task for each in self._fetches.values() if each.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _names(self, release: Release) -> tuple[str, ...]:
        """What the engine may have the content by: its id or its digest; the tag, where no digest is known.

        The last one is what a registry knows it by.
        """
        place, tag = self._registries.place_of(release.image)
        return (release.digest, f"{place}@{release.digest}") if release.digest else (f"{place}:{tag}",)

    def _fetch(self, release: Release) -> None:
        registry, known = self._registries.find(release.image), self._fetches.get(release.image)
        if registry is None or (known and not known.is_over):
            return
        now = self._clock.now()
        if known is None or now - known.since >= _AGAIN:
            fresh = self._fetches[release.image] = _Fetch(now)
            fresh.task = asyncio.create_task(self._bring(release, registry, fresh))

    async def _bring(self, release: Release, registry: Registry, coming: _Fetch) -> None:
        source = self._names(release)[-1]
        try:
            await fetch(self._containers.engine, source, registry, coming.hear)
        except SluiceError as error:
            coming.trouble = shortened(str(error))
        if coming.trouble:
            coming.trouble = f"{release.image} cannot be fetched from {registry.host}: {coming.trouble}"
