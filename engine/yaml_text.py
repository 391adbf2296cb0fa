"""YAML text as a tree that remembers where everything stands.

The danger: YAML is a large language. Aliases can stand for more nodes than any memory holds, nesting can exhaust a
stack, a repeated key silently wins, `no` becomes a boolean and `1.10` a number, tags can name any type. A definition
needs none of it.

The promise: any text at all gives either a tree or complaints, in time and memory bounded by `MAX_BYTES` and
`MAX_NODES`. It holds because the parser's events are read one by one, without recursion; every alias is counted with
the full size of what it stands for before it is used; and reading ends at the first bound that is passed. Scalars
stay text: only the field that takes one knows what it means.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from engine.complaints import Complaint, Path, write_path

MAX_BYTES = 256 * 1024
MAX_NODES = 20_000
MAX_DEPTH = 32

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CORE_TAGS = frozenset(
    {"!", *(f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "seq", "map"))}
)
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Place:
    """A line and a column, both from 1."""

    line: int = 1
    column: int = 1


@dataclass(slots=True)
class Node:
    """A scalar (`text`, None for null), list (`items`) or mapping (`entries`); `size` and `depth` count aliases.

    A scalar `is_plain` when it stands without quotes, tag or block mark: when YAML would guess what it is.
    """

    kind: str
    place: Place
    text: str | None = None
    items: list["Node"] = field(default_factory=list)
    entries: dict[str, "Node"] = field(default_factory=dict)
    keys: dict[str, Place] = field(default_factory=dict)
    size: int = 1
    depth: int = 1
    is_block: bool = False
    is_plain: bool = False

    def data(self) -> Any:
        """Give the tree as str, None, list and dict."""
        if self.kind == "scalar":
            return self.text
        if self.kind == "list":
            return [item.data() for item in self.items]
        return {key: node.data() for key, node in self.entries.items()}

    def scalars(self, path: Path = ()) -> Iterator[tuple[Path, "Node"]]:
        """Every scalar below, with its path."""
        if self.kind == "scalar":
            yield path, self
        for position, item in enumerate(self.items):
            yield from item.scalars((*path, position))
        for key, node in self.entries.items():
            yield from node.scalars((*path, key))

    def find(self, path: Path) -> "Node | None":
        """Give the node at `path`, if it is there."""
        node: Node | None = self
        for part in path:
            if node is None:
                return None
            if isinstance(part, str):
                node = node.entries.get(part)
            else:
                node = node.items[part] if part < len(node.items) else None
        return node

    def place_of(self, path: Path, *, of_key: bool = False) -> Place:
        """Where the value at `path` stands, or its key; the nearest place above it when it is not there."""
        node, place = self, self.place
        for position, part in enumerate(path):
            last = position == len(path) - 1
            if isinstance(part, str) and part in node.entries:
                place = node.keys[part] if of_key and last else node.entries[part].place
                node = node.entries[part]
            elif isinstance(part, int) and part < len(node.items):
                node = node.items[part]
                place = node.place
            else:
                break
        return place


class _Unreadable(Exception):
    def __init__(self, complaint: Complaint) -> None:
        super().__init__(complaint.problem)
        self.complaint = complaint


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end has not come yet. `key` is the key that waits for its value."""

    node: Node
    anchor: str | None
    key: str | None = None
    repeated: bool = False


def read_yaml(text: str) -> tuple[Node | None, list[Complaint]]:
    """Read `text` into a tree, and what is wrong with it as YAML. There is no tree when it has no readable end."""
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        problem = f"the definition has {size} bytes; {MAX_BYTES} (256 KiB) are allowed"
        return None, [Complaint(1, 1, "", problem, "less, for example by moving scripts into the repository")]
    strange = _UNPRINTABLE.search(text.removeprefix("\ufeff"))
    if strange:
        return None, [_strange_character(text, strange[0])]
    reading = _Reading()
    try:
        for event in yaml.parse(text, Loader=_Loader):
            reading.take(event)
    except _Unreadable as end:
        return None, [*reading.complaints, end.complaint]
    except yaml.YAMLError as error:
        return None, [*reading.complaints, _not_yaml(error, text)]
    return reading.root, reading.complaints


