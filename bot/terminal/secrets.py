"""`sluice secret`: secret variables, without a value ever standing on a command line, where others could read it."""

import sys
from typing import Annotated

import typer
from rich.console import Console

from bot.cards import Card, Tone
from bot.settings import Settings
from bot.terminal.client import Client
from bot.terminal.render import show

secret = typer.Typer(no_args_is_help=True, help="Secret variables of pipelines.")
As = Annotated[str, typer.Option("--as", envvar=["SLUICE_AS", "USER"], help="Who speaks.")]


@secret.command("set")
def set_value(pipeline: str, name: str, as_: As = "me") -> None:
    """Give a secret variable its value: asked for unseen, or read from standard input when that is no terminal."""
    value = typer.prompt("Value", hide_input=True) if sys.stdin.isatty() else sys.stdin.read()
    _said(as_, f"secret set {pipeline} {name}\n{value.strip()}")


@secret.command("list")
def list_names(pipeline: str, as_: As = "me") -> None:
    """Print which secrets a pipeline has, and who set them when."""
    _said(as_, f"secret list {pipeline}")


@secret.command("remove")
def remove_value(pipeline: str, name: str, as_: As = "me") -> None:
    """Take a secret's value away. What needs it fails until it is set again."""
    typer.confirm(f"Take away the secret {name} of {pipeline}?", abort=True)
    cards = Client(Settings.read().socket).say(as_, f"secret remove {pipeline} {name}")
    if any(card.tone is Tone.ASKING for card in cards):
        cards = Client(Settings.read().socket).say(as_, "yes")
    _shown(cards)


def _said(as_: str, line: str) -> None:
    _shown(Client(Settings.read().socket).say(as_, line))


def _shown(cards: list[Card]) -> None:
    for card in cards:
        show(Console(), card)
    if any(card.tone is Tone.BAD for card in cards):
        raise typer.Exit(1)
