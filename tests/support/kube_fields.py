"""Sets of fields: what an object has, what changed between two, and an object without some of them.

A path is a tuple of elements as `metadata.managedFields` writes them: ``f:spec``, ``k:{"name":"web"}``, ``v:"x"``.
"""

import json
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from tests.support.kube_kinds import Json
from tests.support.kube_schema import How, Shape

Path = tuple[str, ...]
Fields = frozenset[Path]

MISSING: Final = object()
_IN_MAPS = (How.STRUCT, How.MAP)
_IN_LISTS = (How.KEYED, How.SET)


def parts(shape: Shape, value: Any) -> list[tuple[str, Shape, Any]]:
    """The next elements below a value, each with its shape and value; none below a leaf."""
    how = shape.how(value)
    if how in _IN_MAPS:
        return [(f"f:{name}", shape.child(name), one) for name, one in value.items()]
    if how in _IN_LISTS:
        return [(element, shape.item, one) for element, one in shape.items(value)]
    return []


def fields_of(shape: Shape, value: Any, at: Path = ()) -> Iterator[Path]:
    """Every field that somebody owns who applies `value`."""
    how = shape.how(value)
    if how is How.LEAF:
        yield at
    for element, below, one in parts(shape, value):
        path = (*at, element)
        yield from fields_of(below, one, path)
        if how is not How.STRUCT or one is None or one == {} or not shape.knows(element[2:]):
            yield path


@dataclass(slots=True)
class Changes:
    """What differs between two objects."""

    added: set[Path] = field(default_factory=set)
    modified: set[Path] = field(default_factory=set)
    removed: set[Path] = field(default_factory=set)


def compared(shape: Shape, old: Any, new: Any) -> Changes:
    """What an owner of `old` sees changed in `new`."""
    changes = Changes()
    _compare(shape, old, new, (), changes)
    return changes


def _compare(shape: Shape, old: Any, new: Any, at: Path, into: Changes) -> None:
    if old is new or (new is not MISSING and old == new):
        return
    before, after = ({} if one in (MISSING, None) else one for one in (old, new))
    how = shape.how(after if after != {} else before)
    if how is not How.LEAF and type(before or after) is type(after or before) and (before or after):
        left = {element: (below, one) for element, below, one in parts(shape, before)}
        right = {element: (below, one) for element, below, one in parts(shape, after)}
        for element in {**left, **right}:
            below = (left.get(element) or right[element])[0]
            one, other = (side[element][1] if element in side else MISSING for side in (left, right))
            _compare(below, one, other, (*at, element), into)
    elif old is not MISSING and new is not MISSING:
        into.modified.add(at)
    if old is MISSING:
        into.added.add(at)
    elif new is MISSING:
        into.removed.add(at)


def merged(shape: Shape, live: Any, applied: Any) -> Any:
    """`live` with everything that was applied put into it. Nothing (null) takes no map and no list of keys away."""
    if applied is None and shape.how(live) is not How.LEAF:
        return live
    how = shape.how(applied)
    if how in _IN_MAPS and isinstance(live, dict):
        below = {name: merged(shape.child(name), live.get(name), one) for name, one in applied.items()}
        return {**live, **below}
    if how in _IN_LISTS and isinstance(live, list):
        return list(_merged_items(shape, live, applied))
    return applied


def _merged_items(shape: Shape, live: list[Any], applied: list[Any]) -> Iterator[Any]:
    """Items in the order that was applied; those of others stay where they stood between them."""
    there, asked = dict(shape.items(live)), dict(shape.items(applied))
    waiting, shared = deque(asked), deque(key for key in asked if key in there)
    for key, one in shape.items(live):
        if key not in asked:
            yield one
        elif shared and key == shared[0]:
            shared.popleft()
            while key in waiting:
                taken = waiting.popleft()
                yield merged(shape.item, there.get(taken), asked[taken])
    yield from (merged(shape.item, there.get(key), asked[key]) for key in waiting)


def without(shape: Shape, value: Any, gone: Fields, at: Path = ()) -> Any:
    """`value` without the fields `gone`."""
    if not isinstance(value, (dict, list)) or shape.how(value) is How.LEAF:
        return value
    kept = [(element, below, one) for element, below, one in parts(shape, value) if (*at, element) not in gone]
    if isinstance(value, dict):
        return {element[2:]: without(below, one, gone, (*at, element)) for element, below, one in kept}
    return [without(below, one, gone, (*at, element)) for element, below, one in kept]


def with_parents(shape: Shape, fields: Iterable[Path]) -> Fields:
    """`fields`, and each declared field on the way to one of them."""
    found = set(fields)
    for path in list(found):
        here = shape
        for depth, element in enumerate(path[:-1], 1):
            is_field = element.startswith("f:")
            if is_field and here.knows(element[2:]):
                found.add(path[:depth])
            here = here.child(element[2:]) if is_field else here.item
    return frozenset(found)


def duplicates(shape: Shape, value: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """Each key that occurs twice in a list where keys tell the items apart, with the list's path."""
    if shape.how(value) in _IN_LISTS:
        seen: set[str] = set()
        for element, _one in shape.items(value):
            if element in seen:
                yield at, shown((element,))
            seen.add(element)
    for element, below, one in parts(shape, value):
        yield from duplicates(below, one, at + shown((element,)))


def in_order(fields: Iterable[Path]) -> list[Path]:
    """Fields as the API lists them: at each level first what ends there."""
    return sorted(fields, key=lambda path: [(depth < len(path), one) for depth, one in enumerate(path, 1)])


def shown(path: Path) -> str:
    """A path as the API writes it into sentences."""
    return "".join(_element(one) for one in path)


def _element(element: str) -> str:
    if element.startswith("f:"):
        return "." + element[2:]
    value = json.loads(element[2:])
    if element.startswith("v:"):
        return f"[={json.dumps(value)}]"
    return "[" + ",".join(f"{key}={json.dumps(one, ensure_ascii=False)}" for key, one in value.items()) + "]"


def as_v1(fields: Iterable[Path]) -> Json:
    """A set of fields as `fieldsV1` nests them."""
    tree: Json = {}
    owned = set(fields)
    for path in sorted(owned):
        here = tree
        for element in path:
            here = here.setdefault(element, {})
    _mark(tree, (), owned)
    return tree


def _mark(tree: Json, at: Path, owned: set[Path]) -> None:
    for element, below in list(tree.items()):
        path = (*at, element)
        if not below:
            continue
        _mark(below, path, owned)
        if path in owned:
            tree[element] = {".": {}, **below}


def from_v1(tree: Json, at: Path = ()) -> Iterator[Path]:
    """The fields in a `fieldsV1`."""
    for element, below in tree.items():
        if element == ".":
            yield at
        elif not below:
            yield (*at, element)
        else:
            yield from from_v1(below, (*at, element))
