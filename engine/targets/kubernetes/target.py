"""Workloads in Kubernetes clusters: Deployments as groups, Services and meshes as routes.

The danger: a cluster has many hands in it. Controllers, other tools and people change objects at any moment, the API
server comes and goes, and the bot can die between any two requests.

The promise: nothing is written that somebody else holds unless a person has said so; what is wanted survives in the
objects themselves; a restarted bot reads it there and goes on; and every object that Sluice made carries the workload's
label, so none is left behind unseen.

Why it holds: every write is a server-side apply under a name of our own, without force, so the API server itself says
whose field it is. A move is one wish in one object (a Deployment's template and count, the route on the Service); the
rest follows step by step from what is seen (`ways`), and every step may be repeated.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import yaml

from engine.deployed import Disputed
from engine.deployment import Deployment
from engine.model import Json, Release
from engine.ports import Clock, Dispute, Instance, Placement, Traffic
from engine.rollout.fleet import Fleet, Launch, Move, ReleaseId
from engine.targets.kubernetes import differences, fitting, found, leaving, moves, names, objects, ways
from engine.targets.kubernetes.faults import Held
from engine.targets.kubernetes.holding import Holding
from engine.targets.kubernetes.kinds import DEPLOYMENT, HTTP_ROUTE, SERVICE, VIRTUAL_SERVICE, Kind
from engine.targets.kubernetes.names import place_of
from engine.targets.kubernetes.objects import applied_of
from engine.targets.kubernetes.scene import Scene
from engine.targets.kubernetes.site import Site
from engine.targets.kubernetes.writes import Apply, Remove, Write

_FIT_FOR = timedelta(seconds=5)


class KubernetesTarget:
    """The `engine.ports.Target` over the clusters in `sites`, by the names that definitions use."""

    def __init__(self, sites: Mapping[str, Site], clock: Clock) -> None:
        self._sites = sites
        self._clock = clock
        self._fitted: dict[str, tuple[datetime, Deployment, Deployment]] = {}
        self._holding = Holding()
        self._said: list[str] = []
        self._used: dict[Site, None] = {}
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def fit(self, workload: str, spec: Deployment) -> Deployment:
        """`spec` with what was left to the cluster filled in, or a `StageFailure` that says what cannot be done."""
        now = self._clock.now()
        seen = self._fitted.get(workload)
        if seen is not None and seen[1] == spec and now - seen[0] < _FIT_FOR:
            return seen[2]
        fitted = await fitting.fit(self._site(workload), place_of(workload), spec)
        self._fitted[workload] = (now, spec, fitted)
        return fitted

    async def found(self, workload: str, spec: Deployment) -> Release | None:
        """The Deployment of that name as a release, if there is one."""
        scene = await self._site(workload).looking.look(_bare(workload, spec))
        live = scene.deployments.get(names.STABLE)
        if live is None:
            return None
        release = found.found_release(scene.place, live, scene.service, spec, self._clock.now())
        known = names.annotation(live, names.RELEASE)
        return replace(release, id=ReleaseId(known)) if known else release

    async def manifest(self, placement: Placement, release: ReleaseId) -> str:
        """The objects that a release is made of when it is everywhere."""
        site = self._site(placement.workload)
        scene = await site.looking.look(placement)
        count = placement.spec.instances if placement.spec else 1
        things = moves.writes_of(scene, placement, Launch(names.STABLE, release, count), site.registry)
        service = ways.asked(scene, scene.wish, moves.marks_of(placement))
        written = [objects.without_applied(each.thing) for each in (*things, service) if isinstance(each, Apply)]
        return yaml.safe_dump_all(written, sort_keys=False, allow_unicode=True)

    async def observe(self, placement: Placement) -> Fleet:
        """What is there now."""
        site = self._site(placement.workload)
        scene = await site.looking.look(placement)
        now = self._clock.now()
        effective = ways.in_effect(scene, moves.marks_of(placement), site.settle, now)
        return Fleet(scene.groups(now), scene.wish.route, effective)

    async def changes(self, placement: Placement, moves_: Sequence[Move]) -> tuple[str, ...]:
        """What the API server says would become of the objects: every write is tried without being done."""
        site = self._site(placement.workload)
        scene = await site.looking.look(placement)
        said: list[str] = []
        for move in moves_:
            for write in moves.writes_of(scene, placement, move, site.registry):
                said += await self._rehearsed(site, scene, write)
        return (*dict.fromkeys(said), *moves.warnings_of(scene))

    async def disputes(self, placement: Placement) -> tuple[Dispute, ...]:
        """What was changed by others since it was written, and what they would not let be written."""
        site = self._site(placement.workload)
        scene = await site.looking.look(placement)
        drifted = tuple(each for _, live in _written(scene) for each in self._drift(site, live))
        return drifted or await self._holding.held(site, scene, placement)

    async def restore(self, placement: Placement, disputes: Sequence[Dispute], by: str) -> None:  # noqa: ARG002
        """Write again what was written last; what others did not let be written may be written from now on."""
        site = self._site(placement.workload)
        await self._put_right(site, await site.looking.look(placement))

    async def adopt(self, placement: Placement, disputes: Sequence[Dispute], by: str) -> None:
        """Write what is there as if it had been ours, and on each object who may be overruled from now on."""
        site = self._site(placement.workload)
        scene = await site.looking.look(placement)
        for kind, live in scene.all():
            theirs = [each for each in disputes if each.thing == _thing(kind, scene, live["metadata"]["name"])]
            if not theirs:
                continue
            applied = applied_of(live) or moves.marked(kind, scene, live, placement)
            kept = differences.present(applied, live, [each for each in theirs if not each.held])
            let = names.let(live, {each.manager for each in theirs}, by)
            await self._apply(site, scene, Apply(kind, objects.with_notes(kept, let)), force=True)

    async def perform(self, placement: Placement, move: Move) -> None:
        """Write what `move` wants. The cluster's own controllers and `tend` do the rest."""
        site = self._site(placement.workload)
        async with self._turns[placement.workload]:
            scene = await site.looking.look(placement)
            for write in moves.writes_of(scene, placement, move, site.registry):
                await self._write(site, scene, write, placement)

    async def tend(self, placement: Placement) -> None:
        """Take the next step towards the route that is wanted, and write down once it is in effect."""
        async with self._turns[placement.workload]:
            await self._step(placement)

    async def _step(self, placement: Placement) -> None:
        site = self._site(placement.workload)
        scene = await site.looking.look(placement)
        if placement.firm and (righted := await self._put_right(site, scene)):
            self._said += [_overwritten(placement, thing, managers) for thing, managers in righted.items()]
            return
        marks, now = moves.marks_of(placement), self._clock.now()
        pending = ways.steps(scene, marks)
        for write in pending:
            await self._write(site, scene, write, placement)
        if pending or not ways.is_wished(scene) or not ways.says(scene, marks):
            return
        kept = scene.wish
        after = kept.seen(now)
        if ways.in_effect(scene, marks, site.settle, now):
            after = after.followed(now)
        if after != kept:
            await self._write(site, scene, ways.asked(scene, after, marks), placement)

    async def _put_right(self, site: Site, scene: Scene) -> dict[str, set[str]]:
        """Write again what was written last wherever it is no longer so; returns who had changed which object."""
        righted: dict[str, set[str]] = {}
        for kind, live in _written(scene):
            applied, drift = applied_of(live), self._drift(site, live)
            if applied is not None and drift:
                await self._apply(site, scene, Apply(kind, objects.with_applied(applied)), force=True)
                righted[_thing(kind, scene, live["metadata"]["name"])] = {each.manager for each in drift}
        return righted

    async def forget(self, workload: str) -> None:
        """End everything of `workload` that Sluice made; what it found is left as it was, but without instances."""
        site, place = self._site(workload), place_of(workload)
        for kind in (VIRTUAL_SERVICE, HTTP_ROUTE, SERVICE, DEPLOYMENT):
            if kind.group.count(".") > 1 and not await site.cluster.serves(kind.group):
                continue
            listed = await site.cluster.list(kind, place.namespace, labels=place.labels)
            for live in listed.items:
                await self._forget_one(site, place.namespace, kind, live)

    async def instances(self, workload: str) -> tuple[Instance, ...]:
        """Every pod of the workload."""
        return await self._site(workload).looking.instances(workload)

    async def traffic(self, workload: str) -> Traffic:
        """What Prometheus has counted, where the settings name one."""
        site = self._site(workload)
        return Traffic() if site.counting is None else await site.counting(place_of(workload))

    async def effective_route(self, workload: str) -> str:
        """Every object of the workload as it is in effect now."""
        site, place = self._site(workload), place_of(workload)
        things: list[Json] = []
        for kind in (DEPLOYMENT, SERVICE, VIRTUAL_SERVICE, HTTP_ROUTE):
            if kind.group.count(".") <= 1 or await site.cluster.serves(kind.group):
                things += [
                    {"apiVersion": kind.api_version, "kind": kind.kind, **found.cleaned(live)}
                    for live in (await site.cluster.list(kind, place.namespace, labels=place.labels)).items
                ]
        return yaml.safe_dump_all(things, sort_keys=False, allow_unicode=True) if things else ""

    async def keep(self) -> tuple[str, ...]:
        """The clusters keep themselves; sentences say what of others was overwritten, and who counts no requests."""
        said, self._said = tuple(self._said), []
        return (*said, *(trouble for site in self._used if (trouble := site.trouble())))

    async def close(self) -> None:
        """End every watch. What is wanted stays written down in the clusters."""
        for site in self._used:
            await site.watching.close()
            await site.cluster.close()

    def _site(self, workload: str) -> Site:
        place = place_of(workload)
        site = fitting.named(self._sites, place.cluster)
        self._used.setdefault(site)
        return site

    def _drift(self, site: Site, live: Json) -> tuple[Dispute, ...]:
        applied = applied_of(live)
        return () if applied is None else differences.drifted(applied, live, site.cluster.manager)

    async def _write(self, site: Site, scene: Scene, write: Write, placement: Placement) -> None:
        if isinstance(write, Remove):
            await site.cluster.delete(write.kind, scene.place.namespace, write.name, uid=write.uid)
            site.watching.forget(write.kind, scene.place.namespace, write.name)
            return
        try:
            await self._apply(site, scene, write)
        except Held as held:
            await self._overrule(site, scene, write, placement, held)

    async def _overrule(self, site: Site, scene: Scene, write: Apply, placement: Placement, held: Held) -> None:
        """Take over what others hold if a person has allowed it, and write down on the object who did."""
        live, by = scene.named(write.kind, write.name), placement.overruled_by
        managers = {manager for _, manager in held.fields}
        if not (managers <= names.adopted_from(live) or placement.firm or by):
            now = await site.cluster.get(write.kind, scene.place.namespace, write.name)
            said = differences.held(held.fields, write.thing, now or {}, _thing(write.kind, scene, write.name))
            raise Disputed(said, placement.pipeline) from held
        if live is not None and by:
            write = Apply(write.kind, objects.with_notes(write.thing, names.let(live, managers, by)))
        elif placement.firm:
            self._said.append(_overwritten(placement, _thing(write.kind, scene, write.name), managers))
        await self._apply(site, scene, write, force=True)

    async def _apply(self, site: Site, scene: Scene, write: Apply, *, force: bool = False) -> None:
        thing, live = write.thing, scene.named(write.kind, write.name)
        if live is not None and write.kind == SERVICE:
            thing = _unless_changed(thing, live)
        answer = await site.cluster.apply(write.kind, thing, force=force)
        site.watching.note(write.kind, answer)
        site.looking.forget(write.kind, scene.place.namespace, write.name)

    async def _rehearsed(self, site: Site, scene: Scene, write: Write) -> tuple[str, ...]:
        live = scene.named(write.kind, write.name)
        thing = _thing(write.kind, scene, write.name)
        if isinstance(write, Remove):
            return (f"{thing}: removed",)
        try:
            after = await site.cluster.apply(write.kind, write.thing, dry=True)
        except Held as held:
            allowed = {manager for _, manager in held.fields} <= names.adopted_from(live)
            if not allowed:
                return tuple(str(each) for each in differences.held(held.fields, write.thing, live or {}, thing))
            after = await site.cluster.apply(write.kind, write.thing, dry=True, force=True)
        return differences.changed(live, after, thing)

    async def _forget_one(self, site: Site, namespace: str, kind: Kind, live: Json) -> None:
        name = live["metadata"]["name"]
        if names.is_ours(live):
            await site.cluster.delete(kind, namespace, name, uid=live["metadata"]["uid"])
        elif (thing := leaving.put_back(kind, live)) is not None:
            await site.cluster.apply(kind, thing, force=True)
        site.watching.forget(kind, namespace, name)


def _overwritten(placement: Placement, thing: str, managers: set[str]) -> str:
    changed = f"{thing} was changed by {', '.join(sorted(managers))}"
    return f"{changed}; taking {placement.workload} back has overwritten that."


def _bare(workload: str, spec: Deployment) -> Placement:
    return Placement(workload, spec.service.port, {}, spec=spec)


def _unless_changed(thing: Json, live: Json) -> Json:
    """`thing`, refused by the API server if the object is no longer the one that was read.

    The wish for a route is read, changed and written; two that do so at once must not undo one another.
    """
    return {**thing, "metadata": {**thing["metadata"], "resourceVersion": live["metadata"]["resourceVersion"]}}


def _written(scene: Scene) -> list[tuple[Kind, Json]]:
    """The objects that Sluice has written, wholly or in part."""
    return [(kind, live) for kind, live in scene.all() if applied_of(live) is not None]


def _thing(kind: Kind, scene: Scene, name: str) -> str:
    return f"{kind.kind} {scene.place.namespace}/{name}"
