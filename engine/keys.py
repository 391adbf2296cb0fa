"""The keys of a definition held against the sections of the model: unknown ones, and ones that do not go together.

Among the latter are settings that the deployment's target has no use for. Each of them gets a complaint: an author who
wrote a limit may not believe that it holds when nothing keeps it.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from engine.complaints import Finding, Path, nearest
from engine.definition import Deployment, Official, Pipeline
from engine.fields import shown
from engine.section import Section
from engine.yaml_text import Node, read_yaml

_SPECIAL = {
    "services": ("a workload has exactly one service", "service: {port: 18080}"),
    "gray_instances": ("an official release has no gray part", "it in a gray stage before, or leave it out"),
    "policy": ("an official release goes to everybody", "it in a gray stage before, or leave it out"),
    "<<": ("keys cannot be merged from elsewhere", "the keys out in full"),
}

_LEAVE_OUT = "target: kubernetes (kept, but not run by this version), or leave it out"
_NOT_BY_PROCESS = {
    "cluster": ("the process target runs on this machine and in no cluster", _LEAVE_OUT),
    "namespace": ("the process target runs on this machine, which has no namespaces", _LEAVE_OUT),
    "manifest": ("the process target applies no manifest", _LEAVE_OUT),
    "resources": ("the process target limits neither processors nor memory", _LEAVE_OUT),
    "liveness": ("the process target starts again what has ended, but asks nobody whether it lives", _LEAVE_OUT),
    "log_path": ("the process target keeps what an instance prints, and no file beside it", _LEAVE_OUT),
    "volumes": ("the process target mounts nothing; an instance sees the files of this machine", _LEAVE_OUT),
    "monitoring": ("the process target collects no figures from instances", _LEAVE_OUT),
    "lifecycle.command": (
        "the process target starts what the Procfile says",
        "it in the Procfile: web: and the command",
    ),
    "lifecycle.post_start": ("the process target runs nothing after a start", _LEAVE_OUT),
    "lifecycle.pre_stop": ("the process target runs nothing before an end", f"drain: and a time, or {_LEAVE_OUT}"),
    "service.domain": ("the process target gives the service no domain name", _LEAVE_OUT),
    "service.access": ("the process target has one kind of access, the port on this machine", _LEAVE_OUT),
    "service.container_port": ("the process target chooses each instance's port and tells it in PORT", _LEAVE_OUT),
}
_WORDS_NOT_BY_PROCESS = {
    ("creation", "yaml"): ("the process target applies no manifest", "creation: standard, and leave manifest out"),
    ("pull", "always"): ("the process target keeps packages by digest and pulls none anew", "when_changed"),
    ("service.protocol", "tcp"): ("the process target passes on nothing but http", "http"),
    ("service.protocol", "udp"): ("the process target passes on nothing but http", "http"),
}
_MOST_BYTES = 64 * 1024
_MOST_DOCUMENTS = 100
_DOCUMENT = re.compile(r"^---(?=[ \t\n]|$)[ \t]*(?:#[^\n]*)?", re.MULTILINE)


def key_findings(tree: Node, data: Any) -> Iterator[Finding]:
    """Say what is wrong with the keys of every section; `data` is the tree with its variables replaced."""
    manifests: dict[Path, Any] = {}
    for path, node, model in sections(tree, Pipeline):
        yield from _unknown(path, node, model)
        given = _at(data, path)
        for conflict in model.conflicts(given):
            where = (*path, conflict.key) if conflict.key else path
            yield Finding(where, conflict.problem, conflict.instead)
        if issubclass(model, Deployment):
            yield from _beyond_the_target(path, given)
            yield from _beyond_the_protocol(path, given)
            manifests[(*path, "manifest")] = given.get("manifest")
    # A pipeline deploys once: a second deployment is refused as such, and reading its manifest would only take time.
    for path, text in list(manifests.items())[:1]:
        yield from _manifest(path, text)


def _beyond_the_target(path: Path, given: Mapping[str, Any]) -> Iterator[Finding]:
    if given.get("target", "process") != "process":
        return
    for place, words in _NOT_BY_PROCESS.items():
        where = tuple(place.split("."))
        if _written(given, where) is not None:
            yield Finding((*path, *where), *words, at_key=True)
    for (place, word), words in _WORDS_NOT_BY_PROCESS.items():
        where = tuple(place.split("."))
        if _written(given, where) == word:
            yield Finding((*path, *where), *words)


def _beyond_the_protocol(path: Path, given: Mapping[str, Any]) -> Iterator[Finding]:
    protocol = _written(given, ("service", "protocol"))
    if protocol in ("tcp", "udp") and _written(given, ("policy", "content")):
        problem = f"tests requests, and {protocol} has none"
        yield Finding((*path, "policy", "content"), problem, "ratio: and a percentage", at_key=True)


def _written(given: Any, where: tuple[str, ...]) -> Any:
    for key in where:
        given = given.get(key) if isinstance(given, dict) else None
    return given


def _manifest(path: Path, text: Any) -> Iterator[Finding]:
    """Say what is wrong with a manifest, in the line of it where it is wrong."""
    if not isinstance(text, str):
        return
    if len(text.encode("utf-8", "surrogatepass")) > _MOST_BYTES:
        problem = f"is longer than {_MOST_BYTES} bytes (64 KiB)"
        yield Finding(path, problem, "one workload's objects and no more")
    elif text:
        for row, problem, instead in _faults(text):
            yield Finding(path, problem, instead, row=row)


def _faults(text: str) -> list[tuple[int, str, str]]:
    """Find the faults of a manifest, each with its line, from 0."""
    starts = [0, *(found.end() for found in _DOCUMENT.finditer(text))]
    if len(starts) > _MOST_DOCUMENTS:
        return [(0, f"has more than {_MOST_DOCUMENTS} documents", "one workload's objects and no more")]
    ends = [*(found.start() for found in _DOCUMENT.finditer(text)), len(text)]
    documents = [(text[:start].count("\n"), text[start:end]) for start, end in zip(starts, ends, strict=True)]
    found = [fault for row, document in documents for fault in _faults_of_one(row, document)]
    if not found and not any(_says_something(document) for _, document in documents):
        found = [(0, "holds nothing but comments", "a Kubernetes object: apiVersion, kind, metadata, spec")]
    return found


def _faults_of_one(row: int, document: str) -> Iterator[tuple[int, str, str]]:
    """Find the faults of one document that begins in line `row` of the manifest, from 0."""
    if not _says_something(document):
        return
    last = row + document.rstrip().count("\n")
    tree, complaints = read_yaml("\n" * row + document)  # so that lines it names are lines of the manifest
    for one in complaints:
        where = f"{one.path} " if one.path else ""
        yield min(one.line - 1, last), f"in the manifest, {where}{one.problem}", one.instead
    if not complaints and (tree is None or tree.kind != "mapping"):
        yield row, "has a document that is no mapping", "a Kubernetes object: apiVersion, kind, metadata, spec"


def _says_something(document: str) -> bool:
    return any(line.strip() and not line.lstrip().startswith("#") for line in document.splitlines())


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
