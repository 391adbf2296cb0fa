"""What somebody else has made of the release that is everywhere, as a version of its own.

The danger: at night somebody puts an image right with kubectl, and the next release, or the next way back, brings the
bad one again. To write the change down is not enough: the pods still name the release before in their template, and a
template that named another one would restart them all.

The promise: what is adopted is what runs, on every instance, at the moment of the write; no pod notices; and whoever
is asked afterwards, a strategy or a person, is told the new version of exactly these pods.

Why it holds: the version is named by the pod template itself, and the write is refused by the API server if the
Deployment is another one by then. The cluster puts the same hash on all pods of one template and on no other's, and
that hash is noted on the Deployment beside the version. Of its fields Sluice holds what it held before, with the
values that are there.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from engine.errors import StageFailure
from engine.model import Json, Release
from engine.ports import Dispute, Hotfix, Placement
from engine.rollout.fleet import ReleaseId
from engine.targets.kubernetes import differences, found, moves, names, objects, report, writing
from engine.targets.kubernetes.kinds import DEPLOYMENT, POD
from engine.targets.kubernetes.scene import Scene
from engine.targets.kubernetes.site import Site
from engine.targets.kubernetes.writes import Apply

_RESTARTS = "Release what it runs instead, by its image."
_TEMPLATE = "spec.template"
_REPLICAS = "spec.replicas"
_KEPT = ("strategy", "upgrade", "max_unavailable", "service", "manifest")
"""Settings of a release that are still so when its pods are others: how it is replaced, and what is not its pods."""


def flagged(site: Site, scene: Scene, placement: Placement, drifted: Sequence[Dispute]) -> tuple[Dispute, ...]:
    """`drifted`, with what can be adopted as a version marked: what was made of the release that is to be replaced."""
    if len(placement.releases) < 2:  # noqa: PLR2004 - the one on its way, and the one that is everywhere
        return tuple(drifted)
    live = _deployment(scene, _everywhere(placement))
    mine = {each.key for each in _changes(site, live)} if live is not None else set()
    return tuple(replace(each, hotfix=True) if each.key in mine else each for each in drifted)


async def seen(site: Site, scene: Scene, placement: Placement, now: datetime) -> Hotfix | None:
    """What runs in the place of the last of `placement`'s releases; see `engine.ports.Target.hotfix`."""
    old = _everywhere(placement)
    live = _deployment(scene, old)
    if live is None:
        return None
    left, changes = _left(live, old), _changes(site, live)
    if left is None and not changes:
        return None
    if changes:
        await _pods_of(site, live, changes)
    made = _release(scene, placement, live, changes, now)
    if left is not None and not changes:
        made = replace(made, id=left.release, changed_by=left.changed_by or made.changed_by, adopted_by=left.adopted_by)
    return Hotfix(made, changes)


async def adopt(site: Site, scene: Scene, placement: Placement, disputes: Sequence[Dispute], release: Release) -> None:
    """Make what runs `release`; its `adopted_by` is noted. May be repeated."""
    named = _deployment(scene, _everywhere(placement)) or _deployment(scene, release) or {}
    name = str(named.get("metadata", {}).get("name", ""))
    live = await site.cluster.get(DEPLOYMENT, scene.place.namespace, name) if name else None
    hot = names.hotfix_of(live)
    if live is not None and hot is not None and hot.release == release.id == names.annotation(live, names.RELEASE):
        return
    changes = _changes(site, live) if live is not None else ()
    if live is None or not changes:
        raise StageFailure(f"{release.image} runs no more: somebody has put back what was there before.")
    if _named(scene, live) != release.id or not {each.key for each in changes} <= {each.key for each in disputes}:
        raise StageFailure(f"More was changed of {_thing(scene, live)} since that was asked about.", "Say it again.")
    pods, instead = await _pods_of(site, live, changes), _everywhere(placement).id
    notes = {
        names.RELEASE: release.id,
        **names.Hot(release.id, instead, pods, release.changed_by, release.adopted_by).noted(),
        **names.let(live, {each.manager for each in changes}, release.adopted_by),
    }
    if any(each.field == _REPLICAS for each in changes):
        notes[names.COUNT] = str(live["spec"]["replicas"])
    kept = objects.with_notes(differences.present(objects.applied_of(live) or {}, live, changes), notes)
    tried = await site.cluster.apply(DEPLOYMENT, kept, force=True, dry=True)
    if tried["spec"]["template"] != live["spec"]["template"]:
        raise StageFailure(f"To adopt {_thing(scene, live)} would restart its pods: nothing was done.", _RESTARTS)
    await writing.apply(site, scene, Apply(DEPLOYMENT, kept), force=True, over=live)


def _everywhere(placement: Placement) -> Release:
    return list(placement.releases.values())[-1]


