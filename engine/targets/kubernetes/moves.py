"""What a strategy's move writes to a cluster. Pure: from the scene and the move to objects."""

from collections.abc import Iterator
from typing import Any

from engine.deployment import Deployment
from engine.errors import InvariantViolation
from engine.model import Json, Release
from engine.ports import Placement
from engine.rollout.fleet import Launch, Move, Reroute, Retire, Scale
from engine.targets.kubernetes import names, objects
from engine.targets.kubernetes.kinds import DEPLOYMENT, SERVICE, Kind, kind_of
from engine.targets.kubernetes.scene import Medium, Scene
from engine.targets.kubernetes.ways import asked
from engine.targets.kubernetes.writes import Apply, Remove, Write


def marks_of(placement: Placement) -> dict[str, str]:
    """On whose behalf objects are written, as annotations."""
    return {names.PIPELINE: placement.pipeline, names.RUN: placement.run}


def writes_of(scene: Scene, placement: Placement, move: Move, registry: str) -> tuple[Write, ...]:
    """Everything that `move` writes, in order."""
    match move:
        case Launch():
            return tuple(_launch(scene, placement, move, registry))
        case Scale(group, count):
            return (_scale(scene, placement, group, count),) if group in scene.deployments else ()
        case Retire(group):
            return tuple(_retire(scene, placement, group))
        case Reroute(route):
            return (asked(scene, scene.wish.asking(route), marks_of(placement)),)


def _launch(scene: Scene, placement: Placement, move: Launch, registry: str) -> Iterator[Write]:
    release = placement.releases.get(move.release)
    if release is None:
        raise InvariantViolation(f"The placement of {placement.workload} does not hold {move.release}.")
    if scene.adopted is not None and objects.applied_of(scene.adopted) is None and move.group != names.STABLE:
        yield Apply(DEPLOYMENT, objects.with_applied(marked(DEPLOYMENT, scene, scene.adopted, placement)))
    for thing in objects.extra_objects(release, scene.place):
        yield Apply(kind_of(thing), objects.with_applied(thing))
    thing = objects.deployment(
        scene.place,
        move.group,
        release,
        move.count,
        spec=settings_of(release),
        base=scene.adopted,
        registry=registry,
        selected=scene.selected,
        apart=scene.apart,
        max_unavailable=move.max_unavailable,
        recreate=move.recreate,
        marks=marks_of(placement),
    )
    live = scene.deployments.get(move.group)
    if live is not None and names.annotation(live, names.ADOPTED):
        thing["metadata"]["annotations"][names.ADOPTED] = names.annotation(live, names.ADOPTED)
    yield Apply(DEPLOYMENT, objects.with_applied(thing))


def marked(kind: Kind, scene: Scene, live: Json, placement: Placement) -> dict[str, Any]:
    """Say on what somebody else made that it belongs to the workload, so that it is watched. No pod notices."""
    thing = objects.bare(kind, live)
    thing["metadata"] |= {"labels": {names.WORKLOAD: scene.place.name}, "annotations": marks_of(placement)}
    return thing


def _scale(scene: Scene, placement: Placement, group: str, count: int) -> Write:
    live = scene.deployments[group]
    applied = objects.applied_of(live) or marked(DEPLOYMENT, scene, live, placement)
    return Apply(DEPLOYMENT, objects.with_applied(objects.scaled(applied, count)))


def _retire(scene: Scene, placement: Placement, group: str) -> Iterator[Write]:
    """End a group. What somebody else made is kept, with no instances: it is not Sluice's to remove."""
    live = scene.deployments.get(group)
    if live is not None and names.is_ours(live):
        yield Remove(DEPLOYMENT, live["metadata"]["name"], live["metadata"]["uid"])
    elif live is not None:
        yield _scale(scene, placement, group, 0)
    service = scene.services.get(scene.place.service(scene.spec.service.name, group))
    if service is not None and names.is_ours(service):
        yield Remove(SERVICE, service["metadata"]["name"], service["metadata"]["uid"])


def warnings_of(scene: Scene) -> tuple[str, ...]:
    """What people should know before somebody else's pods are replaced."""
    live = scene.adopted
    if live is None or scene.medium is Medium.SELECTOR:
        return ()
    containers = live["spec"]["template"]["spec"]["containers"]
    if any((each.get("lifecycle") or {}).get("preStop") for each in containers):
        return ()
    said = (
        f"Deployment {scene.place.namespace}/{scene.place.name}: its pods have no preStop hook. Those that end may be "
        "sent requests for a moment longer than they answer; strategy: blue_green moves visitors away from them first."
    )
    return (said,)


def settings_of(release: Release) -> Deployment:
    """The settings that a release was or is to be deployed with."""
    known = {name: value for name, value in release.settings.items() if name in Deployment.model_fields}
    return Deployment.model_validate(known)
