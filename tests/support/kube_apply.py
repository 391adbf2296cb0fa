"""Server-side apply as the API server does it: who owns which field, who is in whose way, and what goes.

Ownership stands in `metadata.managedFields`. An apply owns what it names and may not change what another owner holds,
unless it is forced; then the other loses it. What an applier no longer names goes away when nobody else owns it.
Every other write (`Update`) owns whatever it changes and asks nobody.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.kube_fields import (
    Fields,
    Path,
    as_v1,
    compared,
    fields_of,
    from_v1,
    in_order,
    merged,
    shown,
    with_parents,
    without,
)
from tests.support.kube_kinds import Json
from tests.support.kube_refusals import held
from tests.support.kube_schema import Shape

APPLY, UPDATE = "Apply", "Update"
_NOBODYS = frozenset(
    {("f:apiVersion",), ("f:kind",), ("f:metadata",)}
    | {
        ("f:metadata", f"f:{name}")
        for name in (
            *("name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName"),
            *("generation", "managedFields", "resourceVersion"),
        )
    }
)
"""Fields that have no owner."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Who wrote, and how. An applier is the same whatever version it applies."""

    manager: str
    operation: str
    version: str = ""
    subresource: str = ""

    def __str__(self) -> str:
        """As conflicts name it."""
        said = f'"{self.manager}"'
        if self.subresource:
            said += f' with subresource "{self.subresource}"'
        return f"{said} using {self.version}" if self.operation == UPDATE else said


Owners = Mapping[Owner, Fields]


def owners_of(thing: Mapping[str, Any] | None) -> dict[Owner, Fields]:
    """Who owns what of an object."""
    found: dict[Owner, Fields] = {}
    for entry in (thing or {}).get("metadata", {}).get("managedFields", ()):
        found[_owner(entry)] = frozenset(from_v1(entry.get("fieldsV1", {})))
    return found


def _owner(entry: Json) -> Owner:
    version = "" if entry["operation"] == APPLY else entry["apiVersion"]
    return Owner(entry["manager"], entry["operation"], version, entry.get("subresource", ""))


def written(owners: Owners, thing: Json, before: Mapping[str, Any] | None, actor: Owner, now: str) -> list[Json]:
    """`owners` as managedFields. The time of an entry is when its owner last wrote anything."""
    known = {_owner(one): one for one in (before or {}).get("metadata", {}).get("managedFields", ())}
    entries = []
    for owner, fields in owners.items():
        entry = known.get(owner)
        tree = as_v1(fields)
        if entry is None or entry.get("fieldsV1") != tree:
            at = now if entry is None or owner == actor else entry["time"]
            entry = _entry(owner, tree, thing["apiVersion"], at)
        entries.append(entry)
    return sorted(entries, key=lambda one: (one["operation"], one["time"], one["manager"]))


def _entry(owner: Owner, tree: Json, version: str, at: str) -> Json:
    beside = {"subresource": owner.subresource} if owner.subresource else {}
    named = {"manager": owner.manager, "operation": owner.operation, "apiVersion": owner.version or version, "time": at}
    return {**named, "fieldsType": "FieldsV1", "fieldsV1": tree, **beside}


def updated(
    shape: Shape, old: Json, new: Json, owner: Owner, owners: Owners, *, ignored: Path = ()
) -> dict[Owner, Fields]:
    """Who owns what after a write that is no apply."""
    changes = compared(shape, old, new)
    mine = _counted(changes.added | changes.modified, ignored)
    lost = mine | _counted(changes.removed, ignored)
    left = {one: fields - lost if one != owner else fields - changes.removed for one, fields in owners.items()}
    if mine:
        left[owner] = left.get(owner, frozenset()) | mine
    return {one: fields for one, fields in left.items() if fields}


def applied(
    shape: Shape, live: Json, config: Json, owner: Owner, owners: Owners, *, force: bool
) -> tuple[Json, dict[Owner, Fields]]:
    """The object after an apply, and who owns what of it. Raises a refusal for what others hold."""
    ignored = ("f:status",)
    mine = _counted(frozenset(fields_of(shape, config)), ignored)
    last = owners.get(owner, frozenset())
    after = {**owners, owner: mine}
    new = _pruned(shape, merged(shape, live, config), last, frozenset().union(*after.values()))
    changes = compared(shape, live, new)
    taken = _counted(changes.added | changes.modified, ignored)
    conflicts = {one: fields & taken for one, fields in after.items() if one != owner and fields & taken}
    if conflicts and not force:
        raise held([(str(one), shown(path)) for one in sorted(conflicts, key=str) for path in in_order(conflicts[one])])
    lost = taken | _counted(changes.removed, ignored)
    left = {one: fields if one == owner else fields - lost for one, fields in after.items()}
    return new, {one: fields for one, fields in left.items() if fields}


def _pruned(shape: Shape, whole: Json, last: Fields, owned: Fields) -> Json:
    """`whole` without what its applier named last time and nobody owns now."""
    if not last:
        return whole
    before = with_parents(shape, last)
    less: Json = without(shape, whole, before)
    everything = with_parents(shape, fields_of(shape, whole))
    unowned = everything - (with_parents(shape, fields_of(shape, less)) | with_parents(shape, owned))
    less = without(shape, whole, unowned)
    gone = (everything - with_parents(shape, fields_of(shape, less))) & before
    result: Json = without(shape, whole, frozenset(gone))
    return result


def _counted(paths: set[Path] | Fields, ignored: Path) -> Fields:
    """Those of the fields that can have an owner here."""
    return frozenset(one for one in paths if one not in _NOBODYS and not (ignored and one[: len(ignored)] == ignored))
