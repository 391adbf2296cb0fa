"""Keys of a deployment that Docker containers on one machine have no use for, with what to write instead. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from engine.cluster_keys import written
from engine.complaints import Finding, Path

_LEAVE_OUT = "target: kubernetes, or leave it out"
_NOT_BY_DOCKER = {
    "cluster": ("the docker target runs on this machine and in no cluster", _LEAVE_OUT),
    "namespace": ("the docker target runs on this machine, which has no namespaces", _LEAVE_OUT),
    "container": ("an instance is one container with the docker target", _LEAVE_OUT),
    "manifest": ("the docker target applies no manifest", _LEAVE_OUT),
    "liveness": ("the docker target starts again what has ended, but asks nobody whether it lives", _LEAVE_OUT),
    "log_path": ("the docker target keeps what an instance prints (docker logs), and no file beside it", _LEAVE_OUT),
    "monitoring": ("the docker target collects no figures from instances", _LEAVE_OUT),
    "lifecycle.post_start": ("the docker target runs nothing after a start", _LEAVE_OUT),
    "lifecycle.pre_stop": ("the docker target runs nothing before an end", f"drain: and a time, or {_LEAVE_OUT}"),
    "service.domain": ("the docker target gives the service no domain name", _LEAVE_OUT),
    "service.access": ("the docker target has one kind of access, the port on this machine", _LEAVE_OUT),
}
_WORDS_NOT_BY_DOCKER = {
    ("creation", "yaml"): ("the docker target applies no manifest", "creation: standard, and leave manifest out"),
    ("pull", "always"): ("the docker target runs an image by its content, which does not change", "when_changed"),
    ("service.protocol", "tcp"): ("the docker target passes on nothing but http", "http"),
    ("service.protocol", "udp"): ("the docker target passes on nothing but http", "http"),
}


def docker_findings(path: Path, given: Mapping[str, Any]) -> Iterator[Finding]:
    """Say what of a deployment `given` the docker target cannot do."""
    if given.get("target") != "docker":
        return
    for place, words in _NOT_BY_DOCKER.items():
        where = tuple(place.split("."))
        if written(given, where) is not None:
            yield Finding((*path, *where), *words, at_key=True)
    for (place, word), words in _WORDS_NOT_BY_DOCKER.items():
        where = tuple(place.split("."))
        if written(given, where) == word:
            yield Finding((*path, *where), *words)
