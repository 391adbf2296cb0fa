"""Where machines reach Sluice, and what is said beside an address that few or nobody can call."""

from collections.abc import Callable
from dataclasses import dataclass

from bot.settings import Settings

_HERE = ("127.", "localhost", "::1")
_PUBLIC = "Set SLUICE_HOOKS_URL to the address at which others reach the port for machines."
_TAKEN = (
    "Nothing answers there now: the port for machines is not open, as another program has it. It is opened as soon as "
    "it is free; SLUICE_HOOKS_PORT names another one."
)


@dataclass(frozen=True, slots=True)
class Reach:
    """The `address` that machines' addresses begin with. `note` says who cannot call it, and what changes that."""

    address: str
    note: str = ""


def reach_of(settings: Settings, port: Callable[[], int | None]) -> Callable[[], Reach]:
    """Return what tells it: the public address, or the one where Sluice listens. `port`: the one that is open."""
    host = settings.hooks_host
    only = "Only this machine reaches that address." if host.startswith(_HERE) else f"Sluice listens at {host}."

    def reach() -> Reach:
        opened = port()
        notes = [] if settings.hooks_url else [f"{only} {_PUBLIC}"]
        notes += [_TAKEN] if opened is None else []
        written = f"[{host}]" if ":" in host else host
        address = settings.hooks_url.rstrip("/") or f"http://{written}:{opened or settings.hooks_port}"
        return Reach(address, " ".join(notes))

    return reach
