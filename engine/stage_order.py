"""Which stages may follow which: rules that no single stage can see."""

from collections.abc import Iterator, Sequence
from typing import Any

from engine.complaints import Finding, Path
from engine.fields import shown
from engine.model import StageKind

_KINDS = tuple(kind.value for kind in StageKind)


def order_findings(stages: Sequence[Any]) -> Iterator[Finding]:
    """Say what is wrong with the order of `stages`, given as plain data; a stage without one clear kind is no stage."""
    yield from _repeated_names(stages)
    kinds = [_kind(stage) for stage in stages]
    for position, kind in enumerate(kinds):
        before = kinds[:position]
        path: Path = ("stages", position, kind)
        section = stages[position][kind] if kind else None
        if kind == "build" and "source" not in before:
            yield Finding(path, "builds, but no stage before it has a source", "a source stage before it", at_key=True)
        elif kind == "gray":
            yield from _gray(path, section, before)
        elif kind == "review" and "official" in before:
            problem = "stands after the official release, when nothing is left to decide about"
            yield Finding(path, problem, "it before the official stage", at_key=True)
        elif kind == "official":
            yield from _official(path, section, before, kinds)


def _gray(path: Path, section: Any, before: Sequence[str]) -> Iterator[Finding]:
    if "gray" in before:
        yield Finding(path, "is the second gray stage", "one gray stage a pipeline", at_key=True)
    yield from _needs_image(path, section, before)


def _official(path: Path, section: Any, before: Sequence[str], kinds: Sequence[str]) -> Iterator[Finding]:
    if "official" in before:
        yield Finding(path, "is the second official stage", "one official stage a pipeline", at_key=True)
    if "gray" in before:
        if section:
            problem = "has settings, but after a gray stage it follows that stage"
            yield Finding(path, problem, "official: {} and its settings in the gray stage", at_key=True, covers=True)
    elif "gray" in kinds:
        yield Finding(path, "stands before the gray stage", "it after the gray stage", at_key=True)
    elif section == {}:
        problem = "has no settings, and no gray stage to follow"
        yield Finding(path, problem, "its deployment, at least service: {port: 18080}", at_key=True)
    else:
        yield from _needs_image(path, section, before)


def _needs_image(path: Path, section: Any, before: Sequence[str]) -> Iterator[Finding]:
    if isinstance(section, dict) and not section.get("image") and "build" not in before:
        problem = "names no image, and no stage before it builds one"
        yield Finding(path, problem, "image: organization/repository:tag, or a build stage before it", at_key=True)
    elif isinstance(section, dict) and not section.get("image") and section.get("target") == "kubernetes":
        problem = "names no image, and the bundle that is built before it runs on this machine only"
        instead = "image: organization/repository:tag of an image in the cluster's registry (this version builds none)"
        yield Finding(path, problem, instead, at_key=True)


def _repeated_names(stages: Sequence[Any]) -> Iterator[Finding]:
    seen: dict[str, int] = {}
    for position, stage in enumerate(stages):
        name = stage.get("name") if isinstance(stage, dict) else None
        if not isinstance(name, str):
            continue
        first = seen.setdefault(name.strip(), position)
        if first != position:
            problem = f"{shown(name)} is the name of stages[{first}] too"
            yield Finding(("stages", position, "name"), problem, "another name")


def _kind(stage: Any) -> str:
    given = [kind for kind in _KINDS if isinstance(stage, dict) and stage.get(kind) is not None]
    return given[0] if len(given) == 1 else ""
