"""Whether values have the types that the schemas declare, and how a server says so when they do not."""

from collections.abc import Iterator
from typing import Any

from tests.support.kube_fields import parts, shown
from tests.support.kube_schema import Shape

_GO = {
    "string": "string",
    "integer": "int32",
    "number": "float64",
    "boolean": "bool",
    "array": "[]",
    "object": "struct",
}
_JSON = {str: "string", bool: "bool", int: "number", float: "number", dict: "object", list: "array"}


def mistyped(shape: Shape, value: Any, at: str = "") -> Iterator[tuple[str, str, Any]]:
    """Each value of a wrong type: its path, the type that was declared, and the value."""
    declared = _declared(shape)
    if value is None or declared == "":
        return
    if not _fits(declared, value):
        yield at, declared, value
        return
    for element, below, one in _below(shape, value):
        yield from mistyped(below, one, at + element)


def _below(shape: Shape, value: Any) -> Iterator[tuple[str, Shape, Any]]:
    if isinstance(value, list):
        told = parts(shape, value) if all(isinstance(one, dict) for one in value) else []
        yield from ((shown((element,)), below, one) for element, below, one in told)
        if not told:
            yield from (("", shape.item, one) for one in value)
    elif isinstance(value, dict):
        yield from ((f".{name}", shape.child(name), one) for name, one in value.items())


def _declared(shape: Shape) -> str:
    said = (shape.node or {}).get("type", "")
    return next((one for one in said if one != "null"), "") if isinstance(said, list) else str(said)


def _fits(declared: str, value: Any) -> bool:
    fitting: dict[str, tuple[type, ...]] = {
        "string": (str,),
        "boolean": (bool,),
        "array": (list,),
        "object": (dict,),
        "integer": (int,),
        "number": (int, float),
    }
    is_truth = isinstance(value, bool) and declared != "boolean"
    return isinstance(value, fitting.get(declared, (object,))) and not is_truth


def as_applied(declared: str, value: Any) -> str:
    """How an apply is refused for it."""
    if declared in ("integer", "number"):
        return f"expected numeric (int or float), got {_JSON[type(value)]}"
    word = {"array": "list", "object": "map"}.get(declared, declared)
    return f"expected {word}, got &value.valueUnstructured{{Value:{value}}}"


def as_written(path: str, declared: str, value: Any) -> str:
    """How any other write is refused for it."""
    words = f"cannot unmarshal {_JSON[type(value)]} into Go struct field {path.lstrip('.')}"
    return f"json: {words} of type {_GO[declared]}"
