"""The one way in which objects of a cluster are written: nobody's name is taken, and nobody's field without a word.

The danger: a name is only a name. `web-gray` may be another workload's own Service, or somebody's who has never heard
of Sluice; a field may have got another holder since a person looked.

The promise: what is not there in the picture of the workload has to be absent in the cluster too, or it is refused with
the name of its owner, in a way back as well. What others hold is overruled field by field: if a person has decided
about exactly this object, field and manager, if its manager was let in on this object, or if the workload goes back.
What was written under an older name of this Sluice's own is its own, and is handed over to the present one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from engine.deployed import Disputed
from engine.errors import Interrupted, StageFailure
from engine.model import Json
from engine.ports import Dispute, Placement
from engine.targets.kubernetes import differences, leaving, names, objects
from engine.targets.kubernetes.faults import Held
from engine.targets.kubernetes.kinds import DEPLOYMENT, HTTP_ROUTE, SERVICE, VIRTUAL_SERVICE, Kind
from engine.targets.kubernetes.objects import applied_of
from engine.targets.kubernetes.owners import appliers, makers
from engine.targets.kubernetes.scene import Scene
from engine.targets.kubernetes.site import Site
from engine.targets.kubernetes.writes import Apply, Remove, Write

_ROUTERS = (VIRTUAL_SERVICE, HTTP_ROUTE)
_READ_FIRST = (*_ROUTERS, SERVICE)
"""What is written is made from what was read: it is not written if that has changed meanwhile."""
_OWN = (*_ROUTERS, DEPLOYMENT, SERVICE)
_TRIES = 5
"""How often an object is let go of that changes at the same moment."""


async def write(site: Site, scene: Scene, one: Write, placement: Placement) -> tuple[str, ...]:
    """Do it. Returns what a way back has overwritten of others by it, in sentences.

    Raises `Disputed` when others hold what nobody has decided about, `StageFailure` when the name is taken.
    """
    if isinstance(one, Remove):
        await site.cluster.delete(one.kind, scene.place.namespace, one.name, uid=one.uid)
        site.watching.forget(one.kind, scene.place.namespace, one.name)
        return ()
    await check_free(site, scene, one.kind, one.name)
    try:
        await apply(site, scene, one)
    except Held as held:
        return await _overrule(site, scene, one, placement, held)
    return ()


async def apply(site: Site, scene: Scene, one: Apply, *, force: bool = False, over: Json | None = None) -> None:
    """Apply an object, by force over whoever holds its fields; what an older name of ours held is let go of.

    `over` is the object as it was looked at: if it is another one by now, it is not written (`Interrupted`).
    """
    thing, live = one.thing, over or (scene.named(one.kind, one.name) if one.kind in _READ_FIRST else None)
    if live is not None:
        thing = _unless_changed(thing, live)
    answer = await site.cluster.apply(one.kind, thing, force=force)
    site.watching.note(one.kind, answer)
    site.looking.forget(one.kind, scene.place.namespace, one.name)
    await _hand_over(site, one.kind, answer)
    await let_go(site, one.kind, answer)


async def settle(site: Site, scene: Scene, one: Apply, live: Json, decided: set[tuple[str, str, str]]) -> None:
    """Apply by force what a person has decided about, if nothing else of the object has changed since that was asked.

    The picture may be a moment old, so the object is looked at again; what has come to it is left to be asked about.
    """
    now = await site.cluster.get(one.kind, scene.place.namespace, one.name)
    if now is None or applied_of(now) != applied_of(live):
        return
    if {each.key for each in drift_of(site, now)} <= decided:
        await apply(site, scene, one, force=True, over=now)


def drift_of(site: Site, live: Json) -> tuple[Dispute, ...]:
    """What others have changed of an object since it was written."""
    applied = applied_of(live)
    return () if applied is None else differences.drifted(applied, live, site.cluster.manager, site.before)


async def let_go(site: Site, kind: Kind, live: Json) -> None:
    """Hold nothing of somebody's routes on which nothing is written down any more: they are as they were found.

    Their owner would be refused otherwise who applies the next change of them.
    """
    is_over = kind in _ROUTERS and applied_of(live) is None and not objects.workload_of(live)
    if is_over and site.cluster.manager in appliers(live) and len(makers(live)) > 1:
        await _merge(site, kind, live, leaving.let_go(live, {site.cluster.manager}))


async def forget(site: Site, kind: Kind, live: Json) -> None:
    """Leave an object of others for good, under whatever name it was held. Its controller may change it meanwhile."""
    ours, metadata = {site.cluster.manager, *site.before}, live["metadata"]
    for _ in range(_TRIES - 1):
        try:
            await _merge(site, kind, live, leaving.let_go(live, ours))
        except Interrupted:
            live = await site.cluster.get(kind, metadata["namespace"], metadata["name"]) or live
        else:
            return
    await _merge(site, kind, live, leaving.let_go(live, ours))


async def hand_over(site: Site, scene: Scene) -> None:
    """Let go of what is not to be held any more: a crash came in between.

    That is what an older name holds of objects that this one has written, and routes that were given back.
    """
    for kind, live in scene.all():
        await let_go(site, kind, live)
    for kind, live in scene.all() if site.before else ():
        if site.cluster.manager in appliers(live):
            await _hand_over(site, kind, live)


async def rehearse(site: Site, scene: Scene, one: Write) -> tuple[str, ...]:
    """Say what a write would change, or who is in its way; changes nothing."""
    live, thing = scene.named(one.kind, one.name), thing_of(one.kind, scene, one.name)
    if isinstance(one, Remove):
        return (f"{thing}: removed",)
    try:
        await check_free(site, scene, one.kind, one.name)
        after = await site.cluster.apply(one.kind, one.thing, dry=True)
    except StageFailure as taken:
        return (str(taken),)
    except Held as held:
        strange = strangers(site, live, held)
        if strange:
            found = differences.held(strange, one.thing, live or {}, thing)
            return tuple(str(replace(each, held=True)) for each in found)
        after = await site.cluster.apply(one.kind, one.thing, dry=True, force=True)
    return differences.changed(live, after, thing)


async def check_free(site: Site, scene: Scene, kind: Kind, name: str) -> None:
    """Raise `StageFailure` when the object of that name is another workload's, or was made by somebody else.

    What is in the picture of the workload is its own, or was found and is asked about field by field.
    """
    live = scene.named(kind, name)
    if live is None:
        live = await site.cluster.get(kind, scene.place.namespace, name)
        if live is not None and objects.workload_of(live) != scene.place.name:
            raise _taken(kind, scene, live)
    elif objects.workload_of(live) not in ("", scene.place.name) and _in_use(kind, live):
        raise _taken(kind, scene, live)


def strangers(site: Site, live: Json | None, held: Held) -> tuple[tuple[str, str], ...]:
    """The held fields, with their managers, of whoever is neither an older name of ours nor let in on the object."""
    known = site.before | names.adopted_from(live)
    return tuple(each for each in held.fields if each[1] not in known)


def overwritten(placement: Placement, thing: str, managers: Iterable[str]) -> str:
    """Say that a way back did not wait for anybody."""
    changed = f"{thing} was changed by {', '.join(sorted(managers))}"
    return f"{changed}; taking {placement.workload} back has overwritten that."


def thing_of(kind: Kind, scene: Scene, name: str) -> str:
    """How an object is called in disputes: ``Deployment shop/web``."""
    return f"{kind.kind} {scene.place.namespace}/{name}"


async def _overrule(site: Site, scene: Scene, one: Apply, placement: Placement, held: Held) -> tuple[str, ...]:
    """Take what others hold, if each of these fields was decided about; otherwise somebody has to be asked."""
    thing, strange = thing_of(one.kind, scene, one.name), strangers(site, scene.named(one.kind, one.name), held)
    if strange and not placement.firm:
        now = await site.cluster.get(one.kind, scene.place.namespace, one.name) or {}
        said = differences.held(strange, one.thing, now, thing)
        if not {each.key for each in said} <= placement.overruled:
            raise Disputed(_asked_about(site, now, said), placement.pipeline) from held
    await apply(site, scene, one, force=True)
    managers = {manager for _, manager in strange}
    return (overwritten(placement, thing, managers),) if placement.firm and managers else ()


def _asked_about(site: Site, now: Json, said: Sequence[Dispute]) -> tuple[Dispute, ...]:
    """What was changed a moment ago, before it was seen here; if nothing was, what others merely hold."""
    return (drift_of(site, now) if now else ()) or tuple(replace(each, held=True) for each in said)


async def _merge(site: Site, kind: Kind, live: Json, change: Json) -> None:
    metadata = live["metadata"]
    site.watching.note(kind, await site.cluster.merge(kind, metadata["namespace"], metadata["name"], change))


async def _hand_over(site: Site, kind: Kind, live: Json) -> None:
    """Take an older name's part in an object back: what the present one says stays, what only it had said goes."""
    for manager in sorted(appliers(live) & site.before):
        after = await site.cluster.apply(kind, objects.bare(kind, live), manager=manager)
        site.watching.note(kind, after)


