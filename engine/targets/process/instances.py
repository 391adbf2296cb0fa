"""An instance as a program: its command, its environment, its port."""

import random
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from engine.builders import procfile
from engine.deployment import Readiness
from engine.errors import Broken
from engine.model import Release
from engine.rollout.fleet import ReleaseId
from engine.routing import atomic
from engine.routing.listening import listening
from engine.targets.process.programs import Program, allowed_environment
from engine.targets.process.state import Check, InstanceRecord

_FROM, _TO = 20000, 32768
"""Below what Linux gives to outgoing connections, so that none of those sits on a port while an instance restarts."""
_SHELL = re.compile(r"[;&|\n]|^\s*(?:\w+=|cd\b|\.\s|source\b|exec\b|if\b|for\b|while\b|export\b|\{|\()")


def check_of(release: Release) -> Check:
    """How the instances of `release` show that they are ready."""
    readiness = Readiness.model_validate(release.settings.get("readiness", {}))
    return Check(readiness.http, readiness.every, readiness.within)


def program_of(instance: InstanceRecord, release: Release, bundle: Path) -> Program:
    """What is run. The bot's own environment stays out of it, apart from a few harmless names."""
    command = web_command(bundle)
    plain = not _SHELL.search(command)
    own = {
        "PORT": str(instance.port),
        "SLUICE_INSTANCE": instance.name,
        "SLUICE_GROUP": instance.group,
        "SLUICE_TRACK": instance.group,
        "SLUICE_RELEASE": str(release.id),
        "SLUICE_VERSION": release.image.rpartition(":")[2],
    }
    settings = {str(name): str(value) for name, value in release.settings.get("environment", {}).items()}
    return Program(
        name=instance.name,
        argv=("bash", "-c", f"exec {command}" if plain else command),
        cwd=str(bundle),
        environment=allowed_environment() | settings | own,
        whole_group=not plain,
    )


def free_ports(assigned: Iterable[int]) -> Iterator[int]:
    """Ports that nobody listens to and that are not assigned to an instance, in no order."""
    free = sorted(set(range(_FROM, _TO)) - set(listening()) - set(assigned))
    random.shuffle(free)
    yield from free
    raise Broken("There is no free port left for another instance.")


def web_command(bundle: Path) -> str:
    """The command that the bundle's Procfile has for ``web``."""
    text = atomic.read(bundle / procfile.NAME)
    if text is None:
        raise procfile.NoProcfile(f"The bundle {bundle.name}")
    command = procfile.find_web_command(text)
    if command is None:
        raise procfile.NoWebLine(f"the bundle {bundle.name}")
    return command


def checks_of(releases: Mapping[ReleaseId, Release]) -> dict[ReleaseId, Check]:
    """The checks of every release."""
    return {name: check_of(release) for name, release in releases.items()}
