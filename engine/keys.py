"""The keys of a definition held against the sections of the model: unknown ones, and ones that do not go together."""

from collections.abc import Iterator
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from engine.complaints import Finding, Path, nearest
from engine.definition import Official, Pipeline
from engine.fields import shown
from engine.section import Section
from engine.yaml_text import Node

_SPECIAL = {
    "services": ("a workload has exactly one service", "service: {port: 18080}"),
    "gray_instances": ("an official release has no gray part", "it in a gray stage before, or leave it out"),
    "policy": ("an official release goes to everybody", "it in a gray stage before, or leave it out"),
    "<<": ("keys cannot be merged from elsewhere", "the keys out in full"),
}


def key_findings(tree: Node, data: Any) -> Iterator[Finding]:
    """Say what is wrong with the keys of every section; `data` is the tree with its variables replaced."""
    for path, node, model in sections(tree, Pipeline):
        yield from _unknown(path, node, model)
        given = _at(data, path)
        for conflict in model.conflicts(given):
            where = (*path, conflict.key) if conflict.key else path
            yield Finding(where, conflict.problem, conflict.instead)


def sections(node: Node, model: type[Section], path: Path = ()) -> Iterator[tuple[Path, Node, type[Section]]]:
    """Walk every mapping that the model has a section for, with that section."""
    if node.kind != "mapping":
        return
    yield path, node, model
    for key, child in node.entries.items():
        shape = section_shapes(model).get(key)
        if shape is None:
            continue
        section = Official if shape[0] is not None and key == "official" and not child.entries else shape[0]
        for step, item in _children(child, shape[1]):
            yield from sections(item, section, (*path, key, *step))


def _children(node: Node, shape: str) -> Iterator[tuple[Path, Node]]:
    if shape == "one":
        yield (), node
    elif shape == "many":
        yield from (((position,), item) for position, item in enumerate(node.items))
    else:
        yield from (((key,), item) for key, item in node.entries.items())


@cache
def section_shapes(model: type[Section]) -> dict[str, tuple[type[Section], str]]:
    """Tell for each key of `model` that holds sections: which, and whether one, many (a list) or named (a mapping)."""
    found = {name: _shape(field.annotation) for name, field in model.model_fields.items()}
    return {name: shape for name, shape in found.items() if shape is not None}


def _shape(annotation: Any) -> tuple[type[Section], str] | None:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation, "one"
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _shape(inner[0])
    if origin in (Union, UnionType):
        return next((shape for shape in map(_shape, inner) if shape), None)
    if origin in (tuple, dict):
        item = _shape(inner[0] if origin is tuple else inner[1])
        return (item[0], "many" if origin is tuple else "named") if item else None
    return None


def _unknown(path: Path, node: Node, model: type[Section]) -> Iterator[Finding]:
    known = tuple(model.model_fields)
    for key in node.entries:
        if key in known:
            continue
        near = nearest(key, known)
        problem, instead = f"{shown(key)} is not a known key here", near or f"one of {', '.join(known)}"
        if key in _SPECIAL and (key in ("services", "<<") or path[-1:] == ("official",)):
            problem, instead = _SPECIAL[key]
        yield Finding((*path, key), problem, instead if known else "nothing", at_key=True)


def _at(data: Any, path: Path) -> dict[str, Any]:
    for part in path:
        data = data[part]
    return data if isinstance(data, dict) else {}
