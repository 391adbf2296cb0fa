"""The keys of a definition held against the sections of the model: unknown ones, and ones that do not go together.

Among the latter are settings that the deployment's target has no use for. Each of them gets a complaint: an author who
wrote a limit may not believe that it holds when nothing keeps it.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from engine.cluster_keys import cluster_findings, written
from engine.complaints import Finding, Path, nearest
from engine.definition import Deployment, Official, Pipeline
from engine.deployment import DEFAULT_NAMESPACE
from engine.docker_keys import docker_findings
from engine.fields import shown, whole_number
from engine.manifest_rules import Wanted, manifest_faults
from engine.section import Section
from engine.yaml_text import Node

_SPECIAL = {
    "services": ("a workload has exactly one service", "service: {port: 18080}"),
    "gray_instances": ("an official release has no gray part", "it in a gray stage before, or leave it out"),
    "policy": ("an official release goes to everybody", "it in a gray stage before, or leave it out"),
    "<<": ("keys cannot be merged from elsewhere", "the keys out in full"),
}

_LEAVE_OUT = "target: kubernetes, or leave it out"
_NOT_BY_PROCESS = {
    "cluster": ("the process target runs on this machine and in no cluster", _LEAVE_OUT),
    "namespace": ("the process target runs on this machine, which has no namespaces", _LEAVE_OUT),
    "container": ("the process target runs programs, and no containers", _LEAVE_OUT),
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


def key_findings(tree: Node, data: Any) -> Iterator[Finding]:
    """Say what is wrong with the keys of every section; `data` is the tree with its variables replaced."""
    manifests: dict[Path, Mapping[str, Any]] = {}
    for path, node, model in sections(tree, Pipeline):
        yield from _unknown(path, node, model)
        given = _at(data, path)
        for conflict in model.conflicts(given):
            where = (*path, conflict.key) if conflict.key else path
            yield Finding(where, conflict.problem, conflict.instead)
        if issubclass(model, Deployment):
            yield from _beyond_the_target(path, given)
            yield from docker_findings(path, given)
            yield from _beyond_the_protocol(path, given)
            yield from cluster_findings(path, given, _name_of(given, data))
            manifests[path] = given
    # A pipeline deploys once: a second deployment is refused as such, and reading its manifest would only take time.
    for path, deployment in list(manifests.items())[:1]:
        yield from _manifest(path, deployment, data)


def _beyond_the_target(path: Path, given: Mapping[str, Any]) -> Iterator[Finding]:
    if given.get("target", "process") != "process":
        return
    for place, words in _NOT_BY_PROCESS.items():
        where = tuple(place.split("."))
        if written(given, where) is not None:
            yield Finding((*path, *where), *words, at_key=True)
    for (place, word), words in _WORDS_NOT_BY_PROCESS.items():
        where = tuple(place.split("."))
        if written(given, where) == word:
            yield Finding((*path, *where), *words)


def _beyond_the_protocol(path: Path, given: Mapping[str, Any]) -> Iterator[Finding]:
    protocol = written(given, ("service", "protocol"))
    if protocol in ("tcp", "udp") and written(given, ("policy", "content")):
        problem = f"tests requests, and {protocol} has none"
        yield Finding((*path, "policy", "content"), problem, "ratio: and a percentage", at_key=True)


def _manifest(path: Path, given: Mapping[str, Any], data: Any) -> Iterator[Finding]:
    """Say what is wrong with a manifest, in the line of it where it is wrong."""
    text = given.get("manifest")
    if isinstance(text, str) and text:
        for fault in manifest_faults(text, _wanted(given, data, path)):
            yield Finding((*path, "manifest"), fault.problem, fault.instead, row=fault.row)


def _wanted(given: Mapping[str, Any], data: Any, path: Path) -> Wanted:
    """What the definition around a manifest wants of it."""
    workload = _name_of(given, data)
    return Wanted(
        workload=workload,
        service=_text(written(given, ("service", "name"))) or workload,
        namespace=_text(given.get("namespace")) or DEFAULT_NAMESPACE,
        port=whole_number(written(given, ("service", "port"))),
        protocol=_text(written(given, ("service", "protocol"))) or "http",
        instances=whole_number(given.get("instances", 2)),
        upgrade=_text(given.get("upgrade")) or "rolling",
        image=_text(given.get("image")) or _built(data, path),
        container=_text(given.get("container")),
    )


def _name_of(given: Mapping[str, Any], data: Any) -> str:
    """The workload's name."""
    return _text(given.get("workload")) or _text(written(data, ("pipeline",)))


def _built(data: Any, path: Path) -> str:
    """The image of the build stage before the deployment at `path`."""
    stages, position = data.get("stages"), path[1] if len(path) > 1 else 0
    before = stages[:position] if isinstance(stages, list) and isinstance(position, int) else []
    images = [_text(written(stage, ("build", "image"))) for stage in before]
    return next((image for image in reversed(images) if image), "")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


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
    known = model.key_names()
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
