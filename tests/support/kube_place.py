"""One workload in a namespace of its own, in the API stand-in or in a real cluster: a test is the same over both.

`Place` is what a test does: let releases go their way, be somebody else in the cluster, and look at what is there. How
a place comes and goes is told in `kube_places`.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from engine.definition import Gray
from engine.deployed import Deployed, Disputed
from engine.errors import Interrupted
from engine.model import Release, RunId, Way
from engine.ports import Dispute
from engine.rollout.fleet import Advice, Done, Fleet, GoalKind, Move, ReleaseId, Wait
from engine.rollout.strategies import next_move
from engine.stages.rollout import goal_of, placement_of
from engine.targets.kubernetes.kinds import HTTP_ROUTE
from engine.targets.kubernetes.scene import Looking
from engine.targets.kubernetes.site import Site
from engine.targets.kubernetes.target import KubernetesTarget
from engine.targets.kubernetes.watching import Watching
from tests.support import kube_foreign as foreign
from tests.support.eventually import eventually
from tests.support.kube_mortal import Killed, Mortal
from tests.support.kube_promises import Expected, broken
from tests.support.kube_surroundings import NAME, Surroundings
from tests.support.store import a_run

Json = dict[str, Any]

WAYS = ("canary", "blue_green", "istio", "gateway")
"""The strategies, and canary once more where an HTTPRoute leads to the workload."""
_STRATEGIES = {"gateway": "canary"}


@dataclass
class Place(Surroundings):
    """The namespace, its one workload `hello`, and as many targets over it, one after another, as a test wants.

    `before_each` is done before each look of `drive`. `decided_by` is who says that what others hold may be taken over,
    as soon as it is asked; nobody does at first. `manager` is the name that targets write under, `before` are its older
    ones.
    """

    manager: str = "sluice"
    before: frozenset[str] = frozenset()
    deployed: Release | None = None
    decided_by: str = ""
    moves: list[Move] = field(default_factory=list)
    interruptions: list[Interrupted] = field(default_factory=list)
    before_each: Callable[[], Awaitable[None]] | None = None
    _made: list[Mortal] = field(default_factory=list)
    _sites: list[Site] = field(default_factory=list)
    _expected: Expected | None = None
    _overruled: frozenset[tuple[str, str, str]] = frozenset()

    def __post_init__(self) -> None:
        self.target = self.another_target()

    @property
    def workload(self) -> str:
        """The workload's name among all of Sluice's."""
        return f"here/{self.namespace}/{NAME}"

    @property
    def cluster(self) -> Mortal:
        """The way there of the present target."""
        return self._made[-1]

    @property
    def writes(self) -> int:
        """How many writes all the targets have made."""
        return sum(made.written for made in self._made)

    def another_target(self, left: int | None = None) -> KubernetesTarget:
        """A target that knows nothing but what is in the cluster: the bot after it was killed.

        This one is killed as well, after `left` writes.
        """
        cluster = self.ground.cluster(self.manager)
        cluster.left = left
        self._made.append(cluster)
        watching = Watching(cluster, stale=self.pace.stale)
        looking = Looking(cluster, watching, self.ground.clock)
        registry = self.ground.images.registry
        site = Site("here", cluster, watching, looking, registry, self.pace.settle, before=self.before)
        self._sites.append(site)
        self.target = KubernetesTarget({"here": site}, self.ground.clock)
        return self.target

    async def close(self) -> None:
        """End every target that was made."""
        for site in self._sites:
            await site.watching.close()
            await site.cluster.close()

    # -- releases

    async def has_way(self, way: str) -> None:
        """Have what the strategy needs before its first release, and ann's word that it may be used."""
        await super().has_way(way)
        if way == "gateway":
            self.decided_by = "ann"

    def spec(self, way: str, **settings: Any) -> Gray:
        """The settings of a release of three instances."""
        known = {
            "target": "kubernetes",
            "cluster": "here",
            "namespace": self.namespace,
            "workload": NAME,
            "strategy": _STRATEGIES.get(way, way),
            "service": {"name": NAME, "port": foreign.PORT, "container_port": foreign.CONTAINER_PORT},
            "instances": 3,
            "gray_instances": 1,
            "pull": "when_changed",
            "resources": {"cpu": {"request": "5m"}, "memory": {"request": "16Mi", "limit": "64Mi"}},
            "readiness": {"http": "/healthz", "every": "1s", "within": "60s"},
            "drain": self.pace.drain,
            "hold": self.pace.hold,
        }
        return Gray.model_validate(known | settings)

    async def plan(self, tag: str, way: str, *, digest: str = "", **settings: Any) -> Deployed:
        """Ask for a release of the image with this tag, as a run does at its beginning."""
        spec = await self.target.fit(self.workload, self.spec(way, **settings))
        assert isinstance(spec, Gray)
        old = self.deployed or await self.target.found(self.workload, spec)
        made = Release(
            id=ReleaseId(f"{self.workload}@{tag}"),
            workload=self.workload,
            image=self.ground.images.said(tag),
            digest=digest,
            settings=spec.model_dump(mode="json", exclude_none=True),
            manifest="",
            run=RunId(f"hello-{len(self._sites)}"),
            variables={},
            created_at=self.ground.clock.now(),
        )
        deployed = Deployed(self.workload, spec, made, old, pipeline="hello", run="hello-1")
        made = replace(made, manifest=await self.target.manifest(deployed.placement(), made.id))
        promised = old is not None and spec.upgrade == "rolling" and bool(await self.running())
        await self._expect(spec, least=_least(spec) if promised else 0)
        return replace(deployed, new=made)

    async def drive(
        self,
        deployed: Deployed,
        kind: GoalKind,
        *,
        share: int | None = None,
        until: Callable[[Fleet], bool] = lambda _fleet: False,
        way: Way | None = None,
    ) -> list[Move]:
        """Look, ask and move until the goal is reached, or `until` says so. Returns the moves."""
        begun, seen = len(self.moves), list[object]()
        self._overruled = frozenset()

        async def look() -> bool:
            if self.before_each is not None:
                await self.before_each()
            try:
                came = await self._ticked_or_settled(deployed, kind, share, way)
            except Interrupted as trouble:
                self.interruptions.append(trouble)
                seen.append(trouble)
            else:
                if came is None:
                    return False
                seen.append(came)
                advice, fleet = came
                if isinstance(advice, Done) or until(fleet):
                    return True
            await self.ground.go_on()
            return False

        try:
            await eventually(look, f"{kind} of {deployed.new.image}", self.pace.within, self.pace.between)
        except AssertionError as error:
            raise AssertionError(f"{error}; last seen {seen[-1:]}; moves {self.moves[begun:]}") from None
        if kind is GoalKind.PROMOTE:
            self.deployed = deployed.new
        elif kind is GoalKind.ROLL_BACK:
            self.deployed = deployed.old
        return self.moves[begun:]

    async def _ticked_or_settled(
        self, deployed: Deployed, kind: GoalKind, share: int | None, way: Way | None
    ) -> tuple[Advice, Fleet] | None:
        """One pass, or None when what others hold was taken over instead."""
        try:
            return await self.tick(deployed, kind, share, way)
        except Disputed as stopped:
            if not self.decided_by or stopped.ways != ("adopt",):
                raise
            await self.settle(deployed, "adopt", stopped.disputes)
            return None

    async def tick(
        self, deployed: Deployed, kind: GoalKind, share: int | None = None, way: Way | None = None
    ) -> tuple[Advice, Fleet]:
        """One pass, as the stages of a run make it. `way`: on which the run brings an earlier release back."""
        run = replace(a_run("hello-1", workload=self.workload), share=share, way=way)
        place = replace(placement_of(run, deployed, kind), overruled=self._overruled)
        await self.target.tend(place)
        fleet = await self.target.observe(place)
        if not place.firm and (disputes := await self.target.disputes(place)):
            raise Disputed(disputes, "hello")
        advice = next_move(deployed.spec.strategy, goal_of(run, deployed, kind), fleet, self.ground.clock.now())
        if not isinstance(advice, Done | Wait):
            await self.target.perform(place, advice)
            self.moves.append(advice)
        return advice, fleet

    async def survive(self, deployed: Deployed, kinds: Sequence[GoalKind], left: int, lives: int | None = None) -> int:
        """Reach one goal after another with bots that are each killed after `left` writes.

        After so many `lives` comes one that is not killed. Returns how many were.
        """
        killed = 0
        self.another_target(left)
        for kind in kinds:
            while True:
                try:
                    await self.drive(deployed, kind)
                except Killed:
                    killed += 1
                    self.another_target(left if lives is None or killed < lives else None)
                else:
                    break
        self.cluster.left = None
        return killed

    async def release(self, tag: str, way: str, **settings: Any) -> Deployed:
        """Release to everybody, without a gray release before."""
        deployed = await self.plan(tag, way, **settings)
        await self.drive(deployed, GoalKind.PROMOTE)
        return deployed

    async def fleet(self, deployed: Deployed) -> Fleet:
        """What is there now."""
        return await self.target.observe(deployed.placement())

    async def disputed(self, deployed: Deployed, kind: GoalKind) -> tuple[Dispute, ...]:
        """Go on until somebody else is in the way; returns what is in dispute."""
        found: list[Dispute] = []

        async def look() -> bool:
            try:
                await self.tick(deployed, kind)
            except Disputed as stopped:
                found.extend(stopped.disputes)
            await self.ground.go_on()
            return bool(found)

        await eventually(look, "somebody is in the way", self.pace.within, self.pace.between)
        return tuple(found)

    async def settle(self, deployed: Deployed, how: str, shown: Sequence[Dispute] = ()) -> None:
        """Let ann decide about what is in dispute (`shown`, or all that there is): to restore or to adopt it."""
        place = replace(deployed.placement(), overruled=self._overruled)
        disputes = [each for each in await self.target.disputes(place) if not shown or each in shown]
        await (self.target.restore if how == "restore" else self.target.adopt)(place, disputes, "ann")
        self._overruled |= {each.key for each in (*shown, *disputes)}

    # -- promises

    async def _expect(self, spec: Gray, least: int) -> None:
        """From now on: plain requests find so many ready pods, and what is apart stays apart."""
        apart = spec.strategy != "canary" or any(kind == HTTP_ROUTE.kind for kind, _ in self.foreign)
        seen = await self.ground.changes()
        since = max((one.version for one in seen), default=0)
        if self._expected and self._expected.least and self._expected.apart == apart:
            since = self._expected.since
        else:
            await self.kept()  # under another strategy, what came before may have been otherwise
        rest = self.pace.drain + self.pace.settle
        self._expected = Expected(NAME, since, least, apart, rest, self.pace.slack)

    async def kept(self) -> None:
        """See that no promise was broken until now."""
        said = broken(await self.ground.changes(), self._expected) if self._expected else []
        assert not said, said

    async def excuse(self) -> None:
        """What is done from now on breaks promises by itself; until now all were kept."""
        await self.kept()
        self._expected = None

    async def forget(self) -> None:
        """End the workload."""
        await self.excuse()
        await self.target.forget(self.workload)

    async def cleared(self) -> None:
        """End the workload, and see that nothing of Sluice's is left."""
        strays = await self.unnamed()
        assert not strays, strays
        await self.forget()

        async def is_gone() -> bool:
            if not (await self.ours()).keys() - self.foreign:
                return True
            await self.ground.go_on()
            return False

        await eventually(is_gone, "everything of Sluice's is gone", self.pace.within, self.pace.between)
        strays = await self.unnamed()
        assert not strays, strays


def _least(spec: Gray) -> int:
    """How many ready pods plain requests always find. A canary that shows them nothing of gray has fewer for them."""
    unseen = spec.gray_count if spec.strategy == "canary" and spec.share == 0 else 0
    return spec.instances - spec.missing_allowed - unseen
