"""Which TCP ports of this machine are listened to, and by whom. Only looks: connects to nothing, binds nothing."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

_LISTEN = "0A"


def listening() -> Mapping[int, frozenset[str]]:
    """Every port that is listened to, with the inodes of the sockets."""
    found: dict[int, set[str]] = {}
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        try:
            rows = table.read_text(encoding="ascii").splitlines()[1:]
        except FileNotFoundError:
            continue
        for row in rows:
            fields = row.split()
            if fields[3] == _LISTEN:
                found.setdefault(int(fields[1].rpartition(":")[2], 16), set()).add(fields[9])
    return {port: frozenset(inodes) for port, inodes in found.items()}


def groups() -> Mapping[int, tuple[int, ...]]:
    """Every process group of this machine with its members."""
    found: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            except OSError:
                continue
            found.setdefault(int(fields[2]), []).append(int(entry.name))
    return {group: tuple(members) for group, members in found.items()}


def sockets_of(processes: Iterable[int]) -> frozenset[str]:
    """The inodes of the sockets that these processes hold."""
    found: set[str] = set()
    for process in processes:
        try:
            for name in os.listdir(f"/proc/{process}/fd"):  # noqa: PTH208 - only the names are wanted, and they vanish
                target = os.readlink(f"/proc/{process}/fd/{name}")  # noqa: PTH115
                if target.startswith("socket:["):
                    found.add(target[8:-1])
        except OSError:
            continue
    return frozenset(found)


def holders(claims: Mapping[str, tuple[int, int]]) -> frozenset[str]:
    """Those of `claims` (process and port by name) where the process, or another of its group, listens to the port.

    A process that left the group of its parent is found by its environment: it has the name as SLUICE_INSTANCE.
    """
    if not claims:
        return frozenset()
    busy, together = listening(), groups()
    held = {
        name
        for name, (process, port) in claims.items()
        if process and busy.get(port, frozenset()) & sockets_of(together.get(process, (process,)))
    }
    left = {name: port for name, (_, port) in claims.items() if name not in held}
    return frozenset(held | _held_by_strays(left, busy, together)) if left else frozenset(held)


def _held_by_strays(
    left: Mapping[str, int], busy: Mapping[int, frozenset[str]], together: Mapping[int, tuple[int, ...]]
) -> set[str]:
    found = set()
    for process in (member for members in together.values() for member in members):
        name = _instance_of(process)
        if name in left and busy.get(left[name], frozenset()) & sockets_of((process,)):
            found.add(name)
    return found


def _instance_of(process: int) -> str:
    try:
        environment = Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
    except OSError:
        return ""
    mark = b"SLUICE_INSTANCE="
    return next((each[len(mark) :].decode(errors="replace") for each in environment if each.startswith(mark)), "")
