"""What a Docker Engine is shown of the accounts at registries, and how it fetches an image with one of them.

The danger: an engine shows what it was given to whatever a Dockerfile names. So for a build it is given the accounts
of the organizations whose images the definition names, and no others; for a fetch or a push that one account.
"""

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from engine.builders.docker_engine import Engine
from engine.builders.registries import Registries
from engine.builders.registry import Registry


def credentials_for_builds(registries: Registries, images: Iterable[str]) -> str:
    """What an engine may show while it builds with `images` (organization/repository:tag), as the header it wants.

    Where two of them have accounts at one registry, it is given that of the last one.
    """
    wanted = [registry for image in images if (registry := registries.find(image)) and registry.user]
    return _encoded({_host(each): {"username": each.user, "password": each.password} for each in wanted})


def shown_to(registry: Registry) -> str:
    """What an engine may show to one registry, as the header it wants: that of a fetch or a push."""
    if not registry.user:
        return _encoded({})
    return _encoded({"username": registry.user, "password": registry.password, "serveraddress": _host(registry)})


async def fetch(engine: Engine, source: str, registry: Registry, take: Callable[[Mapping[str, Any]], None]) -> None:
    """Let the engine fetch an image (NAME@DIGEST or NAME:TAG) from its registry; `take` is given what it says.

    What went wrong later than at the beginning is among that. Raises `EngineRefused`, `EngineAway`, `EngineClosed`.
    """
    headers, parameters = {"X-Registry-Auth": shown_to(registry)}, {"fromImage": source}
    async with engine.conversation("POST", "/images/create", parameters=parameters, headers=headers) as said:
        async for message in engine.told(said):
            take(message)


def _host(registry: Registry) -> str:
    return registry.host.partition("/")[0]


def _encoded(said: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(said).encode()).decode()
