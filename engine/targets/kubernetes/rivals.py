"""Another Sluice in the same cluster that releases the same workload.

Its objects look like ours: they have the same labels, and every field that matters is written by it. So it is looked
for by its name, which is another one for each installation, before anything is launched beside what it has made.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from engine.model import Json
from engine.ports import Dispute
from engine.targets.kubernetes import names, writing
from engine.targets.kubernetes.kinds import Kind
from engine.targets.kubernetes.owners import owners_of
from engine.targets.kubernetes.scene import Scene
from engine.targets.kubernetes.site import Site

_NAMED = "sluice"
_NOTE = ("metadata", "annotations", names.APPLIED)


@dataclass(frozen=True, slots=True)
class Rival(Dispute):
    """A dispute over an object that another Sluice has written.

    `whose` says which one, and for which run; empty where that was just said.
    """

    whose: str = ""

    def __str__(self) -> str:
        """Say it in one sentence."""
        if not self.whose:
            return f"{self.thing} is its own, too."
        return f"Another Sluice ({self.whose}) releases this workload: {self.thing} is its own."


def rivals(site: Site, scene: Scene) -> tuple[Dispute, ...]:
    """What another Sluice has written of the workload, and nobody has let this one take over."""
    found = [each for kind, live in scene.all() for each in _rivals(site, scene, kind, live)]
    said = [each.whose for each in found]
    return tuple(replace(each, whose="") if each.whose in said[:at] else each for at, each in enumerate(found))


def _rivals(site: Site, scene: Scene, kind: Kind, live: Json) -> Iterator[Rival]:
    known = {site.cluster.manager, *site.before, *names.adopted_from(live)}
    writers = {each.manager for each in owners_of(live, _NOTE)}
    if writers & known:
        return
    thing = writing.thing_of(kind, scene, live["metadata"]["name"])
    pipeline, run = names.annotation(live, names.PIPELINE), names.annotation(live, names.RUN)
    for manager in sorted(each for each in writers if each.startswith(_NAMED)):
        whose = ", ".join([manager, *filter(None, (pipeline and f"pipeline {pipeline}", run and f"run {run}"))])
        yield Rival(thing, ".".join(_NOTE), manager, "", "", held=True, whose=whose)
