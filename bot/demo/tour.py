"""The demo with a person: everything is set up, the console is open, and the terminal says what to type."""

import asyncio
import os
import shutil
import signal
import tempfile
import webbrowser
from pathlib import Path

from rich.console import Console
from rich.text import Text

from bot.demo.story import ANN, Demo, staged


async def tour(*, keep: bool) -> None:
    """Run until Ctrl-C."""
    home = Path(tempfile.mkdtemp(prefix="sluice-demo-"))
    out = Console()
    done = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, done.set)
    out.print("Setting up: a git repository, a pipeline, and version v1 released. A few seconds ...", style="dim")
    try:
        async with staged(home) as demo:
            await demo.first_release()
            async with demo.visitors.coming(demo.scenery.port):
                _explain(out, demo)
                await done.wait()
                out.print("\nEnding everything ...", style="dim")
    finally:
        if keep:
            out.print(f"Kept: {home}")
        else:
            shutil.rmtree(home, ignore_errors=True)


def _explain(out: Console, demo: Demo) -> None:
    link = demo.app.url + demo.app.sessions.new_link(ANN)
    if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        webbrowser.open(link)
    words = Text.assemble(
        "The console, signed in as ann (the link works once):\n",
        (f"{link}\n\n", "bold cyan"),
        "hello v1 is released and visitors are coming, about 150 a second. In the console, type:\n\n",
        ("  run hello tag=v2", "bold"),
        "    see the variables, press Start, watch a fifth of the traffic move\n",
        ("  split hello 50", "bold"),
        "      give the new version half, live\n",
        ("  approve hello-2", "bold"),
        "     or press the button: v2 goes everywhere\n",
        ("  rollback hello", "bold"),
        "      see what will happen, press again: v1 is back\n\n",
        f"Or from another terminal here:\n\n  export SLUICE_HOME={demo.app.settings.home} SLUICE_AS=ann\n",
        '  .venv/bin/sluice say "run hello tag=v2"\n\n',
        ("Ctrl-C ends everything.", "dim"),
    )
    out.print()
    out.print(words, soft_wrap=True)
