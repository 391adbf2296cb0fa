"""What a manifest brings along beside its workload (ConfigMaps, Ingresses, policies), when a release is taken back.

A release is launched with its own of these objects, and they have one name for all releases. So the version that goes
on serving would run on with those of the one that was taken back: nothing launches it anew. A way back writes them as
that version had them. What only the other one has brought stays, as it does when a workload is ended, and so do
claims of volumes: they hold data.
"""

from engine.errors import StageFailure
from engine.ports import Placement
from engine.targets.kubernetes import objects, writing
from engine.targets.kubernetes.kinds import kind_of
from engine.targets.kubernetes.objects import applied_of
from engine.targets.kubernetes.scene import Scene
from engine.targets.kubernetes.site import Site
from engine.targets.kubernetes.writes import Apply

_HOLDS_DATA = "PersistentVolumeClaim"


async def put_back(site: Site, scene: Scene, placement: Placement, given_up: set[str]) -> tuple[str, ...]:
    """Write them as the release that `placement` goes back to had them. Returns sentences on those that could not be.

    A way back waits for none of them: what is refused is added to `given_up`, and not tried again.
    """
    said: list[str] = []
    for one in await _changed(site, scene, placement):
        thing = writing.thing_of(one.kind, scene, one.name)
        key = f"{placement.run} {thing}"
        if key in given_up:
            continue
        try:
            said += await writing.write(site, scene, one, placement)
        except StageFailure as refused:
            given_up.add(key)
            said.append(f"{thing} could not be put back as it was before {placement.run}: {refused}")
    return tuple(said)


async def _changed(site: Site, scene: Scene, placement: Placement) -> list[Apply]:
    """Those that are not as that release wants them; looked at every now and then."""
    found: list[Apply] = []
    for thing in objects.extra_objects(placement.releases[placement.back_to], scene.place) if placement.back_to else ():
        one = Apply(kind_of(thing), objects.with_applied(thing))
        if one.kind.kind == _HOLDS_DATA:
            continue
        live = await site.looking.standing(one.kind, scene.place.namespace, one.name)
        if live is None or applied_of(live) != applied_of(one.thing):
            found.append(one)
    return found
