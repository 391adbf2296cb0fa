"""What a strategy's move writes to a cluster. Pure: from the scene and the move to objects."""

from collections.abc import Iterator, Sequence
from typing import Any

from engine.deployed import leaves_quietly
from engine.deployment import Deployment
from engine.errors import InvariantViolation
from engine.model import Json, Release
from engine.ports import Placement
from engine.rollout.fleet import Launch, Move, Reroute, Retire, Scale
from engine.routing import selectors
from engine.targets.kubernetes import names, objects
from engine.targets.kubernetes.kinds import DEPLOYMENT, SERVICE, Kind, kind_of
from engine.targets.kubernetes.scene import Medium, Scene
from engine.targets.kubernetes.ways import asked, route_to
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


def planned(scene: Scene, placement: Placement, move: Move, registry: str) -> tuple[Write, ...]:
    """Everything that is written for `move`, and for the route that it asks for once that can come true."""
    if isinstance(move, Reroute):
        return route_to(scene, move.route, marks_of(placement))
    return writes_of(scene, placement, move, registry)


def _launch(scene: Scene, placement: Placement, move: Launch, registry: str) -> Iterator[Write]:
    release = placement.releases.get(move.release)
    if release is None:
        raise InvariantViolation(f"The placement of {placement.workload} does not hold {move.release}.")
    if scene.adopted is not None and objects.applied_of(scene.adopted) is None and move.group != names.STABLE:
        yield Apply(DEPLOYMENT, objects.with_applied(marked(DEPLOYMENT, scene, scene.adopted, placement)))
    for thing in objects.extra_objects(release, scene.place):
        yield Apply(kind_of(thing), objects.with_applied(thing))
    live = scene.deployments.get(move.group)
    applied = _stands(live, release)
    if applied is not None:
        yield Apply(DEPLOYMENT, objects.with_notes(objects.scaled(applied, move.count), marks_of(placement)))
        return
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
    kept = (live or {}).get("metadata", {}).get("annotations") or {}
    thing["metadata"]["annotations"] |= {note: kept[note] for note in (names.ADOPTED, names.HOTFIX) if note in kept}
    yield Apply(DEPLOYMENT, objects.with_applied(thing))


def _stands(live: Json | None, release: Release) -> Json | None:
    """What was applied of a Deployment that is this release as others made it; None if it is not.

    Its template is not said anew, or all of its pods would restart.
    """
    hot = names.hotfix_of(live)
    if live is None or hot is None or {hot.release, names.annotation(live, names.RELEASE)} != {release.id}:
        return None
    return objects.applied_of(live)


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


def brings_new(placement: Placement, moves: Sequence[Move]) -> bool:
    """Whether the newer release of `placement` is launched by any of them."""
    new = next(iter(placement.releases), None)
    return any(isinstance(move, Launch) and move.release == new for move in moves)


def warnings_of(scene: Scene, placement: Placement, moves: Sequence[Move]) -> tuple[str, ...]:
    """What people should know before pods are replaced that end while requests are on their way to them."""
    if scene.medium is Medium.SELECTOR:
        return ()
    new, *before = placement.releases.values()
    said = [_share_given(scene, moves)] if scene.medium is Medium.INSTANCES else []
    count = _taking_over(moves)
    said += [
        f"{old.image}: its pods have no preStop hook, so gray grows to {count} instances and takes every request while "
        "they are replaced."
        for old in before
        if count and not old.idle and not leaves_quietly(old)
    ]
    if brings_new(placement, moves) and not leaves_quietly(new):
        where = "the manifest" if new.settings.get("creation") == "yaml" else "its Deployment"
        said.append(
            f"{new.image}: its pods have no preStop hook. Those that end may be sent requests for a moment longer than "
            f"they answer; `preStop: {{sleep: {{seconds: 5}}}}` in {where} mends that."
        )
    return tuple(filter(None, said))


def _taking_over(moves: Sequence[Move]) -> int:
    """With how many instances gray takes every request on the way; 0 if it does not."""
    count = 0
    for move in moves:
        match move:
            case Launch("gray", _, wanted) | Scale("gray", wanted):
                count = wanted
            case Reroute(route) if {name for name, weight in route.weights.items() if weight > 0} == {"gray"}:
                return count
    return 0


def _share_given(scene: Scene, moves: Sequence[Move]) -> str:
    """What share the instances give to gray while it stands, where that is not what is asked for; empty where it is."""
    counts = {name: int(live["spec"].get("replicas", 1)) for name, live in scene.deployments.items()}
    share, given = 0, list[tuple[int, int, int]]()
    for move in moves:
        match move:
            case Launch(names.STABLE) if share:
                break
            case Launch(group, _, count) | Scale(group, count):
                counts[group] = count
            case Reroute(route):
                share = route.weights.get("gray", 0) if route.weights.get(names.STABLE, 0) else 0
        if share:
            given.append((share, counts.get("gray", 0), counts.get(names.STABLE, 0)))
    # On the way there and from there it is another one for a while.
    nearest = min(given, key=lambda each: abs(100 * each[1] / max(1, each[1] + each[2]) - each[0]), default=None)
    return selectors.otherwise(*nearest) if nearest else ""


def settings_of(release: Release) -> Deployment:
    """The settings that a release was or is to be deployed with."""
    known = {name: value for name, value in release.settings.items() if name in Deployment.model_fields}
    return Deployment.model_validate(known)
