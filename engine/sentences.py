"""What pydantic finds wrong, in the house's own words.

Fields that are particular about a value refuse it with a `Mistake`, which has its sentence. What is left are the few
things that pydantic itself looks at: a key that is missing, a list where a mapping should be, a word that is none of
the words allowed.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from engine.complaints import Finding, Path, nearest
from engine.fields import shown
from engine.section import ConflictFound, Mistake

_OFFICIAL_CLASSES = ("deployment", "official")
_EXAMPLES = {
    "pipeline": "pipeline: and a name, for example pipeline: shop-api",
    "stages": "stages: and a list, each item beginning with - name:",
    "name": "name: and a name for the stage, for example name: image",
    "git": "git: and an address, for example git: https://git.example.com/shop/api.git",
    "image": "image: organization/repository:tag, for example image: shop/api:v1",
    "service": "service: {port: 18080}",
    "port": "port: and a number, for example port: 18080",
    "reviewers": "reviewers: and a list of names, for example reviewers: [ann, bob]",
    "package": "package: organization/repository/package/version, for example package: tools/lint/checker/1.4",
    "mount": "mount: and where instances see it, for example mount: /var/cache/shop",
}
_Words = tuple[str, str]


def findings_of(error: ValidationError) -> Iterator[tuple[Finding, bool]]:
    """Say everything that `error` holds; the flag tells conflicts between keys from faults of one value."""
    for one in error.errors(include_url=False):
        if one["type"] == "too_short" and one["input"]:
            continue  # the items are there, each with a fault of its own
        path, at_key = _path(one["loc"])
        cause = one.get("ctx", {}).get("error")
        if isinstance(cause, Mistake):
            problem, instead = cause.problem, cause.instead
        else:
            problem, instead = _words(one["type"], path, one["input"], one.get("ctx", {}))
        yield Finding(path, problem, instead, at_key), isinstance(cause, ConflictFound)


def _path(loc: tuple[int | str, ...]) -> tuple[Path, bool]:
    path = list(loc)
    if len(path) > 3 and path[2] == "official" and path[3] in _OFFICIAL_CLASSES:  # noqa: PLR2004 - stages, position, key
        del path[3]
    if path and path[-1] == "[key]":
        return tuple(path[:-1]), True
    return tuple(path), False


def _words(kind: str, path: Path, value: Any, facts: Mapping[str, Any]) -> _Words:
    key = next((part for part in reversed(path) if isinstance(part, str)), "the definition")
    if kind == "missing":
        return f"{key} is missing", _EXAMPLES.get(key, f"{key}: and its value")
    if kind == "extra_forbidden":
        return f"{key} is not a known key here", "only keys of the reference"
    if value is None:
        return "is empty", "a value, or leave the key out"
    say = _SAYINGS.get(kind)
    return say(key, value, facts) if say else (f"{_kind(value)} cannot stand here", "it as the reference shows it")


def _choice(_key: str, value: Any, facts: Mapping[str, Any]) -> _Words:
    words = re.findall(r"'([^']*)'", str(facts.get("expected", "")))
    near = nearest(value, words) if isinstance(value, str) else ""
    problem = (
        f"{shown(value)} is none of {', '.join(words)}" if isinstance(value, str) else f"{_kind(value)} is no word"
    )
    return problem, near or f"one of {', '.join(words)}"


def _text(key: str, value: Any, _facts: Mapping[str, Any]) -> _Words:
    if key == "manifest":
        return f"{_kind(value)} stands where one text is expected", "manifest: | and the YAML in the lines below it"
    return f"{_kind(value)} stands where one text is expected", f"{key}: and one text; in quotes if it holds {{ or ["


def _yes_or_no(_key: str, value: Any, _facts: Mapping[str, Any]) -> _Words:
    return f"{_kind(value)} is neither true nor false", "true or false"


def _mapping(key: str, value: Any, _facts: Mapping[str, Any]) -> _Words:
    if key == "service" and isinstance(value, list):
        return "is a list, but a workload has exactly one service", "service: {port: 18080}"
    return f"{_kind(value)} stands where keys with values are expected", "key: value lines, indented, without a dash"


def _list(_key: str, value: Any, _facts: Mapping[str, Any]) -> _Words:
    return f"{_kind(value)} stands where a list is expected", "a list: lines that begin with a dash, or [a, b]"


def _too_short(key: str, _value: Any, facts: Mapping[str, Any]) -> _Words:
    return "is an empty list", f"at least {facts.get('min_length', 1)} of {key}"


def _too_long(_key: str, value: Any, facts: Mapping[str, Any]) -> _Words:
    return f"has {len(value)} items", f"at most {facts.get('max_length')} items"


def _kind(value: Any) -> str:
    names = {list: "a list", dict: "a mapping", type(None): "nothing"}
    return names.get(type(value), shown(value))


_SAYINGS: dict[str, Callable[[str, Any, Mapping[str, Any]], _Words]] = {
    "literal_error": _choice,
    "enum": _choice,
    "string_type": _text,
    "bool_parsing": _yes_or_no,
    "bool_type": _yes_or_no,
    "model_type": _mapping,
    "model_attributes_type": _mapping,
    "dict_type": _mapping,
    "tuple_type": _list,
    "list_type": _list,
    "too_short": _too_short,
    "too_long": _too_long,
}
