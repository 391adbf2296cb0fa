"""How a container ended, in words that follow "it ...". Pure."""

import signal
from typing import Any

from engine.model import Json

_SIGNALLED = 128
_KNOWN = {
    125: "the Docker Engine could not start it",
    126: "its command cannot be executed",
    127: "there is no such command in its image",
}


def ending(inspected: Json, last_words: str) -> str:
    """Say how the container of `inspected` ended, with the last line that it wrote."""
    state: dict[str, Any] = inspected.get("State", {})
    if state.get("Error"):
        return f"cannot be started: {_tidy(state['Error'])}"
    said = _how(state, int(inspected.get("HostConfig", {}).get("Memory") or 0))
    return f"ended: {said}" + (f": {last_words}" if last_words else "")


def _how(state: Json, limit: int) -> str:
    code = int(state.get("ExitCode") or 0)
    if state.get("OOMKilled"):
        of = f" of {written_bytes(limit)}" if limit else ""
        return f"killed because it needed more memory than its limit{of} (OOMKilled)"
    if code in _KNOWN:
        return f"exit code {code} ({_KNOWN[code]})"
    if code > _SIGNALLED and (name := _signal(code - _SIGNALLED)):
        return f"killed by {name} (exit code {code})"
    return f"exit code {code}"


def written_bytes(count: int) -> str:
    """An amount of memory as definitions write it."""
    for unit, size in (("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)):
        if count and count % size == 0:
            return f"{count // size}{unit}"
    return str(count)


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return ""


def _tidy(words: str) -> str:
    return " ".join(str(words).split()).rstrip(".")[:300]
