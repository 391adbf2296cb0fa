"""Where a field stands in an object, spelled as the API server spells it in its refusals.

``spec.template.spec.containers[name="web"].image``: lists whose items have a key are walked by it, not by position, so
a path means the same in an object that somebody else has added to. A key of a mapping may hold dots itself (labels do),
so a text can only be read against objects that have such keys.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from engine.model import Json
from engine.targets.kubernetes.merging import keys_of, values_of_keys


class Nothing:
    """What stands where nothing is: a null is something else."""

    def __repr__(self) -> str:
        return "nothing"


NOTHING: Final = Nothing()


@dataclass(frozen=True, slots=True)
class Item:
    """The item of a list that has these values under its keys."""

    keys: tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Member:
    """One value of a list that is a set."""

    value: Any


Step = str | int | Item | Member
Path = tuple[Step, ...]


def written(path: Path) -> str:
    """The path as text, without a leading dot."""
    return "".join(_text(step) for step in path).removeprefix(".")


def read(text: str, *objects: Json) -> Path | None:
    """The path that `text` names in the first of `objects` that has such a field; None when none has.

    Where the last step is missing, an object that has all before it will do: a field can be named that is gone.
    """
    text = text if text.startswith((".", "[")) else f".{text}"
    for thing in objects:
        for path, _ in _ways(text, thing, (), strict=True):
            return path
    for thing in objects:
        for path, _ in _ways(text, thing, (), strict=False):
            return path
    return None


def at(thing: Any, path: Path) -> Any:
    """What stands at `path`; `NOTHING` when nothing does."""
    for step in path:
        thing = _inside(thing, step)
        if thing is NOTHING:
            return NOTHING
    return thing


def with_value(thing: Any, path: Path, value: Any) -> Any:
    """A copy of `thing` in which `value` stands at `path`; with `NOTHING`, one that has no such field."""
    if not path:
        return value
    step, rest = path[0], path[1:]
    present = _inside(thing, step)
    if value is NOTHING and present is NOTHING:
        return thing
    inner = with_value(_blank(rest) if present is NOTHING else present, rest, value)
    if isinstance(step, str):
        fields = thing if isinstance(thing, Mapping) else {}
        kept = {key: each for key, each in fields.items() if key != step or inner is not NOTHING}
        return {**kept, step: inner} if inner is not NOTHING else kept
    return _with_item(list(thing) if isinstance(thing, list | tuple) else [], step, inner)


def _with_item(items: list[Any], step: Step, inner: Any) -> list[Any]:
    place = next((place for place, each in enumerate(items) if _is(each, place, step)), len(items))
    if isinstance(inner, dict) and isinstance(step, Item):
        inner = {**dict(step.keys), **inner}
    items[place : place + 1] = [] if inner is NOTHING else [inner]
    return items


def _blank(rest: Path) -> Any:
    return None if not rest else {} if isinstance(rest[0], str) else []


def _inside(thing: Any, step: Step) -> Any:
    if isinstance(step, str):
        return thing.get(step, NOTHING) if isinstance(thing, Mapping) else NOTHING
    if not isinstance(thing, list | tuple):
        return NOTHING
    return next((each for place, each in enumerate(thing) if _is(each, place, step)), NOTHING)


def _is(item: Any, place: int, step: Step) -> bool:
    match step:
        case Item(keys):
            return isinstance(item, Mapping) and values_of_keys(item, [key for key, _ in keys]) == keys
        case Member(value):
            return bool(item == value)
        case _:
            return place == step


def _text(step: Step) -> str:
    match step:
        case Item(keys):
            return f"[{','.join(f'{key}={_quoted(value)}' for key, value in keys)}]"
        case Member(value):
            return f"[={_quoted(value)}]"
        case int():
            return f"[{step}]"
        case _:
            return f".{step}"


def _quoted(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)


def _ways(text: str, thing: Any, so_far: Path, *, strict: bool) -> Iterator[tuple[Path, Any]]:
    """Every reading of `text` in `thing`, the longest keys first."""
    if not text:
        yield so_far, thing
        return
    for step, rest in _steps(text, thing, so_far):
        yield from _ways(rest, _inside(thing, step), (*so_far, step), strict=strict)
    if not strict and text.startswith(".") and "[" not in text and isinstance(thing, Mapping | Nothing):
        yield (*so_far, text[1:]), NOTHING


def _steps(text: str, thing: Any, so_far: Path) -> Iterator[tuple[Step, str]]:
    if isinstance(thing, Mapping):
        fits = (
            str(key) for key in thing if text.startswith(f".{key}") and text[len(str(key)) + 1 :][:1] in ("", ".", "[")
        )
        yield from ((key, text[len(key) + 1 :]) for key in sorted(fits, key=len, reverse=True))
    elif isinstance(thing, list | tuple):
        yield from _item_steps(text, thing, so_far)


def _item_steps(text: str, items: Sequence[Any], so_far: Path) -> Iterator[tuple[Step, str]]:
    keys = keys_of(tuple(step for step in so_far if isinstance(step, str)))
    for place, item in enumerate(items):
        steps: list[Step] = [place, Member(item)] if not isinstance(item, Mapping) else [place]
        if keys and isinstance(item, Mapping):
            steps.append(Item(values_of_keys(item, keys)))
        for step in steps:
            if text.startswith(_text(step)):
                yield step, text[len(_text(step)) :]
