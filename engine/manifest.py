"""A Kubernetes manifest inside a definition: from its text to its objects, each knowing on which line what stands.

The danger: a manifest is YAML that two readers must understand alike. `1.10` is a number to one and a text to another,
`0644` is 420 in Kubernetes' own tools, and a document that holds a mistake nobody sees is found by the API server in
the middle of a release.

The promise: any text gives objects or faults with their rows, in bounded time; and a plain scalar becomes what
Kubernetes' tools make of it. The reading itself is `engine.yaml_text`'s, so its bounds hold here too.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from engine.complaints import Complaint, Path
from engine.model import Json
from engine.yaml_text import Node, read_yaml

MAX_BYTES = 64 * 1024
MAX_DOCUMENTS = 100
QUIETLY = "sluice.dev/leaves-quietly"
"""Annotation on the Deployments of a release: whether its pods go on answering while visitors leave, true or false."""
_AN_OBJECT = "a Kubernetes object: apiVersion, kind, metadata, spec"
_DOCUMENT = re.compile(r"^---(?=[ \t\n]|$)[ \t]*(?:#[^\n]*)?", re.MULTILINE)
_TRUTH = {
    **dict.fromkeys(("true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "y", "Y"), True),
    **dict.fromkeys(("false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "n", "N"), False),
}
_WHOLE = re.compile(r"([-+]?)(?:(0)|([1-9][0-9]{0,17})|0o?([0-7]{1,17})|0x([0-9A-Fa-f]{1,15})|0b([01]{1,60}))")
_FRACTION = re.compile(r"[-+]?(?:\.[0-9]{1,17}|[0-9]{1,17}(?:\.[0-9]{0,17})?)(?:[eE][-+]?[0-9]{1,2})?")
_BASES = ((2, 10), (3, 10), (4, 8), (5, 16), (6, 2))


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a manifest, in row `row` of it, from 0."""

    row: int
    problem: str
    instead: str


@dataclass(frozen=True, slots=True)
class Document:
    """One object: its `data` as JSON, and where its parts stand."""

    data: Any
    tree: Node

    def row(self, path: Path = (), *, of_key: bool = False) -> int:
        """The row of the manifest on which the value at `path` stands, or its key, from 0."""
        return self.tree.place_of(path, of_key=of_key).line - 1

    def fault(self, path: Path, problem: str, instead: str, *, of_key: bool = False) -> Fault:
        """Something that is wrong at `path`."""
        return Fault(self.row(path, of_key=of_key), problem, instead)


def read(text: str) -> tuple[tuple[Document, ...], tuple[Fault, ...]]:
    """Read every object of a manifest, and whatever is wrong with it as YAML."""
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        problem = f"is longer than {MAX_BYTES} bytes (64 KiB)"
        return (), (Fault(0, problem, "one workload's objects and no more"),)
    parts = _parts(text)
    if len(parts) > MAX_DOCUMENTS:
        return (), (Fault(0, f"has more than {MAX_DOCUMENTS} documents", "one workload's objects and no more"),)
    if not parts:
        return (), (Fault(0, "holds nothing but comments", _AN_OBJECT),)
    read_ones = [_read_one(row, part) for row, part in parts]
    faults = tuple(fault for one in read_ones if isinstance(one, list) for fault in one)
    return tuple(one for one in read_ones if isinstance(one, Document)), faults


def objects(text: str) -> tuple[dict[str, Any], ...]:
    """The objects of a manifest that has been checked before; of any other text those that can be read."""
    return tuple(document.data for document in read(text)[0])


@lru_cache(maxsize=256)  # asked for at every look at a release
def selector_of(text: str) -> str:
    """By which labels the Deployment of a manifest finds its pods, for people; empty when it has none."""
    specs = (each.get("spec") for each in objects(text) if each.get("kind") == "Deployment")
    selectors = (spec.get("selector") for spec in specs if isinstance(spec, dict))
    labels = next((each.get("matchLabels") for each in selectors if isinstance(each, dict)), None)
    return ", ".join(f"{key}={value}" for key, value in sorted(labels.items())) if isinstance(labels, dict) else ""


