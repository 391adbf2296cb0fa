"""`sluice doctor`: what is wrong around Sluice."""

import asyncio
import json
import os
import sys
import threading
from dataclasses import asdict
from typing import Annotated, NoReturn

import typer

from bot.doctor.examination import examine, lines
from bot.doctor.finding import Health
from bot.settings import Settings


def doctor(*, as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False) -> None:
    """Look at everything around Sluice: what does not work and how to mend it. Exit code 1 when something does not."""
    found = asyncio.run(examine(Settings.read(), variables=os.environ))
    for line in [json.dumps([asdict(one) for one in found])] if as_json else lines(found):
        print(line)  # noqa: T201
    _leave(1 if any(one.health is Health.ILL for one in found) else 0)


def _leave(code: int) -> NoReturn:
    """End the program, though a thread may still wait for an answer that has no end; threads cannot be ended."""
    if all(one.daemon for one in threading.enumerate() if one is not threading.main_thread()):
        raise typer.Exit(code)
    sys.stdout.flush()
    os._exit(code)
