"""How each value of a Kubernetes object merges, read from the published schemas that `kubernetes-validate` ships.

A `Shape` answers what server-side apply needs to know of a value: whether its fields are owned one by one, whether its
items are told apart by keys, or whether it has one owner as a whole. Kinds without a published schema are custom ones:
there maps are owned field by field and lists as a whole, which is what a CustomResourceDefinition says that says
nothing else.
"""

import json
from collections.abc import Iterator, Sequence
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any

from tests.support.kube_kinds import Json, Resource

_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_KEY_DEFAULTS = {"protocol": "TCP"}


class How(StrEnum):
    """How a value is merged and owned."""

    STRUCT = "each field by itself, and the fields are known by name"
    MAP = "each entry by itself"
    KEYED = "items by their keys"
    SET = "items by their value"
    LEAF = "as a whole"


class Shape:
    """What is known of one place in an object. `node` is None where nothing is."""

    __slots__ = ("_children", "node")

    def __init__(self, node: Json | None) -> None:
        self.node = _resolved(node)
        self._children: dict[str, Shape] = {}

    def how(self, value: Any) -> How:
        if isinstance(value, dict):
            return self._how_map()
        return self._how_list() if isinstance(value, list) else How.LEAF

    def _how_map(self) -> How:
        if self.node is None:
            return How.STRUCT
        if self.node.get("x-kubernetes-map-type") == "atomic":
            return How.LEAF
        return How.STRUCT if "properties" in self.node else How.MAP

    def _how_list(self) -> How:
        listed = (self.node or {}).get("x-kubernetes-list-type")
        return How.KEYED if listed == "map" else How.SET if listed == "set" else How.LEAF

    def knows(self, name: str) -> bool:
        """Whether a field of that name is declared."""
        return self.node is None or name in self.node.get("properties", {})

    @property
    def is_open(self) -> bool:
        """Whether it takes fields that nobody declared."""
        return self.node is None or "properties" not in self.node

    def child(self, name: str) -> "Shape":
        """The shape of a field or an entry."""
        if self.node is None:
            return self
        if name not in self._children:
            entry = self.node.get("additionalProperties")
            self._children[name] = Shape(self.node.get("properties", {}).get(name, entry or None))
        return self._children[name]

    @property
    def item(self) -> "Shape":
        """The shape of a list's items."""
        if self.node is None:
            return self
        if "[]" not in self._children:
            self._children["[]"] = Shape(self.node.get("items"))
        return self._children["[]"]

    def items(self, value: Sequence[Any]) -> Iterator[tuple[str, Any]]:
        """Each item of a list that has keys or is a set, with its element of a path."""
        keys = sorted((self.node or {}).get("x-kubernetes-list-map-keys", ()))
        for one in value:
            if not keys:
                yield f"v:{_compact(one)}", one
                continue
            known = {key: one[key] if key in one else _KEY_DEFAULTS.get(key, ...) for key in keys}
            yield f"k:{_compact({key: value for key, value in known.items() if value is not ...})}", one


class Custom(Shape):
    """The shape of a custom kind: only its metadata is declared."""

    __slots__ = ()

    def child(self, name: str) -> Shape:
        return _defined(_META) if name == "metadata" else super().child(name)


@cache
def shape_of(resource: Resource) -> Shape:
    """The shape of a kind's objects."""
    return _defined(resource.schema) if resource.schema in _definitions() else Custom(None)


def unknown_fields(shape: Shape, value: Any, at: str = "") -> Iterator[str]:
    """The path of every field that no schema declares, without a leading dot."""
    if isinstance(value, dict):
        for name, one in value.items():
            path = f"{at}.{name}" if at else name
            if shape.is_open or shape.knows(name):
                yield from unknown_fields(shape.child(name), one, path)
            else:
                yield path
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from unknown_fields(shape.item, one, f"{at}[{number}]")


@cache
def _defined(name: str) -> Shape:
    return Shape({"$ref": f"#/$defs/{name}"})


@cache
def _definitions() -> Json:
    folders = files("kubernetes_validate") / "kubernetes-json-schema"
    newest = max((one for one in folders.iterdir() if one.name.endswith("-local")), key=lambda one: _version(one.name))
    known: Json = json.loads((newest / "_definitions.json").read_text(encoding="utf-8"))["$defs"]
    return known


def _version(folder: str) -> tuple[int, ...]:
    return tuple(int(part) for part in folder.split("-", maxsplit=1)[0].removeprefix("v").split("."))


def _resolved(node: Json | None) -> Json | None:
    """A schema with its reference followed; what stands beside the reference counts as well."""
    if node is None or "$ref" not in node:
        return node
    beside = {key: value for key, value in node.items() if key.startswith("x-")}
    return {**_definitions()[node["$ref"].rsplit("/", maxsplit=1)[-1]], **beside}


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