def container_of(containers: Sequence[Json], workload: str, image: str, wanted: str = "") -> str:
    """Name the container that a release replaces; empty when nobody can tell.

    It is the `wanted` one, if the definition says which. Else it is the only one, else the one that is called like the
    workload, else the only one of the image's repository.
    """
    if wanted:
        return wanted if any(each["name"] == wanted for each in containers) else ""
    if len(containers) == 1:
        return str(containers[0]["name"])
    if any(each["name"] == workload for each in containers):
        return workload
    repository = repository_of(image)
    alike = [str(each["name"]) for each in containers if repository and _is_of(str(each.get("image", "")), repository)]
    return alike[0] if len(alike) == 1 else ""


def has_stop_hook(template: Json, workload: str, image: str, wanted: str = "") -> bool:
    """Whether the container of a pod template that a release replaces is told to wait before it ends.

    Nobody can tell which one that is: then each of them has to. What stands beside it serves no requests.
    """
    containers: list[Json] = template["spec"].get("containers") or []
    chosen = container_of(containers, workload, image, wanted) if containers else ""
    serving = [each for each in containers if each["name"] == chosen] or containers
    return bool(serving) and all((each.get("lifecycle") or {}).get("preStop") for each in serving)


def repository_of(image: str) -> str:
    """The repository of an image: its name without registry, tag and digest."""
    name = image.partition("@")[0]
    head, slash, rest = name.partition("/")
    if slash and ("." in head or ":" in head or head == "localhost"):
        name = rest
    before, _, last = name.rpartition("/")
    last = last.partition(":")[0]
    return f"{before}/{last}" if before else last


def _is_of(image: str, repository: str) -> bool:
    return f"/{repository_of(image)}".endswith(f"/{repository}")


def _parts(text: str) -> list[tuple[int, str]]:
    """Every document that says something, with the row on which it begins."""
    found = list(_DOCUMENT.finditer(text))[: MAX_DOCUMENTS + 1]
    starts, ends = [0, *(one.end() for one in found)], [*(one.start() for one in found), len(text)]
    parts = [(text[:start].count("\n"), text[start:end]) for start, end in zip(starts, ends, strict=True)]
    return [(row, part) for row, part in parts if _says_something(part)]


def _says_something(part: str) -> bool:
    return any(line.strip() and not line.lstrip().startswith("#") for line in part.splitlines())


def _read_one(row: int, part: str) -> Document | list[Fault]:
    """Read one document that begins in `row` of the manifest."""
    last = row + part.rstrip().count("\n")
    tree, complaints = read_yaml("\n" * row + part)  # so that lines it names are lines of the manifest
    if complaints:
        return [_unreadable(one, last) for one in complaints]
    if tree is None or tree.kind != "mapping":
        return [Fault(row, "has a document that is no mapping", _AN_OBJECT)]
    merged = [Fault(line - 1, "merges keys from elsewhere", "the keys out in full") for line in _merges(tree)]
    return merged or Document(_json(tree), tree)


def _unreadable(complaint: Complaint, last: int) -> Fault:
    where = f"{complaint.path} " if complaint.path else ""
    return Fault(min(complaint.line - 1, last), f"in the manifest, {where}{complaint.problem}", complaint.instead)


def _merges(node: Node) -> Iterator[int]:
    if "<<" in node.entries:
        yield node.keys["<<"].line
    for below in (*node.items, *node.entries.values()):
        yield from _merges(below)


def _json(node: Node) -> Any:
    if node.kind == "list":
        return [_json(item) for item in node.items]
    if node.kind == "mapping":
        return {key: _json(item) for key, item in node.entries.items()}
    return _plain(node.text) if node.is_plain and node.text is not None else node.text


def _plain(text: str) -> Any:
    """What Kubernetes' tools make of a scalar without quotes."""
    if text in _TRUTH:
        return _TRUTH[text]
    whole = _WHOLE.fullmatch(text)
    if whole is not None:
        digits, base = next((whole[group], base) for group, base in _BASES if whole[group] is not None)
        return int(whole[1] + digits, base)
    return float(text) if _FRACTION.fullmatch(text) else text
