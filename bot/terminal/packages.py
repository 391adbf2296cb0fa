"""`sluice package push` and `sluice package pull`, with what is left to go."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

from bot.settings import Settings
from bot.terminal.parcels import Moved, Parcels
from engine.packages import parse

ME = os.environ.get("USER") or "me"
packages = typer.Typer(no_args_is_help=True, help="Software packages: files put there, and fetched.")
As = Annotated[str, typer.Option("--as", envvar="SLUICE_AS", help="Who speaks, on this machine.")]
Url = Annotated[
    str,
    typer.Option(envvar="SLUICE_PACKAGES_URL", help="Where another machine's packages are: https://HOST/packages."),
]
Token = Annotated[
    str, typer.Option(envvar="SLUICE_PACKAGES_TOKEN", help="A token for it; better in the variable than here.")
]


@packages.command()
def push(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True)],
    path: Annotated[str, typer.Argument(help="ORGANIZATION/REPOSITORY/PACKAGE/VERSION, or with /FILE behind it.")],
    as_: As = ME,
    url: Url = "",
    token: Token = "",
) -> None:
    """Put a file to a version of a package. Large ones go on where they ended, when it is said again."""
    with _progress(file.name) as moved:
        where, is_new = _parcels(as_, url, token).push(file, parse(path, 4, 5), moved)
    print(f"{where} is kept." if is_new else f"{where} was there already, the very same.")  # noqa: T201


@packages.command()
def pull(
    path: Annotated[str, typer.Argument(help="ORGANIZATION/REPOSITORY/PACKAGE/VERSION, or with /FILE behind it.")],
    to: Annotated[Path, typer.Argument(help="The directory to put it into.")] = Path(),
    as_: As = ME,
    url: Url = "",
    token: Token = "",
) -> None:
    """Fetch a file, or all files of a version, compared with their checksums."""
    with _progress(path) as moved:
        places = _parcels(as_, url, token).pull(parse(path, 4, 5), to, moved)
    for place in places:
        print(place)  # noqa: T201


def _parcels(person: str, url: str, token: str) -> Parcels:
    """Return what reaches the store that is meant: the one on this machine, when no address is given."""
    if url:
        return Parcels(url.rstrip("/"), {"Authorization": f"Bearer {token}"})
    return Parcels("http://sluice/packages", {"X-Sluice-As": person}, Settings.read().socket)


@contextmanager
def _progress(what: str) -> Iterator[Moved]:
    """Show how far it is, where somebody looks."""
    columns = ("{task.description}", BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=None)

        def moved(done: int, size: int) -> None:
            progress.update(task, completed=done, total=size)

        yield moved
