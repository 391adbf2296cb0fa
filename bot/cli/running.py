"""`sluice serve` and `sluice demo`: the whole bot in this process."""

import asyncio
import json
import os
import signal
from typing import Annotated

import typer
from rich.console import Console

from bot.app import running
from bot.demo import INTERRUPTED, play, tour
from bot.heap import settle
from bot.settings import Settings
from bot.terminal.speaker import ME
from engine.errors import Broken
from engine.model import PersonId

_BY_A_SIGNAL = 130
"""What a shell expects of a command that Ctrl-C has ended."""


def serve() -> None:
    """Run the bot with its web console. Everything it deploys goes on running when it ends."""
    asyncio.run(_serve(Settings.read()))


async def _serve(settings: Settings) -> None:
    done = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, done.set)
    async with running(settings) as sluice:
        person = PersonId(os.environ.get("SLUICE_AS") or ME)
        out = Console()
        out.print(f"Sluice is at {sluice.url}", highlight=False)
        out.print(f"Sign in as {person}, once, within ten minutes:", highlight=False)
        out.print(sluice.url + sluice.sessions.new_link(person), highlight=False, soft_wrap=True)
        settle()
        await _first(done, sluice.broke)
        if sluice.broke.is_set():
            raise Broken("A part of Sluice broke, so it ends; its log says what.", "What it deployed goes on running.")


async def _first(*events: asyncio.Event) -> None:
    waiting = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()


def demo(
    *,
    script: Annotated[bool, typer.Option(help="Play the whole story without a person, then end.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --script: print one JSON object.")] = False,
    keep: Annotated[bool, typer.Option(help="Keep the demo's directory.")] = False,
) -> None:
    """A gray release from end to end on this machine, with a small web service and steady traffic."""
    if not script:
        asyncio.run(tour(keep=keep))
        return
    told = asyncio.run(play(quiet=as_json))
    if as_json:
        print(json.dumps(told))  # noqa: T201
    if told["run"] == INTERRUPTED:
        Console(stderr=True).print("The demo was interrupted; everything that it started is ended.")
        raise typer.Exit(_BY_A_SIGNAL)
    raise typer.Exit(0 if told["ok"] else 1)
