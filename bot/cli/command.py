"""The command `sluice`: which module has which command, loaded when it is asked for, so that the others do not wait."""

import logging
import os
import sys
from collections import UserDict
from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from engine.errors import Broken, SluiceError

_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
COMMANDS = {
    "serve": "bot.cli.running:serve",
    "say": "bot.terminal.talking:say",
    "chat": "bot.terminal.talking:chat",
    "watch": "bot.terminal.talking:watch",
    "link": "bot.terminal.talking:link",
    "check": "bot.cli.checking:check",
    "doctor": "bot.cli.health:doctor",
    "key": "bot.cli.upkeep:key",
    "migrate": "bot.cli.upkeep:migrate",
    "demo": "bot.cli.running:demo",
    "timeline": "bot.terminal.auditing:timeline",
    "person": "bot.terminal.persons:people",
    "package": "bot.terminal.packages:packages",
    "audit": "bot.terminal.auditing:audit",
    "secret": "bot.terminal.secrets:secret",
    "account": "bot.terminal.accounts:account",
}
"""By what is typed, in the order of the help: the module, and the function or the group of commands in it."""


class OnDemand(UserDict[str, Any]):
    """`COMMANDS`, each loaded when it is looked at."""

    def __getitem__(self, name: str) -> Any:
        module, _, place = super().__getitem__(name).partition(":")
        found = getattr(import_module(module), place)
        alone = typer.Typer()
        if isinstance(found, typer.Typer):
            alone.add_typer(found, name=name)
        else:
            alone.command(name)(found)
        return typer.main.get_group(alone).commands[name]

    def get(self, name: str, default: Any = None) -> Any:
        """Return the command. A `KeyError` while it is loaded is a bug, and no unknown command."""
        if name not in self:
            return default
        return self[name]


class Group(TyperGroup):
    """The commands of `sluice`."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = OnDemand(COMMANDS)


app = typer.Typer(cls=Group, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


def _tell_version(*, is_asked: bool) -> None:
    if is_asked:
        print(f"sluice {version('sluice-bot')}")  # noqa: T201
        raise typer.Exit


@app.callback()
def sluice(
    *,
    _version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Sluice releases software from where teams talk."""


def main() -> None:
    """Run the command line; the house's errors end it with their sentence and exit code 1."""
    try:
        _log_as(os.environ.get("SLUICE_LOG") or "WARNING")
        app()
    except SluiceError as error:
        console = Console(stderr=True)
        console.print(str(error), style="red", highlight=False, markup=False)
        if error.hint:
            console.print(error.hint, highlight=False, markup=False)
        sys.exit(1)


def _log_as(level: str) -> None:
    if level.upper() not in logging.getLevelNamesMapping():
        raise Broken("SLUICE_LOG: this is no level of a log.", f"Write one of {', '.join(_LEVELS)}.")
    logging.basicConfig(level=level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # At INFO httpx writes down addresses, and Telegram's hold the token.
    logging.getLogger("httpx").setLevel(logging.WARNING)
