"""The command `sluice`, typed beside a bot or without one."""

import asyncio
from pathlib import Path

from typer.testing import CliRunner, Result

from bot.cli.command import app


async def sluice(home: Path, *words: str) -> Result:
    """What the command prints in this home."""
    environment = {"SLUICE_HOME": str(home), "SLUICE_DATABASE": "", "SLUICE_KEYS": None, "COLUMNS": "200"}
    return await asyncio.to_thread(lambda: CliRunner().invoke(app, list(words), env=environment))
