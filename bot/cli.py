"""The command `sluice`."""

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from bot.app import running
from bot.cards import Tone
from bot.demo import play, tour
from bot.doctor.examination import examine, lines
from bot.doctor.finding import Health
from bot.heap import settle
from bot.places.clusters import names_of
from bot.secrecy.lines import carries_secret
from bot.settings import Settings
from bot.terminal.accounts import account
from bot.terminal.auditing import audit, timeline
from bot.terminal.client import Client
from bot.terminal.packages import packages
from bot.terminal.persons import known, people
from bot.terminal.render import show
from bot.terminal.secrets import secret
from engine.errors import Broken, Refused, SluiceError
from engine.model import PersonId
from engine.pipeline import check as find_complaints
from engine.pipeline import describe
from storage.migrate import upgrade
from storage.store import SqlStore
from storage.vault import new_key

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Sluice releases software from where teams talk.",
)
app.add_typer(people, name="person")
app.add_typer(packages, name="package")
app.add_typer(audit, name="audit")
app.add_typer(secret, name="secret")
app.add_typer(account, name="account")
app.command()(timeline)
As = Annotated[str, typer.Option("--as", envvar="SLUICE_AS", help="Who speaks.")]
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
ME = os.environ.get("USER") or "me"


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


@app.command()
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


@app.command()
def say(
    line: Annotated[list[str], typer.Argument(help="What to say, for example: run hello tag=v2")], as_: As = ME
) -> None:
    """Say one line to the running bot and print the answers."""
    if carries_secret(" ".join(line)):
        raise Refused(
            "A secret on a command line can be read by everybody on this machine.",
            f"`sluice {line[0]} --help` tells what asks for it.",
        )
    text = sys.stdin.read() if line == ["-"] else " ".join(line)
    if line[0] in ("define", "check") and len(line) > 1 and Path(line[1]).is_file():
        text = f"{line[0]}\n{Path(line[1]).read_text()}"
    cards = Client(Settings.read().socket).say(as_, text)
    for card in cards:
        show(Console(), card)
    if any(card.tone is Tone.BAD and not card.topology for card in cards):
        raise typer.Exit(1)


@app.command()
def chat(as_: As = ME) -> None:
    """Talk to the running bot; its news are printed between the lines."""
    client, out = Client(Settings.read().socket), Console()
    seq, _ = client.news(-1)
    out.print("`help` tells what you can say. Ctrl-D leaves.", style="dim")
    threading.Thread(target=_tell, args=(client, out, seq), daemon=True).start()
    while True:
        try:
            line = input("> ")
        except (EOFError, KeyboardInterrupt):
            return
        if line.strip() in ("define", "check"):
            line += "\n" + _document()
        if line.strip():
            for card in client.say(as_, line):
                show(out, card)


def _document() -> str:
    print("Paste the YAML, then a line with a single dot.")  # noqa: T201
    lines = []
    while (line := input()) != ".":
        lines.append(line)
    return "\n".join(lines)


def _tell(client: Client, out: Console, seq: int) -> None:
    with contextlib.suppress(SluiceError):
        while True:
            seq, news = client.news(seq)
            for one in news:
                out.print(f"  {one['text']}", style="dim", highlight=False, markup=False)


@app.command()
def watch(run: str) -> None:
    """Print what happens to a run until it is over. Exit code 0 when it succeeded."""
    client, out, seq = Client(Settings.read().socket), Console(), 0
    ends = {"succeeded": 0, "failed": 1, "rejected": 1, "cancelled": 1, "rolled_back": 1}
    while True:
        seq, news = client.news(seq, run)
        for one in news:
            out.print(one["text"], highlight=False, markup=False)
        if news and news[-1]["state"] in ends and " ".join(news[-1]["state"].split("_")) in news[-1]["text"]:
            raise typer.Exit(ends[news[-1]["state"]])


@app.command()
def link(as_: As = ME) -> None:
    """Print a one-time link into the web console, and a one-time code that makes a chat's account yours."""
    client = Client(Settings.read().socket)
    print(client.link(as_))  # noqa: T201
    for card in client.say(as_, "link"):
        show(Console(), card)


@app.command()
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


@app.command()
def doctor(*, as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False) -> None:
    """Look at everything around Sluice: what does not work and how to mend it. Exit code 1 when something does not."""
    found = asyncio.run(examine(Settings.read()))
    for line in [json.dumps([asdict(one) for one in found])] if as_json else lines(found):
        print(line)  # noqa: T201
    _leave(1 if any(one.health is Health.ILL for one in found) else 0)


def _leave(code: int) -> NoReturn:
    """End the program, though a thread may still wait for an answer that has no end; threads cannot be ended."""
    if all(one.daemon for one in threading.enumerate() if one is not threading.main_thread()):
        raise typer.Exit(code)
    sys.stdout.flush()
    os._exit(code)


@app.command()
def key() -> None:
    """Print a new key that secrets can be sealed with: put it in front of those in SLUICE_KEYS or the key file."""
    print(new_key())  # noqa: T201


@app.command()
def migrate() -> None:
    """Bring the database to this version's tables."""
    store = SqlStore.open(Settings.read().database_url, migrate=False)
    upgrade(store.engine)
    store.engine.dispose()
    print("The database is up to date.")  # noqa: T201


@app.command()
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
    raise typer.Exit(0 if told["ok"] else 1)