def _deployment(scene: Scene, old: Release) -> Json | None:
    """The Deployment that serves as the release `old`, or as what was adopted in its place."""
    weights = scene.wish.route.weights
    fits = [
        (weights.get(group, 0), live)
        for group, live in scene.deployments.items()
        if live["spec"].get("replicas", 1) and old.id in _names_of(live)
    ]
    return max(fits, key=lambda each: each[0])[1] if fits else None


def _names_of(live: Json) -> set[str]:
    now, hot = names.annotation(live, names.RELEASE), names.hotfix_of(live)
    return {now, hot.instead} if hot is not None and hot.release == now else {now}


def _left(live: Json, old: Release) -> names.Hot | None:
    """What was adopted in the place of `old` and runs since, though nobody has written that down.

    A template that names it was written by a way back to it, which may not be everywhere.
    """
    hot = names.hotfix_of(live)
    if hot is None or hot.instead != old.id or names.annotation(live, names.RELEASE) != hot.release:
        return None
    return None if names.annotation(live["spec"]["template"], names.RELEASE) == hot.release else hot


def _changes(site: Site, live: Json) -> tuple[Dispute, ...]:
    """What others have changed of it, if any of that is what its pods are made of: how many there are is no version."""
    drift = tuple(replace(each, hotfix=True) for each in writing.drift_of(site, live))
    return drift if any(each.field.startswith(_TEMPLATE) for each in drift) else ()


async def _pods_of(site: Site, live: Json, changes: Sequence[Dispute]) -> str:
    """The template's hash on its pods. Raises `StageFailure` while not all of them are of it, and ready."""
    metadata, status = live["metadata"], live.get("status") or {}
    wanted, namespace = int(live["spec"].get("replicas", 1)), metadata["namespace"]
    selector = names.selector_text(live["spec"]["selector"])
    listed = (await site.cluster.list(POD, namespace, labels=selector)).items
    pods = [each for each in report.pods_of(live, listed) if not each["metadata"].get("deletionTimestamp")]
    hashes = {names.label(each, names.TEMPLATE_HASH) for each in pods}
    updated = int(status.get("updatedReplicas") or 0)
    is_seen = int(status.get("observedGeneration") or 0) >= int(metadata.get("generation") or 0)
    ready = min(updated, sum(map(report.is_ready, pods))) if is_seen else 0
    if is_seen and len(pods) == wanted == ready and len(hashes) == 1 and "" not in hashes:
        return hashes.pop()
    who = ", ".join(sorted({each.manager for each in changes}))
    thing = f"{DEPLOYMENT.kind} {namespace}/{metadata['name']}"
    raise StageFailure(
        f"{thing}: {ready} of {wanted} instances are ready with what {who} has changed, so it cannot be adopted yet.",
        "Say it again when all of them are.",
    )


def _release(scene: Scene, placement: Placement, live: Json, changes: Sequence[Dispute], now: datetime) -> Release:
    old, plain = _everywhere(placement), _plain(scene, live)
    spec = moves.settings_of(old).model_copy(update={"image": old.image})
    made = found.found_release(scene.place, plain, scene.service, spec, now)
    kept = {key: old.settings[key] for key in _KEPT if key in old.settings}
    is_scaled = any(each.field == _REPLICAS for each in changes)
    count = made.settings["instances"] if is_scaled else old.settings["instances"]
    return replace(
        made,
        id=_named(scene, live),
        settings={**made.settings, **kept, "instances": count},
        variables=old.variables,
        changed_by=", ".join(sorted({each.manager for each in changes})) or differences.NOBODY,
    )


def _plain(scene: Scene, live: Json) -> Json:
    """The Deployment as it would be if it were the only one: a colour has a selector and labels of its own."""
    if names.label(live, names.GROUP) in ("", names.STABLE):
        return live
    template = live["spec"]["template"]
    labels = {**(template["metadata"].get("labels") or {}), **scene.selected}
    mine = {key: value for key, value in labels.items() if key not in (names.GROUP, names.WORKLOAD)}
    template = {**template, "metadata": {**template["metadata"], "labels": mine}}
    spec = {key: value for key, value in live["spec"].items() if key != "selector"}
    metadata = {**live["metadata"], "name": scene.place.name}
    return {**live, "metadata": metadata, "spec": {**spec, "template": template}}


def _named(scene: Scene, live: Json) -> ReleaseId:
    """What the release is called that others have made: by its pod template."""
    digest = found.template_id(scene.workload, live).rpartition("-")[2]
    return ReleaseId(f"{scene.workload}@adopted-{digest}")


def _thing(scene: Scene, live: Json) -> str:
    return writing.thing_of(DEPLOYMENT, scene, live["metadata"]["name"])
