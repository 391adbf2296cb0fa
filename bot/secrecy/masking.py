"""What of a configuration is not for a room: values of environment variables that no definition of Sluice's says.

The danger: an adopted Deployment comes with the environment that its owner gave it, passwords among it. Whoever asks
for the configuration in a room would have them posted to everybody there. What a definition says is known to all who
may see it; of everything else the name is shown, and that it has a value.
"""

from collections.abc import Container, Iterable, Iterator
from typing import Any

import yaml

from bot.cards import Card
from engine.deployment import FOUND, target_of
from engine.manifest import objects
from engine.model import Json, Release, Run

HIDDEN = "(not shown)"
_OWN = frozenset({"PORT"})
_LISTS = ("containers", "initContainers")


def version_card(release: Release, *, title: str = "", text: str = "") -> Card:
    """What a version was deployed with."""
    title = title or f"{release.workload}, version {release.number}"
    return Card(title, text=text, code=_shown(release.manifest, release.workload, release))


def applied_card(run: Run, stage: str, things: Iterable[Json], release: Release | None) -> Card:
    """What a stage of a run has applied. `release` is the one that the run has placed, if it is known."""
    text = yaml.safe_dump_all(things, sort_keys=False, allow_unicode=True)
    return Card(f"{run.id}, {stage}: applied to {run.workload}", code=_shown(text, run.workload, release))


def effect_card(workload: str, text: str, latest: Release | None) -> Card:
    """What is in effect. In a cluster routes are objects among others. `latest` is the newest release, if any."""
    what = "Objects" if target_of(workload) == "kubernetes" else "Routes"
    return Card(f"{what} of {workload} in effect", code=_shown(text, workload, latest))


def _shown(text: str, workload: str, release: Release | None) -> str:
    said = said_by(release.settings if release is not None else {})
    return masked(text, said) if target_of(workload) == "kubernetes" else text


def said_by(settings: Json) -> frozenset[str]:
    """The variables whose values a release's settings say themselves. What was found says none of its own."""
    text = "" if settings.get("creation") == FOUND else settings.get("manifest") or ""
    written = (each for thing in objects(text) for each in _variables(thing))
    return _OWN | frozenset(settings.get("environment") or ()) | {str(each.get("name")) for each in written}


def masked(text: str, shown: Container[str]) -> str:
    """A configuration in YAML without the values of variables that are not `shown`; as it is, if there are none."""
    things = list(yaml.safe_load_all(text))
    hidden = [
        each
        for thing in things
        for each in _variables(thing)
        if each.get("value") not in (None, "") and each.get("name") not in shown
    ]
    for each in hidden:
        each["value"] = HIDDEN
    return yaml.safe_dump_all(things, sort_keys=False, allow_unicode=True) if hidden else text


def _variables(thing: Any) -> Iterator[dict[str, Any]]:
    """Every entry of an environment, wherever containers stand in it."""
    if isinstance(thing, list):
        for each in thing:
            yield from _variables(each)
    elif isinstance(thing, dict):
        for key, value in thing.items():
            if key in _LISTS and isinstance(value, list):
                environments = (each.get("env") or () for each in value if isinstance(each, dict))
                yield from (one for env in environments for one in env if isinstance(one, dict))
            else:
                yield from _variables(value)
