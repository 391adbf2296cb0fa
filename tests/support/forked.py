"""Programs in processes of their own that do not have to import Sluice first: most of a short life would be that.

One process imports it once; each program is a fork of that one, with a pid, memory and files of its own, so kill -9 of
it is kill -9. What it prints goes to files, because it may leave others behind who hold a pipe open.
"""

import asyncio
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Main = Callable[[Sequence[str]], None]
"""A program: what it does with its arguments. A function of a module, so that it can be named to the other process."""
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["bot.app"])


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended: its exit code (-9: killed), and what it printed."""

    code: int
    out: str
    complaints: str


async def run(main: Main, arguments: Sequence[str], environment: Mapping[str, str], within: float) -> Ended:
    """Run a program to its end; it is killed after `within` seconds, which is an error."""
    with tempfile.TemporaryDirectory() as place:
        process = _FORKS.Process(target=_live, args=(main, arguments, environment, place))
        await asyncio.to_thread(process.start)
        try:
            await asyncio.to_thread(process.join, within)
            assert process.exitcode is not None, f"{main.__module__} is not over after {within:g} s"
        finally:
            process.kill()
            process.join()
        out, complaints = ((Path(place) / name).read_text() for name in ("out", "complaints"))
        return Ended(process.exitcode, out, complaints)


def _live(main: Main, arguments: Sequence[str], environment: Mapping[str, str], place: str) -> None:
    os.environ.update(environment)
    for name, stream in (("out", sys.stdout), ("complaints", sys.stderr)):
        with (Path(place) / name).open("w") as file:
            os.dup2(file.fileno(), stream.fileno())
    main(arguments)
