"""Label and field selectors as the API takes them in queries."""

import re
from collections.abc import Callable, Mapping

from tests.support.kube_kinds import Json
from tests.support.kube_refusals import bad_request

Chooses = Callable[[Json], bool]
Labels = Mapping[str, str]

_IN = re.compile(r"^([\w./-]+)\s+(in|notin)\s*\(([^()]*)\)$")
_EQUALS = re.compile(r"^([\w./-]+)\s*(==|!=|=)\s*([\w.-]*)$")
_EXISTS = re.compile(r"^(!?)\s*([\w./-]+)$")
_BETWEEN = re.compile(r",(?![^()]*\))")
_FIELDS = {
    "pods": ("spec.nodeName", "spec.restartPolicy", "status.phase", "status.podIP"),
    "events": (
        *("involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid"),
        *("involvedObject.fieldPath", "reason", "type", "source"),
    ),
    "replicasets": ("status.replicas",),
}


def chooser(plural: str, labels: str, fields: str) -> Chooses | None:
    """What tells the objects that both selectors choose; None when every object is."""
    tests = [labelled(labels)] if labels.strip() else []
    tests += [_fielded(plural, fields)] if fields.strip() else []
    return (lambda thing: all(test(thing) for test in tests)) if tests else None


def labelled(selector: str) -> Chooses:
    """A label selector: requirements with commas between them, all of which must hold."""
    wanted = [_requirement(one.strip()) for one in _BETWEEN.split(selector)]

    def chooses(thing: Json) -> bool:
        labels = thing["metadata"].get("labels") or {}
        return all(holds(labels) for holds in wanted)

    return chooses


def _requirement(said: str) -> Callable[[Labels], bool]:
    if found := _IN.match(said):
        key, word, listed = found.groups()
        values = {one.strip() for one in listed.split(",")}
        return (
            (lambda labels: labels.get(key) in values)
            if word == "in"
            else (lambda labels: labels.get(key) not in values)
        )
    if found := _EQUALS.match(said):
        key, sign, value = found.groups()
        return (lambda labels: labels.get(key) != value) if sign == "!=" else (lambda labels: labels.get(key) == value)
    if found := _EXISTS.match(said):
        absent, key = found.groups()
        return lambda labels: (key in labels) != bool(absent)
    raise bad_request(f"unable to parse requirement: found '{said}', expected: identifier")


def _fielded(plural: str, selector: str) -> Chooses:
    known = ("metadata.name", "metadata.namespace", *_FIELDS.get(plural, ()))
    wanted: list[tuple[list[str], bool, str]] = []
    for said in selector.split(","):
        path, sign, value = re.split(r"(==|!=|=)", said.strip(), maxsplit=1) if "=" in said else (said, "", "")
        if path not in known:
            listed = ", ".join(f'"{one}"' for one in known)
            raise bad_request(f'"{path}" is not a known field selector: only {listed}')
        wanted.append((path.split("."), sign != "!=", value))
    return lambda thing: all((_at(thing, path) == value) is same for path, same, value in wanted)


def _at(thing: Json, path: list[str]) -> str:
    here: object = thing
    for name in path:
        here = here.get(name) if isinstance(here, dict) else None
    return "" if here is None else str(here)


def matches(selector: Labels | None, labels: Labels) -> bool:
    """Whether a selector of equal labels chooses something with these; an empty one chooses nothing."""
    return selector is not None and bool(selector) and selector.items() <= labels.items()
