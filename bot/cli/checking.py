"""`sluice check`: what is wrong with definitions, without a running bot."""

import asyncio
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Annotated

import typer

from bot.places.clusters import names_of
from bot.settings import Settings
from bot.terminal.persons import known
from engine.errors import Refused
from engine.pipeline import check as find_complaints
from engine.pipeline import describe

PIPED = Path("-")


def check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="- reads what is piped.", show_default=False)],
) -> None:
    """Print every complaint about pipeline definitions. Exit code 1 when there is one.

    Reviewers are checked where a Sluice has run before, names of clusters where the settings name some.
    """
    settings = Settings.read()
    people = asyncio.run(known(settings))
    are_right = [_is_right(file, settings, people) for file in files]
    if people is None:
        print(f"Reviewers were not looked up: no Sluice has run in {settings.home}.")  # noqa: T201
    raise typer.Exit(0 if all(are_right) else 1)


def _is_right(file: Path, settings: Settings, people: Collection[str] | None) -> bool:
    found = find_complaints(
        _text_of(file),
        people,
        clusters=names_of(settings.clusters) or None,
        allow_local=settings.local_git,
        allow_http=settings.plain_git,
    )
    name = "what was piped" if file == PIPED else str(file)
    print(describe(found, name) if found else f"{name}: nothing to complain about.")  # noqa: T201
    return not found


def _text_of(file: Path) -> str:
    if file == PIPED:
        return sys.stdin.read()
    try:
        return file.read_text(errors="replace")
    except OSError as error:
        raise Refused(f"{file} cannot be read: {error.strerror}.") from error
