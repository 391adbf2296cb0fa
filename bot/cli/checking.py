"""`sluice check`: what is wrong with a definition, without a running bot."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from bot.places.clusters import names_of
from bot.settings import Settings
from bot.terminal.persons import known
from engine.pipeline import check as find_complaints
from engine.pipeline import describe


def check(file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True)]) -> None:
    """Print every complaint about a pipeline definition.

    Reviewers are checked where a Sluice has run before, names of clusters where the settings name some.
    """
    settings = Settings.read()
    found = find_complaints(
        file.read_text(errors="replace"),
        asyncio.run(known(settings)),
        clusters=names_of(settings.clusters) or None,
        allow_local=settings.local_git,
        allow_http=settings.plain_git,
    )
    if found:
        print(describe(found, str(file)))  # noqa: T201
        raise typer.Exit(1)
    print(f"{file}: nothing to complain about.")  # noqa: T201
