"""Which stages may follow which: rules that no single stage can see."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from engine.complaints import Finding, Path
from engine.fields import shown
from engine.image_build import BUNDLE, DOCKER, meant
from engine.model import StageKind

_KINDS = tuple(kind.value for kind in StageKind)


def order_findings(stages: Sequence[Any]) -> Iterator[Finding]:
    """Say what is wrong with the order of `stages`, given as plain data; a stage without one clear kind is no stage."""
    yield from _repeated_names(stages)
    yield from _second_auto_build(stages)
    kinds = [_kind(stage) for stage in stages]
    for position, kind in enumerate(kinds):
        before = kinds[:position]
        path: Path = ("stages", position, kind)
        section = stages[position][kind] if kind else None
        if kind == "build" and "source" not in before:
            yield Finding(path, "builds, but no stage before it has a source", "a source stage before it", at_key=True)
        elif kind == "gray":
            yield from _gray(path, section, before, _built(stages[:position]))
        elif kind == "review" and "official" in before:
            problem = "stands after the official release, when nothing is left to decide about"
            yield Finding(path, problem, "it before the official stage", at_key=True)
        elif kind == "official":
            yield from _official(path, section, before, kinds, _built(stages[:position]))


def _second_auto_build(stages: Sequence[Any]) -> Iterator[Finding]:
    """A push starts one run, of one source."""
    sources = ((number, stage.get("source")) for number, stage in enumerate(stages) if isinstance(stage, dict))
    auto = [number for number, source in sources if isinstance(source, dict) and source.get("auto_build")]
    for number in auto[1:]:
        path: Path = ("stages", number, "source", "auto_build")
        yield Finding(path, "is the second one", "auto_build in one source stage of a pipeline", at_key=True)


def _gray(path: Path, section: Any, before: Sequence[str], build: Mapping[str, Any]) -> Iterator[Finding]:
    if "gray" in before:
        yield Finding(path, "is the second gray stage", "one gray stage a pipeline", at_key=True)
    yield from _needs_image(path, section, before, build)


def _official(
    path: Path, section: Any, before: Sequence[str], kinds: Sequence[str], build: Mapping[str, Any]
) -> Iterator[Finding]:
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
        yield from _needs_image(path, section, before, build)


def _needs_image(path: Path, section: Any, before: Sequence[str], build: Mapping[str, Any]) -> Iterator[Finding]:
    if isinstance(section, dict) and not section.get("image") and "build" not in before:
        problem = "names no image, and no stage before it builds one"
        yield Finding(path, problem, "image: organization/repository:tag, or a build stage before it", at_key=True)
    elif isinstance(section, dict) and not section.get("image"):
        yield from _cannot_run(path, str(section.get("target", "process")), build)


def _cannot_run(path: Path, target: str, build: Mapping[str, Any]) -> Iterator[Finding]:
    """What is built before it, and what the target starts instances from, are not of one kind."""
    built = meant(build, target)
    if built == BUNDLE and target != "process":
        problem = "names no image, and the bundle that is built before it runs as a process of this machine only"
        instead = "builder: docker in the build stage, or image: organization/repository:tag of one in the registry"
        yield Finding(path, problem, instead, at_key=True)
    elif built == DOCKER and target == "process":
        problem = "starts processes from a bundle, and the stage before it builds a Docker image"
        yield Finding(path, problem, "target: docker, or builder: bundle in the build stage", at_key=True)


def _built(before: Sequence[Any]) -> Mapping[str, Any]:
    """The last build section of some stages; empty when there is none."""
    builds = [stage["build"] for stage in before if isinstance(stage, dict) and isinstance(stage.get("build"), dict)]
    return builds[-1] if builds else {}


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
