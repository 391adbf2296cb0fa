"""What a run has applied in a cluster, as the objects themselves say it. Pure.

Every object that Sluice writes carries what was applied and by which run. So what is read here outlives the bot, until
the objects go. What Sluice remembers for itself on them (the wish for a route, what was found) is nothing that anybody
has to apply again, and changes all the time: it is left out.
"""

from typing import Any

from engine.model import Json
from engine.ports import Placement
from engine.targets.kubernetes import names, objects
from engine.targets.kubernetes.kinds import DEPLOYMENT
from engine.targets.kubernetes.objects import applied_of
from engine.targets.kubernetes.scene import Scene

_REMEMBERED = (names.ROUTE, names.FOUND, names.UNROUTED, names.ADOPTED, names.HOTFIX)


def applied_by(scene: Scene, placement: Placement) -> dict[str, Json]:
    """What the run of `placement` has applied, by ``Deployment shop/web-gray`` and the like."""
    found: dict[str, Json] = {}
    launched = False
    new = next(iter(placement.releases.values()), None)
    for kind, live in scene.all():
        thing = applied_of(live)
        if thing is None or names.annotation(live, names.RUN) != placement.run:
            continue
        found[_called(scene, kind.kind, live)] = plain(thing)
        launched |= kind == DEPLOYMENT and new is not None and names.annotation(live, names.RELEASE) == new.id
    for thing in objects.extra_objects(new, scene.place) if launched and new is not None else ():
        found[_called(scene, thing["kind"], thing)] = thing
    return found


def _called(scene: Scene, kind: str, thing: Json) -> str:
    return f"{kind} {scene.place.namespace}/{thing['metadata']['name']}"


def plain(thing: Json) -> dict[str, Any]:
    """What was applied, without what Sluice remembers for itself on it."""
    metadata = dict(thing["metadata"])
    said = metadata.pop("annotations", None)
    notes = {key: note for key, note in said.items() if key not in _REMEMBERED} if isinstance(said, dict) else {}
    return {**thing, "metadata": {**metadata, "annotations": notes} if notes else metadata}
