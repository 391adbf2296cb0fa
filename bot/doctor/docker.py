"""The Docker Engine that builds images, and the registries that they are pushed to.

An engine that nobody needs may be away: bundles are built without one. It is needed when the settings name it, or when
a stored pipeline builds or runs images.
"""

import asyncio
import shutil
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from bot.doctor.finding import Finding, ill, odd, well
from bot.places.building import engine_of, registry_of
from bot.registry_settings import RegistrySettings
from bot.settings import Settings
from engine.builders.docker_engine import Engine, Greeting
from engine.errors import Interrupted, SluiceError
from engine.image_build import DOCKER, meant
from engine.pipeline import parse

ROOM = 2 * 1024**3
_GIBIBYTE = 1024**3
_NETWORK = "Look at the network, and at address in SLUICE_REGISTRIES."


async def docker(
    settings: Settings, definitions: Iterable[str], patience: float, engine: Engine | None = None
) -> list[Finding]:
    """Look at the engine (that of the settings, if none is given) and at every registry of the settings."""
    is_needed = bool(settings.docker_host) or any(map(_needs_engine, definitions))
    found, *registries = await asyncio.gather(
        _engine(engine or engine_of(settings), patience, is_needed=is_needed),
        *(_registry(name, of, patience) for name, of in settings.registries.items()),
    )
    return [*found, *(finding for findings in registries for finding in findings)]


def _needs_engine(text: str) -> bool:
    """Whether a stored pipeline builds images or runs them, by the values that its variables are declared with."""
    with suppress(SluiceError):
        pipeline = parse(text).pipeline
        target = pipeline.deployment.target if pipeline.deployment else ""
        builds = [stage.build for stage in pipeline.stages if stage.build is not None]
        return target == DOCKER or any(meant(dict(build), target) == DOCKER for build in builds)
    return False


async def _engine(engine: Engine, patience: float, *, is_needed: bool) -> list[Finding]:
    engine.patience = engine.reach_within = timedelta(seconds=patience)
    try:
        greeting = await asyncio.wait_for(engine.greet(), 2 * patience)
    except (SluiceError, TimeoutError) as error:
        why = str(error) if isinstance(error, SluiceError) else f"The Docker Engine at {engine.address} is too slow."
        if not is_needed:
            return [well("docker", f"{why} No pipeline needs it")]
        return [ill("docker", why, _cure(error))]
    about = f"Docker Engine {greeting.version} at {engine.address}"
    free = _free(engine, greeting)
    if free is None:
        return [well("docker", about)]
    if free < ROOM:
        return [ill("docker", f"The disk of {about} has {free // 1024**2} MiB left.", "docker system prune")]
    return [well("docker", f"{about}, {free // _GIBIBYTE} GiB free for images")]


def _cure(error: Exception) -> str:
    if isinstance(error, SluiceError) and not isinstance(error, Interrupted) and error.hint:
        return error.hint
    return "Start it (systemctl start docker), or set SLUICE_DOCKER_HOST to where it is."


def _free(engine: Engine, greeting: Greeting) -> int | None:
    """The room for images, in bytes, if the engine is on this machine and says where it keeps them."""
    with suppress(OSError):
        return shutil.disk_usage(Path(greeting.root)).free if engine.is_here and greeting.root else None
    return None


async def _registry(name: str, settings: RegistrySettings, patience: float) -> list[Finding]:
    registry, what = registry_of(settings), f"registry {name}"
    registry.patience = timedelta(seconds=patience)
    try:
        await registry.greet()
    except Interrupted as error:
        return [ill(what, str(error), _NETWORK)]
    except SluiceError as error:
        return [ill(what, str(error), error.hint)]
    if not settings.user:
        return [odd(what, f"{registry.host} answers; nobody is named who may push.", "Name user and password there.")]
    return [well(what, f"{registry.host} answers and takes the account {settings.user}")]
