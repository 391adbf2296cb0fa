"""A Procfile: one line for each kind of process, ``name: command``. What Sluice starts is the one called web. Pure."""

import re

from engine.errors import StageFailure

NAME = "Procfile"
_LINE = re.compile(r"([A-Za-z0-9_-]+):\s*(\S.*?)\s*")
_EXAMPLE = "Write a line such as: web: python3 server.py (it listens on the port in the variable PORT)."


class NoProcfile(StageFailure):
    """Nothing says how the result is started."""

    def __init__(self, place: str) -> None:
        super().__init__(
            f"{place} has no {NAME}, so nothing says how to start it.",
            f"Add a file called {NAME}, or procfile: to the build stage. {_EXAMPLE}",
        )


class NoWebLine(StageFailure):
    """There is a Procfile, and it does not say what serves requests."""

    def __init__(self, place: str) -> None:
        super().__init__(f"The {NAME} of {place} has no web: line.", _EXAMPLE)


def find_web_command(text: str) -> str | None:
    """Return the command of the ``web:`` line of a Procfile, None when it has none. Comments begin with #."""
    for line in text.splitlines():
        found = _LINE.fullmatch(line.strip())
        if found and found[1] == "web":
            return found[2]
    return None