class _Reading:
    """The state between two events of the parser."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self.complaints: list[Complaint] = []
        self._open: list[_Open] = []
        self._anchors: dict[str, Node | None] = {}
        self._documents = 0
        self._nodes = 0

    def take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.ScalarEvent):
            self._check_tag(event)
            self._add(self._scalar(event), event.anchor)
        elif isinstance(event, yaml.AliasEvent):
            self._add_alias(event)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._begin(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            done = self._open.pop()
            self._add(done.node, done.anchor)
        elif isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                self._end(event, "has several documents", "one definition a file, without a line of ---")

    def _scalar(self, event: yaml.ScalarEvent) -> Node:
        self._count(event, 1)
        text: str | None = event.value
        if event.implicit[0] and event.tag is None and event.value in _NULLS:
            text = None
        if text and _UNPRINTABLE.search(text):
            self._complain(event, "holds an unprintable character", "printable text")
            text = _UNPRINTABLE.sub("?", text)
        return Node("scalar", _place(event), text, is_block=event.style == "|", is_plain=event.implicit[0])

    def _begin(self, event: yaml.CollectionStartEvent) -> None:
        self._check_tag(event)
        self._count(event, 1)
        if len(self._open) >= MAX_DEPTH:
            self._end(event, f"is nested more than {MAX_DEPTH} levels deep", "it flatter")
        if self._wants_key():
            self._end(event, "has a list or a mapping as a key", "a plain word as the key")
        if event.anchor:
            self._anchors[event.anchor] = None
        kind = "list" if isinstance(event, yaml.SequenceStartEvent) else "mapping"
        self._open.append(_Open(Node(kind, _place(event)), event.anchor))

    def _add_alias(self, event: yaml.AliasEvent) -> None:
        name = event.anchor or ""
        if name not in self._anchors:
            self._end(event, f"refers to *{name[:64]}, which stands nowhere above", "the value itself")
        node = self._anchors[name]
        if node is None:
            self._end(event, f"refers to *{name[:64]}, which holds itself", "the value itself")
            return
        self._count(event, node.size)
        if len(self._open) + node.depth > MAX_DEPTH:
            self._end(event, f"is nested more than {MAX_DEPTH} levels deep by way of its aliases", "it flatter")
        self._add(node, None, _place(event))

    def _add(self, node: Node, anchor: str | None, place: Place | None = None) -> None:
        if anchor:
            self._anchors[anchor] = node
        if not self._open:
            self.root = node
            return
        into = self._open[-1]
        if into.node.kind == "mapping" and into.key is None:
            self._take_key(into, node, place or node.place)
            return
        into.node.size += node.size
        into.node.depth = max(into.node.depth, node.depth + 1)
        if into.node.kind == "list":
            into.node.items.append(node)
            return
        if not into.repeated and into.key is not None:
            into.node.entries[into.key] = node
        into.key = None

    def _take_key(self, into: _Open, node: Node, place: Place) -> None:
        key = "null" if node.text is None else node.text
        into.key, into.repeated = key, key in into.node.entries
        if node.kind != "scalar":
            problem = "has a list or a mapping as a key"
            raise _Unreadable(Complaint(place.line, place.column, self._path(), problem, "a plain word as the key"))
        if into.repeated:
            first = into.node.keys[key].line
            problem = f"stands twice; the first is on line {first}"
            self.complaints.append(Complaint(place.line, place.column, self._path(), problem, "each key once"))
        else:
            into.node.keys[key] = place

    def _check_tag(self, event: yaml.NodeEvent) -> None:
        tag = getattr(event, "tag", None)
        if tag is not None and tag not in _CORE_TAGS:
            self._complain(event, f"has the tag {tag[:64]}, which no definition has", "the value without a tag")

    def _count(self, event: yaml.Event, size: int) -> None:
        self._nodes += size
        if self._nodes > MAX_NODES:
            by_alias = " by way of its aliases" if size > 1 else ""
            self._end(event, f"holds more than {MAX_NODES} values{by_alias}", "less")

    def _wants_key(self) -> bool:
        return bool(self._open) and self._open[-1].node.kind == "mapping" and self._open[-1].key is None

    def _path(self) -> str:
        steps = [one.key if one.node.kind == "mapping" else len(one.node.items) for one in self._open]
        return write_path(tuple(step for step in steps if step is not None))

    def _complain(self, event: yaml.Event, problem: str, instead: str) -> None:
        place = _place(event)
        self.complaints.append(Complaint(place.line, place.column, self._path(), problem, instead))

    def _end(self, event: yaml.Event, problem: str, instead: str) -> None:
        place = _place(event)
        raise _Unreadable(Complaint(place.line, place.column, self._path(), problem, instead))


def _place(event: yaml.Event) -> Place:
    mark = event.start_mark
    return Place(mark.line + 1, mark.column + 1) if mark else Place()


def _strange_character(text: str, character: str) -> Complaint:
    before = text[: text.index(character)]
    line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
    return Complaint(line, column, "", f"the character U+{ord(character):04X} cannot stand in YAML", "printable text")


def _not_yaml(error: yaml.YAMLError, text: str) -> Complaint:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    said = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read"
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    near = "".join(text.splitlines()[max(0, line - 2) : line])
    instead = "quotes, colons and indentation as YAML has them"
    if "${" in near and ("{" in near.replace("${", "") or "[" in near):
        instead = '"${name}" in quotes where it stands inside { } or [ ]'
    return Complaint(line, column, "", f"this is not YAML: {said}", instead)