def _in_use(kind: Kind, live: Json) -> bool:
    """Whether another workload's object is that one's alone. Its routes are not, once they are as they were found."""
    return kind not in _ROUTERS or names.is_ours(live) or bool(names.annotation(live, names.FOUND))


def _taken(kind: Kind, scene: Scene, live: Json) -> StageFailure:
    thing, whose = thing_of(kind, scene, live["metadata"]["name"]), objects.workload_of(live)
    needed = f"and the release of {scene.place.name} needs it"
    if whose:
        pipeline = names.annotation(live, names.PIPELINE)
        of = f"the workload {whose}" + (f" (pipeline {pipeline})" if pipeline else "")
        cure = "Wait until its release is over" if kind in _ROUTERS else "Call one of the two workloads otherwise"
        return StageFailure(f"{thing} belongs to {of}, {needed}.", f"{cure}, then retry.")
    by = ", ".join(sorted(makers(live))) or "somebody else"
    cure = "Remove it" if kind in _OWN else "Leave it out of the manifest: what is there stays"
    said = f"{thing} is there already, made by {by}, {needed} for itself."
    return StageFailure(said, f"{cure}, or use another name, then retry.")


def _unless_changed(thing: Json, live: Json) -> Json:
    """`thing`, refused by the API server if the object is no longer the one that was read.

    The wish for a route is read, changed and written; two that do so at once must not undo one another.
    """
    return {**thing, "metadata": {**thing["metadata"], "resourceVersion": live["metadata"]["resourceVersion"]}}
