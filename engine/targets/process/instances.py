"""An instance as a program: its command, its environment, its port."""

import re
from pathlib import Path

from engine.builders import procfile
from engine.model import Release
from engine.routing import atomic
from engine.targets.fronted.environment import environment_of
from engine.targets.fronted.programs import Program, allowed_environment
from engine.targets.fronted.state import InstanceRecord

_SHELL = re.compile(r"[;&|\n]|^\s*(?:\w+=|cd\b|\.\s|source\b|exec\b|if\b|for\b|while\b|export\b|\{|\()")


def program_of(instance: InstanceRecord, release: Release, bundle: Path) -> Program:
    """What is run. The bot's own environment stays out of it, apart from a few harmless names."""
    command = web_command(bundle)
    plain = not _SHELL.search(command)
    return Program(
        name=instance.name,
        argv=("bash", "-c", f"exec {command}" if plain else command),
        cwd=str(bundle),
        environment=allowed_environment() | environment_of(instance, release),
        whole_group=not plain,
    )


def web_command(bundle: Path) -> str:
    """The command that the bundle's Procfile has for ``web``."""
    text = atomic.read(bundle / procfile.NAME)
    if text is None:
        raise procfile.NoProcfile(f"The bundle {bundle.name}")
    command = procfile.find_web_command(text)
    if command is None:
        raise procfile.NoWebLine(f"the bundle {bundle.name}")
    return command
