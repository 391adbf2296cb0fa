"""What somebody else manages of a workload that a release will need, said before anything is touched.

A Deployment that was made by hand belongs to whoever made it: its image, its replicas, the Service's selector, the
routes of a VirtualService. The API server would refuse each of them at the moment it is needed, which may be in the
middle of a promotion. So everything that a release writes on what it found is tried at its beginning, without being
done; the refusals name the manager, and a person decides once.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from engine.model import Json
from engine.ports import Dispute, Placement
from engine.rollout.fleet import Launch, ReleaseId, Route
from engine.targets.kubernetes import differences, moves, names, objects, ways, writing
from engine.targets.kubernetes.faults import Held
from engine.targets.kubernetes.kinds import DEPLOYMENT, SERVICE, Kind, kind_of
from engine.targets.kubernetes.scene import Medium, Scene
from engine.targets.kubernetes.site import Site
from engine.targets.kubernetes.writes import Apply, Write

_HALF = 50
Picture = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Holding:
    """Remembers what was answered for as long as the objects are the same ones."""

    _known: dict[str, tuple[Picture, ReleaseId, tuple[Dispute, ...]]] = field(default_factory=dict)

    async def held(self, site: Site, scene: Scene, placement: Placement) -> tuple[Dispute, ...]:
        """Every field that the release has to take from somebody who has not been overruled yet.

        Raises `StageFailure` when a name that it will need is somebody else's: that is no field, and nobody is asked.
        """
        new = next(iter(placement.releases), None)
        if new is None:
            return ()
        foreign = [live for _, live in scene.all() if not names.is_ours(live)]
        picture = tuple(sorted(_picture(one) for one in foreign))
        known = self._known.get(placement.workload)
        if known is not None and known[:2] == (picture, new):
            return known[2]
        for kind, name in _used(scene, placement, new):
            await writing.check_free(site, scene, kind, name)
        found = [each for write in _needed(scene, placement, new, site) for each in await _tried(site, scene, write)]
        self._known[placement.workload] = (picture, new, tuple(found))
        return tuple(found)


def _picture(live: Json) -> tuple[str, str]:
    """The object without what changes by itself: a Deployment's status does with every pod."""
    said = {"spec": live.get("spec"), names.ADOPTED: names.annotation(live, names.ADOPTED)}
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
    return live["metadata"]["uid"], digest


def _used(scene: Scene, placement: Placement, new: ReleaseId) -> Iterator[tuple[Kind, str]]:
    """The objects that the release will make, and those that are there and that it will change."""
    place, service = scene.place, scene.spec.service
    yield from ((kind, live["metadata"]["name"]) for kind, live in scene.all())
    apart = ("blue", "green") if scene.medium is Medium.SELECTOR else ("gray",)
    yield from ((DEPLOYMENT, place.deployment(group)) for group in (names.STABLE, *apart))
    if scene.medium in (Medium.ISTIO, Medium.GATEWAY):
        yield SERVICE, scene.ways.groups["gray"]
    if service.preview_port is not None:
        yield SERVICE, place.service(service.name, "preview")
    yield SERVICE, service.name
    for thing in objects.extra_objects(placement.releases[new], place):
        yield kind_of(thing), thing["metadata"]["name"]


def _needed(scene: Scene, placement: Placement, new: ReleaseId, site: Site) -> Iterator[Write]:
    """What the release will write on objects that somebody else made."""
    count = placement.spec.instances if placement.spec else 1
    if scene.adopted is not None:
        yield from moves.writes_of(scene, placement, Launch(names.STABLE, new, count), site.registry)
    marks = moves.marks_of(placement)
    apart = {Medium.SELECTOR: "blue", Medium.INSTANCES: "gray"}.get(scene.medium)
    if scene.found_service is not None and apart is not None:
        yield ways.asked(scene, scene.wish.asking(Route({apart: 2 * _HALF})), marks)
    for live in scene.routers:
        if not names.is_ours(live):
            yield from ways.shared(scene, live, Route({names.STABLE: _HALF, "gray": _HALF}), marks)


async def _tried(site: Site, scene: Scene, write: Write) -> tuple[Dispute, ...]:
    live = scene.named(write.kind, write.name)
    if live is None or names.is_ours(live) or not isinstance(write, Apply):
        return ()
    try:
        await site.cluster.apply(write.kind, write.thing, dry=True)
    except Held as held:
        strange = writing.strangers(site, live, held)
        found = differences.held(strange, write.thing, live, differences.thing_of(live, write.thing))
        return tuple(replace(each, held=True) for each in found)
    return ()
