"""Who holds a field of an object, from the notes that the API server keeps of it (``metadata.managedFields``).

A note is a tree of the fields that one manager has written with one operation: ``f:spec`` for a key,
``k:{"name":"web"}`` for an item of a list, ``v:"x"`` for a value of a set. A branch that ends says that the manager
holds all that is below it.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from engine.model import Json
from engine.targets.kubernetes.lines import moment, one_line
from engine.targets.kubernetes.paths import Item, Member, Path, Step


@dataclass(frozen=True, slots=True)
class Owner:
    """One manager of a field. `operation` is Apply or Update; `at` when it last wrote anything by it."""

    manager: str
    operation: str
    at: datetime | None

    def __str__(self) -> str:
        """Say who it is, how and when."""
        when = f", {self.at:%Y-%m-%d %H:%M} UTC" if self.at else ""
        return f"{self.manager} ({self.operation}{when})"


def owners_of(live: Json, path: Path) -> tuple[Owner, ...]:
    """Everybody who holds the field at `path`, those who wrote last first."""
    notes = (live.get("metadata") or {}).get("managedFields") or ()
    found = [_owner(note) for note in notes if _holds(note.get("fieldsV1"), path)]
    return tuple(sorted(found, key=lambda each: each.at.timestamp() if each.at else 0.0, reverse=True))


def appliers(live: Json) -> frozenset[str]:
    """Everybody who has applied a part of the object."""
    notes = (live.get("metadata") or {}).get("managedFields") or ()
    return frozenset(str(each.get("manager")) for each in notes if each.get("operation") == "Apply")


def makers(live: Json) -> frozenset[str]:
    """Everybody who has written the object itself, and not only its status."""
    notes = (live.get("metadata") or {}).get("managedFields") or ()
    return frozenset(one_line(each.get("manager") or "somebody") for each in notes if not each.get("subresource"))


def _owner(note: Json) -> Owner:
    operation, part = one_line(note.get("operation") or "", 40), one_line(note.get("subresource") or "", 40)
    return Owner(
        manager=one_line(note.get("manager") or "somebody"),
        operation=f"{operation} of {part}" if part else operation,
        at=moment(note.get("time")),
    )


def _holds(fields: Any, path: Path) -> bool:
    if not isinstance(fields, dict):
        return False
    for step in path:
        if not fields:
            return True
        fields = _below(fields, step)
        if fields is None:
            return False
    return True


def _below(fields: dict[str, Any], step: Step) -> dict[str, Any] | None:
    match step:
        case Item(keys):
            wanted = dict(keys)
            return next((below for key, below in fields.items() if key.startswith("k:") and _read(key) == wanted), None)
        case Member(value):
            return next((below for key, below in fields.items() if key.startswith("v:") and _read(key) == value), None)
        case int():
            return fields.get(f"i:{step}")
        case _:
            return fields.get(f"f:{step}")


def _read(key: str) -> Any:
    try:
        return json.loads(key[2:])
    except ValueError:
        return None
