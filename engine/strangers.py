"""People and clusters that a definition names and nobody knows. Pure."""

from collections.abc import Collection, Iterator
from itertools import chain
from typing import Any

from engine.complaints import Finding, Path, listed, nearest
from engine.deployment import DEFAULT_CLUSTER
from engine.fields import shown


def sections_of(data: Any, kind: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Find the sections of one kind in every stage, with their paths."""
    stages = data.get("stages")
    for position, stage in enumerate(stages if isinstance(stages, list) else ()):
        section = stage.get(kind) if isinstance(stage, dict) else None
        if isinstance(section, dict):
            yield ("stages", position, kind), section


def unknown_people(data: Any, people: Collection[str] | None) -> Iterator[Finding]:
    """Names of people that nobody has."""
    if people is None:
        return
    for path, name in chain(_reviewers(data), _told(data)):
        if isinstance(name, str) and name not in people:
            near = nearest(name, people)
            known = f"one of {listed(sorted(people))}, or " if people else ""
            instead = near or f"{known}make them known first: `sluice person add NAME`"
            yield Finding(path, f"nobody is known as {shown(name)}", instead)


def _reviewers(data: Any) -> Iterator[tuple[Path, Any]]:
    for path, review in sections_of(data, "review"):
        for key in ("reviewers", "deputies"):
            names = review.get(key)
            for position, name in enumerate(names if isinstance(names, list) else ()):
                yield (*path, key, position), name


def _told(data: Any) -> Iterator[tuple[Path, Any]]:
    notify = data.get("notify")
    for key in ("on_failure", "on_success"):
        lines = notify.get(key) if isinstance(notify, dict) else None
        for position, line in enumerate(lines if isinstance(lines, list) else ()):
            if isinstance(line, dict) and "person" in line:
                yield ("notify", key, position, "person"), line["person"]


def unknown_clusters(data: Any, clusters: Collection[str] | None) -> Iterator[Finding]:
    """Deployments to clusters that the settings do not name."""
    if clusters is None:
        return
    for path, section in chain(sections_of(data, "gray"), sections_of(data, "official")):
        if section.get("target") != "kubernetes":
            continue
        name = section.get("cluster", DEFAULT_CLUSTER)
        if not clusters:
            instead = "target: process, or have a cluster named in SLUICE_CLUSTERS first"
            yield Finding((*path, "target"), "this Sluice knows no cluster", instead)
        elif isinstance(name, str) and name not in clusters:
            where = "cluster" if "cluster" in section else "target"
            problem = f"there is no cluster {shown(name)}" if "cluster" in section else "names no cluster"
            known = f"cluster: and one of {listed(sorted(clusters))}"
            yield Finding((*path, where), problem, (nearest(name, clusters) if "cluster" in section else "") or known)
