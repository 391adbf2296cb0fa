"""Where two objects differ, leaf by leaf, by the rules of the API server.

Two questions are asked. What became of what we wrote (`lost`): only fields that we wrote count, and what the API server
made of them by itself (``0.5`` to ``500m``, an empty text left out, a default filled in) is no difference. And what one
object has that another has not (`altered`), in both directions.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from engine.model import Json
from engine.targets.kubernetes.merging import is_set, is_whole, keys_of, values_of_keys
from engine.targets.kubernetes.paths import NOTHING, Item, Member, Path
from engine.targets.kubernetes.quantities import amount

_AMOUNTS = frozenset({"limits", "requests", "sizeLimit", "divisor", "capacity", "overhead", "hard"})
_FILLED_IN: Mapping[str, tuple[Any, ...]] = {
    "apiVersion": ("v1",),
    "expirationSeconds": (3600,),
    "protocol": ("TCP",),
    "scheme": ("HTTP",),
    "group": ("", "gateway.networking.k8s.io"),
    "kind": ("Service", "Gateway"),
    "weight": (1,),
    "type": ("Exact", "PathPrefix"),
    "value": ("/",),
    "path": ({"type": "PathPrefix", "value": "/"},),
    "matches": ([{"path": {"type": "PathPrefix", "value": "/"}}],),
}
"""What the API server writes into the items of lists where nothing was said."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that is not the same; `NOTHING` where it is missing."""

    path: Path
    one: Any
    other: Any


def lost(ours: Json, live: Json) -> Iterator[Difference]:
    """What is no longer as it was written."""
    return _mappings(ours, live, (), _Eye(both=False))


def altered(before: Json, after: Json) -> Iterator[Difference]:
    """Everything that is not the same in both."""
    return _mappings(before, after, (), _Eye(both=True))


def lost_at(path: Path, ours: Any, live: Any) -> Iterator[Difference]:
    """What is no longer as it was written of the field at `path` alone."""
    return _compared(ours, live, path, _Eye(both=False))


@dataclass(frozen=True, slots=True)
class _Eye:
    """How to look. `both`: what only the second has is a difference, too. `lenient`: but not if it is filled in."""

    both: bool
    lenient: bool = False

    def within(self) -> "_Eye":
        """How to look at what belongs to one manager as a whole."""
        return self if self.both else _Eye(both=True, lenient=True)


def _compared(one: Any, other: Any, path: Path, eye: _Eye) -> Iterator[Difference]:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        yield from _mappings(one, other, path, eye.within() if is_whole(_names(path)) else eye)
    elif isinstance(one, list | tuple) and isinstance(other, list | tuple):
        yield from _lists(list(one), list(other), path, eye)
    elif not _same(one, other, path):
        yield Difference(path, one, other)


def _mappings(one: Json, other: Json, path: Path, eye: _Eye) -> Iterator[Difference]:
    for key, value in one.items():
        yield from _compared(value, other.get(key, NOTHING), (*path, key), eye)
    if eye.both:
        for key, value in other.items():
            if key not in one and not (eye.lenient and value in _FILLED_IN.get(key, ())):
                yield from _compared(NOTHING, value, (*path, key), eye)


def _lists(one: list[Any], other: list[Any], path: Path, eye: _Eye) -> Iterator[Difference]:
    keys = keys_of(_names(path)) if all(isinstance(each, Mapping) for each in (*one, *other)) else ()
    if keys:
        yield from _keyed(
            {values_of_keys(each, keys): each for each in one},
            {values_of_keys(each, keys): each for each in other},
            path,
            eye,
        )
    elif is_set(_names(path)):
        yield from (Difference((*path, Member(each)), each, NOTHING) for each in one if each not in other)
        yield from (Difference((*path, Member(each)), NOTHING, each) for each in other if eye.both and each not in one)
    elif len(one) == len(other) and all(isinstance(each, Mapping) for each in (*one, *other)):
        for place, (mine, theirs) in enumerate(zip(one, other, strict=True)):
            yield from _mappings(mine, theirs, (*path, place), eye.within())
    elif len(one) != len(other) or any(not _same(mine, theirs, path) for mine, theirs in zip(one, other, strict=True)):
        yield Difference(path, one, other)


_Keyed = Mapping[tuple[tuple[str, Any], ...], Json]


def _keyed(one: _Keyed, other: _Keyed, path: Path, eye: _Eye) -> Iterator[Difference]:
    for keys, item in one.items():
        yield from _compared(item, other.get(keys, NOTHING), (*path, Item(keys)), eye)
    if eye.both:
        yield from (Difference((*path, Item(keys)), NOTHING, item) for keys, item in other.items() if keys not in one)


def _same(one: Any, other: Any, path: Path) -> bool:
    if isinstance(one, Mapping | list | tuple) and isinstance(other, Mapping | list | tuple):
        return bool(one == other)
    if one is NOTHING or other is NOTHING:
        return _is_left_out(other if one is NOTHING else one, path)
    if one == other:
        return isinstance(one, bool) is isinstance(other, bool)
    measured = (amount(one), amount(other)) if _AMOUNTS & set(_names(path)) else (None, None)
    return measured[0] is not None and measured[0] == measured[1]


def _is_left_out(value: Any, path: Path) -> bool:
    """Whether the API server may say `value` by leaving the field out. An empty volume is one all the same."""
    return _is_empty(value) and path[-1:] != ("emptyDir",)


def _is_empty(value: Any) -> bool:
    if isinstance(value, Mapping | list | tuple):
        return all(_is_empty(each) for each in (value.values() if isinstance(value, Mapping) else value))
    return value is None or (value is not NOTHING and value in ("", 0, False))


def _names(path: Path) -> tuple[str, ...]:
    return tuple(step for step in path if isinstance(step, str))
