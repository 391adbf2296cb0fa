"""`sluice account bind`: a code account, without its token standing on a command line, where others could read it."""

import sys
from typing import Annotated

import typer
from rich.console import Console

from bot.cards import Tone
from bot.forms import BindForm
from bot.settings import Settings
from bot.terminal.client import Client
from bot.terminal.render import show

account = typer.Typer(no_args_is_help=True, help="Accounts at forges.")
As = Annotated[str, typer.Option("--as", envvar=["SLUICE_AS", "USER"], help="Who speaks.")]


@account.callback()
def _group() -> None:
    """Keep `bind` a command of its own."""


@account.command("bind")
def bind(
    forge: Annotated[str, typer.Argument(help="github, gitlab, gitee or devcloud.")],
    name: Annotated[str, typer.Option(help="What definitions call it.")] = "",
    at: Annotated[str, typer.Option(help="The address of a forge of one's own.")] = "",
    app: Annotated[str, typer.Option(help="The number of a GitHub App; its private key is read.")] = "",
    *,
    installation: Annotated[str, typer.Option(help="Of an app that is installed more than once: which.")] = "",
    as_: As = "me",
) -> None:
    """Bind an account: its token is asked for unseen, or read from standard input when that is no terminal."""
    token = typer.prompt("Token", hide_input=True) if sys.stdin.isatty() else sys.stdin.read()
    line = BindForm(forge).line(token.strip(), name=name, origin=at, app=app, installation=installation)
    cards = Client(Settings.read().socket).say(as_, line)
    for card in cards:
        show(Console(), card)
    if any(card.tone is Tone.BAD for card in cards):
        raise typer.Exit(1)
