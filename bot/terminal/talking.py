"""`sluice say`, `chat`, `watch` and `link`: talk to the running bot. They load little, so that they answer at once."""

import contextlib
import sys
import threading
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bot.cards import Tone
from bot.secrecy.lines import carries_secret
from bot.settings import Settings
from bot.terminal.client import Client
from bot.terminal.render import show
from bot.terminal.speaker import ME, As
from engine.errors import Refused, SluiceError


def say(
    line: Annotated[list[str], typer.Argument(help="What to say, for example: run hello tag=v2")], as_: As = ME
) -> None:
    """Say one line to the running bot and print the answers."""
    if carries_secret(" ".join(line)):
        raise Refused(
            "A secret on a command line can be read by everybody on this machine.",
            f"`sluice {line[0]} --help` tells what asks for it.",
        )
    text = sys.stdin.read() if line == ["-"] else _with_file(" ".join(line))
    cards = Client(Settings.read().socket).say(as_, text)
    for card in cards:
        show(Console(), card, alone=len(cards) == 1)
    if any(card.tone is Tone.BAD and not card.topology for card in cards):
        raise typer.Exit(1)


def _with_file(line: str) -> str:
    """Return the line, with what a file says in the file's place: `define FILE`, `check FILE`."""
    verb, _, rest = line.strip().partition(" ")
    name = rest.strip()
    if verb not in ("define", "check") or not name or "\n" in name:
        return line
    if _is_file(name):
        try:
            text = Path(name).read_text(errors="replace")
        except OSError as error:
            raise Refused(f"{name} cannot be read: {error.strerror}.", "Whose file is it?") from error
        if not text.strip():
            raise Refused(f"The file {name} is empty.")
        return f"{verb}\n{text}"
    if " " not in name and (name.endswith((".yaml", ".yml")) or "/" in name):
        raise Refused(f"There is no file {name} here.", f"Here is {Path.cwd()}.")
    return line


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False


def chat(as_: As = ME) -> None:
    """Talk to the running bot; its news are printed between the lines."""
    client, out = Client(Settings.read().socket), Console()
    seq, _ = client.news(-1)
    out.print("`help` tells what you can say. `exit` or Ctrl-D leaves.", style="dim")
    threading.Thread(target=_tell, args=(client, out, seq), daemon=True).start()
    while True:
        try:
            line = input("> ")
        except (EOFError, KeyboardInterrupt):
            return
        if line.strip() in ("exit", "quit"):
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


def link(as_: As = ME) -> None:
    """Print a one-time link into the web console, and a one-time code that makes a chat's account yours."""
    client = Client(Settings.read().socket)
    print(client.link(as_))  # noqa: T201
    for card in client.say(as_, "link"):
        show(Console(), card)
