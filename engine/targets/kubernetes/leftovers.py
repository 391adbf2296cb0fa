"""Services that nobody is led by any more: those of groups that are gone, and a preview's that no release wants.

A definition may drop its preview port, or a version that brought one is taken back. Until then it is somebody's way to
look at what runs: so a preview's Service goes when its route is over and no version that stands has a preview port, and
not before. An older version that comes back has it made anew.

Removed is what Sluice has made: it carries the label, and this Sluice (under whatever name it had) has applied it. A
copy with our labels is somebody else's, and stays as it is.
"""

from collections.abc import Sequence
from dataclasses import replace

from engine.model import Json, Release
from engine.ports import Placement
from engine.rollout.fleet import Launch, Move, ReleaseId, Retire, Scale
from engine.targets.kubernetes import names
from engine.targets.kubernetes.kinds import SERVICE
from engine.targets.kubernetes.owners import appliers
from engine.targets.kubernetes.scene import Scene
from engine.targets.kubernetes.site import Site
from engine.targets.kubernetes.ways import left_over
from engine.targets.kubernetes.writes import Remove


def with_preview_wanted(site: Site, scene: Scene, placement: Placement) -> Scene:
    """The scene with a preview port as long as a version that stands wants one, and without one in a way back from it.

    So a preview that is dropped follows its route until it goes, and no group ends to which it still leads.
    """
    service, live = scene.spec.service, scene.services.get(preview_of(scene))
    wanted, port = _is_wanted(placement, set(_groups(scene).values())), service.preview_port
    if port is None and wanted and live is not None and _is_made_here(site, live):
        port = int(live["spec"]["ports"][0]["port"])
    elif placement.firm and not wanted:
        port = None
    if port == service.preview_port:
        return scene
    changed = service.model_copy(update={"preview_port": port})
    return replace(scene, spec=scene.spec.model_copy(update={"service": changed}))


def removals(site: Site, scene: Scene) -> tuple[Remove, ...]:
    """What is to go now that the route is in effect."""
    keeps = scene.spec.service.preview_port is not None
    found = left_over(scene, keeps_preview=keeps)
    return tuple(each for each in found if _is_made_here(site, scene.services[each.name]))


def planned(site: Site, scene: Scene, placement: Placement, moves: Sequence[Move]) -> tuple[Remove, ...]:
    """The preview's Service, if it goes after these moves."""
    live = scene.services.get(preview_of(scene))
    if live is None or not _is_made_here(site, live) or _is_wanted(placement, _after(scene, moves)):
        return ()
    return (Remove(SERVICE, preview_of(scene), live["metadata"]["uid"]),)


def preview_of(scene: Scene) -> str:
    """How the Service behind the preview port is called."""
    return scene.place.service(scene.spec.service.name, "preview")


def _groups(scene: Scene) -> dict[str, ReleaseId | None]:
    """The releases that have instances, or are to have them, by group."""
    found = {group: live for group, live in scene.deployments.items() if live["spec"].get("replicas", 1)}
    known = {group: names.annotation(live, names.RELEASE) for group, live in found.items()}
    return {group: ReleaseId(name) if name else scene.standing for group, name in known.items()}


def _after(scene: Scene, moves: Sequence[Move]) -> set[ReleaseId | None]:
    """The releases that have instances after these moves."""
    groups = _groups(scene)
    for move in moves:
        match move:
            case Launch(group, release, count) if count:
                groups[group] = release
            case Launch(group) | Retire(group) | Scale(group, 0):
                groups.pop(group, None)
    return set(groups.values())


def _is_wanted(placement: Placement, releases: set[ReleaseId | None]) -> bool:
    """Whether any of these has a preview port. Of one that nobody knows it may be."""
    known = [placement.releases.get(each) if each else None for each in releases]
    return any(each is None or _has_preview(each) for each in known)


def _has_preview(release: Release) -> bool:
    return release.settings["service"].get("preview_port") is not None


def _is_made_here(site: Site, live: Json) -> bool:
    """Whether this Sluice has made it; a copy has the label as well."""
    return names.is_ours(live) and bool({site.cluster.manager, *site.before} & appliers(live))
