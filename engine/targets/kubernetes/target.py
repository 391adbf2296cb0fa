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

from engine.deployment import Deployment
from engine.errors import StageFailure
from engine.model import Json, Release
from engine.ports import Clock, Dispute, Hotfix, Instance, Placement, Traffic
from engine.rollout.fleet import Fleet, Launch, Move, ReleaseId
from engine.targets.kubernetes import (
    beside,
    differences,
    fitting,
    found,
    hotfixes,
    leaving,
    leftovers,
    moves,
    names,
    objects,
    policies,
    record,
    routers,
    ways,
    writing,
)
from engine.targets.kubernetes.holding import Holding
from engine.targets.kubernetes.kinds import DEPLOYMENT, HTTP_ROUTE, SERVICE, VIRTUAL_SERVICE, Kind
from engine.targets.kubernetes.names import place_of
from engine.targets.kubernetes.objects import applied_of
from engine.targets.kubernetes.rivals import rivals
from engine.targets.kubernetes.scene import Scene
from engine.targets.kubernetes.site import Site
from engine.targets.kubernetes.standing import Standing
from engine.targets.kubernetes.writes import Apply, Write

_FIT_FOR = timedelta(seconds=5)


class KubernetesTarget:
    """The `engine.ports.Target` over the clusters in `sites`, by the names that definitions use."""

    def __init__(self, sites: Mapping[str, Site], clock: Clock) -> None:
        self._sites = sites
        self._clock = clock
        self._fitted: dict[str, tuple[datetime, Deployment, Deployment]] = {}
        self._holding = Holding()
        self._said: list[str] = []
        self._given_up: set[str] = set()
        self._standing = Standing()
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
        """The Deployment of that name as a release, if there is one; without instances only if others made it."""
        scene = await self._site(workload).looking.look(_bare(workload, spec))
        live = scene.deployments.get(names.STABLE)
        if live is None or (names.is_ours(live) and not live["spec"].get("replicas", 1)):
            return None
        release = found.found_release(scene.place, live, scene.service, spec, self._clock.now())
        known = names.annotation(live, names.RELEASE) if objects.has_template(live) else ""
        return replace(release, id=ReleaseId(known)) if known else release

    async def manifest(self, placement: Placement, release: ReleaseId) -> str:
        """The objects that a release is made of when it is everywhere."""
        site = self._site(placement.workload)
        scene = await site.looking.look(placement)
        count = placement.spec.instances if placement.spec else 1
        things = moves.writes_of(scene, placement, Launch(names.STABLE, release, count), site.registry)
        service = ways.asked(scene, scene.wish, moves.marks_of(placement))
        written = [
            record.plain(objects.without_applied(each.thing)) for each in (*things, service) if isinstance(each, Apply)
        ]
        return yaml.safe_dump_all(written, sort_keys=False, allow_unicode=True)

    async def applied(self, placement: Placement) -> Mapping[str, Json]:
        """Every object that carries the run's name, as it was applied."""
        return record.applied_by(await self._site(placement.workload).looking.look(placement), placement)

    async def observe(self, placement: Placement) -> Fleet:
        """What is there now."""
        site = self._site(placement.workload)
        scene = await _scene(site, placement)
        now = self._clock.now()
        effective = ways.in_effect(scene, moves.marks_of(placement), site.settle, now)
        return Fleet(scene.groups(now), scene.wish.route, effective)

    async def changes(self, placement: Placement, moves_: Sequence[Move]) -> tuple[str, ...]:
        """What the API server says would become of the objects: every write is tried without being done."""
        site = self._site(placement.workload)
        scene = await _scene(site, placement)
        said: list[str] = []
        for move in moves_:
            for write in moves.planned(scene, placement, move, site.registry):
                said += await writing.rehearse(site, scene, write)
        for write in leftovers.planned(site, scene, placement, moves_):
            said += await writing.rehearse(site, scene, write)
        if moves.brings_new(placement, moves_):
            said += await self._in_the_way(placement)
        uncovered = await policies.uncovered(site, scene, moves_)
        return (*dict.fromkeys(said), *moves.warnings_of(scene, placement, moves_), *uncovered)

    async def disputes(self, placement: Placement) -> tuple[Dispute, ...]:
        """What was changed by others since it was written, and what they would not let be written."""
        site = self._site(placement.workload)
        scene = await site.looking.look(placement)
        if found := rivals(site, scene):
            return found
        drifted = [each for kind, live in _written(scene) for each in routers.disputes(site, scene, kind, live)]
        flagged = hotfixes.flagged(site, scene, placement, drifted)
        return flagged or await self._holding.held(site, scene, placement)

    async def restore(self, placement: Placement, disputes: Sequence[Dispute], by: str) -> None:  # noqa: ARG002
        """Write again what was written last, on objects of which nothing but `disputes` was changed."""
        site = self._site(placement.workload)
        scene = await site.looking.look(placement)
        decided = {each.key for each in disputes}
        for kind, live in _written(scene):
            if routers.disputes(site, scene, kind, live):
                for again in routers.restored(scene, kind, live, moves.marks_of(placement)):
                    await writing.settle(site, scene, again, live, decided)

    async def hotfix(self, placement: Placement) -> Hotfix | None:
        """What others have made of the release that is everywhere, once every pod is that."""
        site = self._site(placement.workload)
        return await hotfixes.seen(site, await site.looking.look(placement), placement, self._clock.now())

    async def adopt(
        self, placement: Placement, disputes: Sequence[Dispute], by: str, hotfix: Release | None = None
    ) -> None:
        """Write what is there as if it had been ours, and on each object who may be overruled from now on.

        What somebody has changed beside `disputes` is left to be asked about.
        """
        site = self._site(placement.workload)
        scene = await site.looking.look(placement)
        if hotfix is not None:
            await hotfixes.adopt(site, scene, placement, disputes, hotfix)
            scene = await site.looking.look(placement)
            disputes = [each for each in disputes if not each.hotfix]
        for kind, live in scene.all():
            thing = writing.thing_of(kind, scene, live["metadata"]["name"])
            theirs = [each for each in disputes if each.thing == thing]
            if not theirs:
                continue
            applied = applied_of(live) or moves.marked(kind, scene, live, placement)
            drifted = [each for each in theirs if not each.held]
            kept = routers.adopted(scene, kind, live) if drifted else None
            kept = kept or differences.present(applied, live, drifted)
            let = names.let(live, {each.manager for each in theirs}, by)
            noted = Apply(kind, objects.with_notes(kept, let))
            await writing.settle(site, scene, noted, live, {each.key for each in theirs})

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
        scene = await _scene(site, placement)
        await writing.hand_over(site, scene)
        if placement.firm:
            self._said += await beside.put_back(site, scene, placement, self._given_up)
            if await self._overwrite(site, scene, placement):
                return
        elif await self._asks_or_keeps(site, scene, placement):
            return
        marks, now = moves.marks_of(placement), self._clock.now()
        pending = ways.steps(scene, marks)
        self._said += self._standing.made_again(scene, placement, pending)
        for write in pending:
            await self._write(site, scene, write, placement)
        if pending or not ways.is_wished(scene) or not ways.says(scene, marks):
            return
        kept = scene.wish
        after = kept.seen(now)
        if ways.in_effect(scene, marks, site.settle, now):
            after = after.followed(now)
            for write in leftovers.removals(site, scene):
                await self._write(site, scene, write, placement)
        if after != kept:
            await self._write(site, scene, ways.asked(scene, after, marks), placement)

    async def _asks_or_keeps(self, site: Site, scene: Scene, placement: Placement) -> bool:
        """Keep what others have changed of routes that are theirs; whether this is all that can be done for now.

        Where our own were changed, or the workload is another Sluice's, nothing is written: people are asked about it.
        """
        strange = routers.changed(site, scene)
        if rivals(site, scene) or any(routers.disputes(site, scene, kind, live) for kind, live in strange):
            return True
        marks = moves.marks_of(placement)
        late = [write for kind, live in strange for write in routers.kept(scene, kind, live, marks)]
        if late and scene.wish.set_at is not None:  # proxies need their time to follow what changes now
            await self._write(site, scene, ways.asked(scene, replace(scene.wish, set_at=None), marks), placement)
        for write in late:
            await self._write(site, scene, write, placement)
        self._said += [each for one in strange if late for each in routers.news(site, scene, placement, *one)]
        return bool(late)

    async def _overwrite(self, site: Site, scene: Scene, placement: Placement) -> bool:
        """Put right whatever others have changed, and say so; whether there was anything."""
        righted = 0
        for kind, live in _written(scene):
            drift = writing.drift_of(site, live)
            for again in routers.restored(scene, kind, live, moves.marks_of(placement)) if drift else ():
                await writing.apply(site, scene, again, force=True)
                righted += 1
                if routers.disputes(site, scene, kind, live):
                    thing = writing.thing_of(kind, scene, live["metadata"]["name"])
                    self._said.append(writing.overwritten(placement, thing, {each.manager for each in drift}))
                else:
                    self._said += routers.news(site, scene, placement, kind, live)
        return righted > 0

    async def _in_the_way(self, placement: Placement) -> list[str]:
        """What a run would be held by, or refused for."""
        try:
            return [str(each) for each in await self.disputes(placement)]
        except StageFailure as refused:
            return [str(refused)]

    async def forget(self, workload: str) -> None:
        """End everything of `workload` that Sluice made; what it found is left as it was, but without instances.

        Nothing on it is Sluice's any more: whoever applies it again has it, and the next release finds it anew.
        """
        site, place = self._site(workload), place_of(workload)
        for kind in (VIRTUAL_SERVICE, HTTP_ROUTE, SERVICE, DEPLOYMENT):
            if kind.group.count(".") > 1 and not await site.cluster.serves(kind):
                continue
            listed = await site.cluster.list(kind, place.namespace, labels=place.labels)
            for live in listed.items:
                await self._forget_one(site, place.namespace, kind, live)

    async def instances(self, workload: str) -> tuple[Instance, ...]:
        """Every pod of the workload."""
        site, lives = self._site(workload), await self._site(workload).looking.deployments(place_of(workload))
        hands = {
            (group, found.without_registry(each.theirs)): each.manager
            for group, live in lives.items()
            for each in writing.drift_of(site, live)
            if each.decided and each.field.endswith(".image")
        }
        shown = await site.looking.instances(workload)
        return tuple(replace(one, changed_by=hands.get((one.group, one.image), "")) for one in shown)

    async def traffic(self, workload: str) -> Traffic:
        """What Prometheus has counted, where the settings name one."""
        site = self._site(workload)
        return Traffic() if site.counting is None else await site.counting(place_of(workload))

    async def effective_route(self, workload: str) -> str:
        """Every object of the workload as it is in effect now."""
        site, place = self._site(workload), place_of(workload)
        things: list[Json] = []
        for kind in (DEPLOYMENT, SERVICE, VIRTUAL_SERVICE, HTTP_ROUTE):
            if kind.group.count(".") <= 1 or await site.cluster.serves(kind):
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

    async def _write(self, site: Site, scene: Scene, write: Write, placement: Placement) -> None:
        self._said += await writing.write(site, scene, write, placement)

    async def _forget_one(self, site: Site, namespace: str, kind: Kind, live: Json) -> None:
        name = live["metadata"]["name"]
        if names.is_ours(live):
            await site.cluster.delete(kind, namespace, name, uid=live["metadata"]["uid"])
            site.watching.forget(kind, namespace, name)
        elif applied_of(live) is not None:
            thing = leaving.put_back(kind, live)
            left = live if thing is None else await site.cluster.apply(kind, thing, force=True)
            await writing.forget(site, kind, left)
        site.looking.forget(kind, namespace, name)


async def _scene(site: Site, placement: Placement) -> Scene:
    """See the workload; a way back does without a preview that no version wants, or whose name is somebody else's."""
    scene = leftovers.with_preview_wanted(site, await site.looking.look(placement), placement)
    service, name = scene.spec.service, leftovers.preview_of(scene)
    if not placement.firm or service.preview_port is None or name in scene.services:
        return scene
    live = await site.looking.standing(SERVICE, scene.place.namespace, name)
    if live is None or objects.workload_of(live) == scene.place.name:
        return scene
    plain = service.model_copy(update={"preview_port": None})
    return replace(scene, spec=scene.spec.model_copy(update={"service": plain}))


def _bare(workload: str, spec: Deployment) -> Placement:
    return Placement(workload, spec.service.port, {}, spec=spec)


def _written(scene: Scene) -> list[tuple[Kind, Json]]:
    """The objects that Sluice has written, wholly or in part."""
    return [(kind, live) for kind, live in scene.all() if applied_of(live) is not None]
