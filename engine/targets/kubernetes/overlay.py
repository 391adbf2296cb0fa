"""One object laid over another as server-side apply does it, and what is left of an object without Sluice's fields.

An adopted Deployment holds what its owner wrote and what Sluice applied. Its copies (gray, blue, green) must begin from
the former alone: otherwise a variable that the last release set would live on in the next one's copies, while server-
side apply takes it away from the Deployment itself. Which field is whose stands in `metadata.managedFields`; Sluice's
part is the one that holds the annotation `names.APPLIED`, whatever its manager is called.
"""

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from engine.model import Json
from engine.targets.kubernetes import names

_KEYS: Mapping[str, tuple[str, ...]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "env": ("name",),
    "ports": ("containerPort", "port", "protocol"),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
}
"""The lists that are merged item by item; every other list is replaced as a whole.

The ports of a container have a `containerPort`, those of a Service a `port`; none has both.
"""
_DEFAULTS = {"protocol": "TCP"}


def laid_over(below: Json, above: Json) -> dict[str, Any]:
    """`below` with everything that `above` says put on it; neither is changed."""
    merged = deepcopy(dict(below))
    for key, value in above.items():
        merged[key] = _laid(key, merged.get(key), value)
    return merged


def without_ours(live: Json) -> dict[str, Any]:
    """`live` as it would be if Sluice applied nothing to it: its own fields, and those that others hold too, stay."""
    entries = live.get("metadata", {}).get("managedFields") or []
    ours = next((each["fieldsV1"] for each in entries if _is_ours(each)), None)
    if ours is None:
        return deepcopy(dict(live))
    others = [each.get("fieldsV1") or {} for each in entries if not _is_ours(each)]
    return _rest(live, ours, others)


def _laid(key: str, below: Any, above: Any) -> Any:
    if isinstance(above, Mapping) and isinstance(below, Mapping):
        return laid_over(below, above)
    if key in _KEYS and isinstance(above, Sequence) and isinstance(below, Sequence):
        return _merged_items(_KEYS[key], below, above)
    return deepcopy(above)


def _merged_items(keys: tuple[str, ...], below: Sequence[Json], above: Sequence[Json]) -> list[Any]:
    waiting = {_identity(keys, item): item for item in above}
    merged: list[Any] = []
    for item in below:
        mine = waiting.pop(_identity(keys, item), None)
        merged.append(deepcopy(item) if mine is None else laid_over(item, mine))
    return [*merged, *deepcopy(list(waiting.values()))]


def _identity(keys: tuple[str, ...], item: Json) -> tuple[Any, ...]:
    return tuple(item.get(key, _DEFAULTS.get(key)) for key in keys)


def _is_ours(entry: Json) -> bool:
    metadata = (entry.get("fieldsV1") or {}).get("f:metadata") or {}
    applied = f"f:{names.APPLIED}" in (metadata.get("f:annotations") or {})
    return applied and entry.get("operation") == "Apply" and not entry.get("subresource")


def _rest(value: Json, ours: Json, others: Sequence[Json]) -> dict[str, Any]:
    """The fields of `value` that `ours` does not name, or that one of `others` names too.

    What only Sluice named goes with everything in it: the rest of it are defaults that the API server added to it.
    """
    kept: dict[str, Any] = {}
    for key, item in value.items():
        mine, theirs = ours.get(f"f:{key}"), [each[f"f:{key}"] for each in others if f"f:{key}" in each]
        if mine is None:
            kept[key] = deepcopy(item)
        elif theirs:
            kept[key] = _shared(item, mine, theirs)
    return kept


def _shared(item: Any, ours: Json, others: Sequence[Json]) -> Any:
    if isinstance(item, Mapping) and ours:
        return _rest(item, ours, others)
    if isinstance(item, list) and any(name.startswith("k:") for name in ours):
        return _rest_items(item, ours, others)
    return deepcopy(item)


def _rest_items(items: Sequence[Json], ours: Json, others: Sequence[Json]) -> list[Any]:
    kept: list[Any] = []
    for item in items:
        named, mine = next(((name, fields) for name, fields in ours.items() if _is_of(name, item)), ("", None))
        theirs = [fields for each in others for name, fields in each.items() if _is_of(name, item)]
        if mine is None:
            kept.append(deepcopy(item))
        elif theirs:
            kept.append(json.loads(named[2:]) | _rest(item, mine, theirs))  # whatever is left of it is still this one
    return kept


def _is_of(name: str, item: Json) -> bool:
    """Whether the name of a list's item in managed fields means `item`."""
    return name.startswith("k:") and all(item.get(key) == value for key, value in json.loads(name[2:]).items())
