"""One workload's release in motion: what the gray, review and official stages and the way back have in common.

Each call is one tick: look at the fleet, ask the strategy, write the move down, make it. Nothing is remembered between
ticks but what the run and the fleet themselves say, so after a crash the next tick simply goes on. The one thing kept
in memory is since when nothing has moved, see `engine.stages.pace`.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import yaml

from engine.definition import Deployment, Gray
from engine.deployed import (
    Deployed,
    Disputed,
    Observed,
    Standing,
    added,
    describe_move,
    is_split_over,
    latest_split,
    leaves_quietly,
    observed,
    observed_before,
    standing_of,
    tracks_of,
)
from engine.errors import InvariantViolation, StageFailure
from engine.model import Json, Release, Run, StageKind, Way
from engine.ports import Builder, Dispute, Images, Placement, Store, Target
from engine.rollout.fleet import Done, Fleet, Goal, GoalKind, ReleaseId, Reroute, Scale, Wait
from engine.rollout.strategies import next_move
from engine.rollout.traffic import rules_of
from engine.stages.applying import Applying
from engine.stages.fleets import instances_of, picture, reaches, split_of
from engine.stages.job import Job, Later, StandsStill
from engine.stages.pace import TICK, Pace, until_next_look
from engine.stages.settling import overruled, settled, shown
from engine.stages.versions import Versions, is_found
from engine.standstill import frozen

UNIDENTIFIED = (
    "gray_instances",
    "policy",
    "deadline",
    "on_deadline",
    "instances",
    "image",
    "max_unavailable",
    "hold",
    "after_hold",
    "strategy",
)
"""Settings that say how a release gets its traffic, not what it is."""
WATCHED = (Reroute, Scale)
"""What is done of itself while people are asked. Nothing new is launched, and nothing is ended."""


@dataclass(slots=True)
class Rollouts:
    """Moves workloads towards goals.

    `targets` are the places by name, `builder` knows the images that were built here by their tags, and `images` those
    of places that take theirs from elsewhere, by the workload's name.
    """

    store: Store
    targets: Mapping[str, Target]
    builder: Builder
    images: Callable[[str], Images | None] = lambda _workload: None
    _pace: Pace = field(default_factory=Pace)
    _applying: Applying = field(init=False)

    def __post_init__(self) -> None:
        """Keep what is applied where everything is kept."""
        self._applying = Applying(self.store)

    async def deployed(self, job: Job) -> Deployed:
        """What this run releases, from what, with which settings."""
        old = await self._healed(job, await self.store.read(lambda book: book.releases.deployed(job.run.workload)))
        wanted = job.run.redeploys
        if wanted is not None and job.run.is_straight:
            new = await self.store.read(lambda book: book.releases.load(wanted))
            return self._of(job, straight_spec(new, job.pipeline.deployment), new, old)
        if job.run.unwinding is not None or wanted is not None:
            return await self._pinned(job, old)
        spec = job.pipeline.deployment
        if spec is None:
            raise InvariantViolation(f"Pipeline {job.pipeline.pipeline} deploys nothing.")
        target = self.targets[spec.target]
        spec = await target.fit(job.run.workload, spec)
        if old is None or (is_found(old) and placed_release(job.run) is None):
            old = await self._versions.found(job, target, spec) or old
        elif is_found(old):
            old = await self._versions.followed(job, target, spec, old)
        new = await self._release(job, target, spec, old)
        return self._of(job, spec, new, old)

    async def _healed(self, job: Job, old: Release | None) -> Release | None:
        """What is everywhere, by what the place says of it: before anything is placed, and on the way back from it."""
        placed = noted_release(job.run)
        if old is None or is_found(old) or job.run.way is Way.ADOPT or (placed and job.run.unwinding is None):
            return old
        spec = straight_spec(old, None)
        place = self._of(job, spec, old, None).placement()
        return await self._versions.healed(job, self.targets[spec.target], place, old)

    def _of(self, job: Job, spec: Deployment, new: Release, old: Release | None) -> Deployed:
        return Deployed(job.run.workload, spec, new, old, pipeline=job.run.pipeline, run=job.run.id)

    async def _pinned(self, job: Job, old: Release | None) -> Deployed:
        """What is taken back or brought back, with the settings kept with it, whatever the variables are now."""
        placed = placed_release(job.run)
        if placed is None:
            raise InvariantViolation(f"Run {job.run.id} has placed nothing.")
        new = await self.store.read(lambda book: book.releases.load(placed))
        shape = Gray if "gray_instances" in new.settings else Deployment
        return self._of(job, shape.model_validate(new.settings), new, old)

    async def _release(self, job: Job, target: Target, spec: Deployment, old: Release | None) -> Release:
        pinned = next((stage.outputs["release"] for stage in job.run.stages if "release" in stage.outputs), None)
        if pinned is not None:
            return await self.store.read(lambda book: book.releases.load(ReleaseId(pinned)))
        image, digest = await self._image(job, spec)
        release = _new_release(job, spec, image, digest)
        place = self._of(job, spec, release, old).placement()
        release = replace(release, manifest=await target.manifest(place, release.id))
        await self.store.transact(lambda book: book.releases.add(release))
        return release

    async def _image(self, job: Job, spec: Deployment) -> tuple[str, str]:
        if spec.image is not None:
            elsewhere = self.images(job.run.workload)
            return spec.image, await (elsewhere or self.builder).find(spec.image)
        for stage in reversed(job.run.stages):
            if stage.kind is StageKind.BUILD and "digest" in stage.outputs:
                return stage.outputs["image"], stage.outputs["digest"]
        again = f"`stop {job.run.id}` ends it; then `run {job.run.pipeline}` builds anew."
        raise StageFailure(f"Run {job.run.id} has built no image to release.", again)

    async def tick(self, job: Job, deployed: Deployed, kind: GoalKind) -> Json | Later:
        """One step towards the goal.

        Once it is reached, what the stage should remember of it; when to go on before that. Raises `StageFailure` when
        nothing has moved for too long, `Disputed` when what is there is somebody else's.
        """
        try:
            return await self._tick(job, deployed, kind)
        except Disputed as stopped:
            await job.note("Somebody else's hands are on it.", shown(stopped))
            raise

    async def _tick(self, job: Job, deployed: Deployed, kind: GoalKind) -> Json | Later:
        target = self.targets[deployed.spec.target]
        place = placement_of(job.run, deployed, kind)
        if not place.firm:
            if await settled(job, target, place, self._versions):
                return Later(timedelta(0))
            place = replace(place, overruled=overruled(job))
        if kind is GoalKind.ROLL_BACK:
            await self._applying.keep_before_the_way_back(job, target, place)
        await target.tend(place)
        if kind is not GoalKind.ROLL_BACK and noted_release(job.run) is not None:
            await self._applying.keep(job, target, place)
        fleet = await target.observe(place)
        if not place.firm and (disputes := await target.disputes(place)):
            raise Disputed(disputes, job.run.pipeline)
        goal = goal_of(job.run, deployed, kind)
        advice = next_move(deployed.spec.strategy, goal, fleet, job.now())
        if kind is GoalKind.GRAY and not isinstance(advice, Reroute) and not deployed.is_everywhere:
            await self._count_anew(job, target, deployed, fleet)
        if isinstance(advice, Done):
            self._pace.moved(job.run.id)
            everywhere = {"everywhere": deployed.new.image} if deployed.is_everywhere else {}
            return {"instances": instances_of(fleet), **everywhere}
        if isinstance(advice, Wait):
            return Later(self._patience(job, deployed, fleet, advice))
        outputs: dict[str, Any] = {"release": deployed.new.id} if kind is not GoalKind.ROLL_BACK else {}
        if isinstance(advice, Reroute):
            outputs |= await self._counted(job.run, target) if kind is not GoalKind.GRAY else {}
        words = describe_move(advice, deployed)
        job.log(words)
        await job.note(words, outputs)
        await target.perform(place, advice)
        return Later(self._pace.moved(job.run.id))

    async def adopt(self, job: Job) -> ReleaseId:
        """Take what runs as the version that the run is about; nothing moves."""
        deployed = await self.deployed(job)
        return await self._versions.adopt(job, self.targets[deployed.spec.target], deployed)

    @property
    def _versions(self) -> Versions:
        return Versions(self.store)

    async def clear(self, deployed: Deployed, to: Release | None) -> None:
        """After a way back `to` what had no instances: nothing is left of the workload, its address included.

        What its makers have started meanwhile goes on.
        """
        target = self.targets[deployed.spec.target]
        if to is None or (to.idle and not (await target.observe(deployed.placement(firm=True))).groups):
            await target.forget(deployed.workload)

    async def stands_still(self, job: Job) -> StandsStill | None:
        """Whether a freeze keeps the stage from beginning. What has begun to be placed is brought to its end."""
        if "release" in job.state.outputs:
            return None
        now = job.now()
        found = await self.store.read(lambda book: frozen(book, job.run, now))
        return None if found is None else StandsStill(found.until, f"{found} {job.state.name} begins after it.")

    async def watch(self, job: Job) -> tuple[str, Standing]:
        """While people are asked, keep visitors away from a group that has lost its instances.

        Says what was done, and what there was before. Stable makes up for a gray track that has failed, and makes room
        again, unless somebody else has a hand in it.
        """
        deployed = await self.deployed(job)
        target, place = self.targets[deployed.spec.target], deployed.placement()
        fleet = await target.observe(place)
        goal, standing = goal_of(job.run, deployed, GoalKind.GRAY), standing_of(fleet, deployed.new.id)
        advice = next_move(deployed.spec.strategy, goal, fleet, job.now())
        if not isinstance(advice, WATCHED) or (isinstance(advice, Scale) and await target.disputes(place)):
            return "", standing
        await target.perform(place, advice)
        await self._applying.keep(job, target, place)
        return describe_move(advice, deployed), standing

    async def strangers(self, job: Job) -> tuple[Dispute, ...]:
        """While people are asked: what somebody else has changed meanwhile."""
        deployed = await self.deployed(job)
        return await self.targets[deployed.spec.target].disputes(deployed.placement())

    async def _counted(self, run: Run, target: Target) -> dict[str, Any]:
        """What the proxy has counted under the last split, which ends now; what comes after it is of none."""
        if latest_split(run) is None or is_split_over(run):
            return {}
        seen = observed(run, await target.traffic(run.workload)) or Observed({}, {})
        return {"split_over": True, "observed": {"requests": dict(seen.requests), "failed": dict(seen.failed)}}

    async def _count_anew(self, job: Job, target: Target, deployed: Deployed, fleet: Fleet) -> None:
        """Once the proxy follows a new split, write down from where it counts: what came before is the old one's."""
        split = split_of(fleet.route)
        noted = latest_split(job.run)
        if not fleet.in_effect or not fleet.route.weights or (noted is not None and noted["split"] == split):
            return
        traffic = await target.traffic(deployed.workload)
        earlier = added(observed_before(job.run), observed(job.run, traffic) or Observed({}, {}))
        outputs = {
            "earlier": {"requests": dict(earlier.requests), "failed": dict(earlier.failed)},
            "split": split,
            "tracks": tracks_of(fleet, deployed.new.id),
            "share": deployed.share(job.run) if deployed.serving else 100,
            "rules": deployed.rules,
            "about": deployed.policy.description,
            "gray_image": deployed.new.image,
            "stable_image": deployed.serving.image if deployed.serving else "",
            "baseline": {"requests": dict(traffic.requests), "failed": dict(traffic.failed)},
            "instances": instances_of(fleet),
        }
        if reaches(fleet, deployed.new.id):
            await job.note(f"The split is in effect: {split}", outputs)

    def _patience(self, job: Job, deployed: Deployed, fleet: Fleet, wait: Wait) -> timedelta:
        """How long until the next look. Raises `StageFailure` when nothing has moved for too long."""
        if wait.until is not None:
            self._pace.moved(job.run.id)
            return TICK
        still, patience = self._pace.still(job.run.id, picture(fleet), job.now()), deployed.spec.readiness.within
        if still < patience:
            return until_next_look(still)
        self._pace.moved(job.run.id)
        trouble = next((group.trouble for group in fleet.groups.values() if group.trouble), "")
        seconds = f"{patience.total_seconds():g}"
        what = _named(wait.what, deployed)
        more = "" if trouble in what else f" {trouble}"
        raise StageFailure(f"{what}: nothing has changed for {seconds} s.{more}")


def _named(text: str, deployed: Deployed) -> str:
    """`text` with releases named by what people call them."""
    for release in (deployed.new, deployed.old):
        if release is not None:
            text = text.replace(release.id, release.image)
    return text


def placed_release(run: Run) -> ReleaseId | None:
    """The release that the run has placed, or may place: the one written down last, or the one it brings back."""
    return noted_release(run) or run.redeploys


def noted_release(run: Run) -> ReleaseId | None:
    """The release that was written down last, in this go or an earlier one, before anything of it was placed."""
    for key in ("release", "placed"):
        found = next((stage.outputs[key] for stage in run.stages if stage.outputs.get(key)), None)
        if found is not None:
            return ReleaseId(found)
    return None


def placement_of(run: Run, deployed: Deployed, kind: GoalKind) -> Placement:
    """Where, for a target: firm when the run goes back, be it a run of its own that brings an earlier version.

    What somebody else runs in place of every version is nothing to go back from.
    """
    is_ours = deployed.old is not None and not is_found(deployed.old)
    if kind is GoalKind.PROMOTE and run.way is Way.ROLL_BACK and is_ours:
        return replace(deployed.placement(firm=True), back_to=deployed.new.id)
    return deployed.placement(firm=kind is GoalKind.ROLL_BACK)


def goal_of(run: Run, deployed: Deployed, kind: GoalKind) -> Goal:
    """What the strategy is asked to reach."""
    spec, old = deployed.spec, deployed.old
    gray = spec if isinstance(spec, Gray) else None
    instances = spec.instances
    if kind is GoalKind.ROLL_BACK and old is not None:
        instances = 0 if old.idle else int(old.settings["instances"])
    elif kind is GoalKind.PROMOTE and deployed.new.idle:
        instances = 0
    elif deployed.serving is None:
        old = None
    gray_instances = gray.gray_count if gray else 0
    shelter = old is not None and not leaves_quietly(old)
    if gray is not None and run.share and gray.follows_share:
        others = max(1, 100 - run.share) if shelter else 100  # they all stay beside gray, or make room for it
        gray_instances = min(max(1, round(run.share * instances / others)), instances - 1)
    return Goal(
        kind=kind,
        new=deployed.new.id,
        old=old.id if old else None,
        instances=instances,
        gray_instances=gray_instances,
        share=deployed.share(run),
        rules=rules_of(gray.policy) if gray else (),
        max_unavailable=spec.missing_allowed,
        recreate=spec.upgrade == "recreate",
        drain=spec.drain,
        hold=spec.hold,
        after_hold=spec.after_hold,
        shelter=shelter,
        shared=latest_split(run) is not None,
    )


def straight_spec(release: Release, now: Deployment | None) -> Deployment:
    """The settings with which a release is brought back at once: its own.

    What was found got no traffic by any strategy, so it goes by the one of the definition `now`.
    """
    spec = Deployment.model_validate(deployment_part(release.settings))
    if now is None or not is_found(release) or "strategy" not in now.model_fields_set:
        return spec
    return spec.model_copy(update={"strategy": now.strategy})


def deployment_part(settings: Json) -> Json:
    """The settings of a release without those that only its gray stage had."""
    return {name: value for name, value in settings.items() if name in Deployment.model_fields}


def _new_release(job: Job, spec: Deployment, image: str, digest: str) -> Release:
    settings = spec.model_dump(mode="json", exclude_none=True)
    what = {name: value for name, value in settings.items() if name not in UNIDENTIFIED}
    identity = hashlib.sha256(json.dumps([digest or image, what], sort_keys=True).encode()).hexdigest()[:12]
    manifest = {"workload": job.run.workload, "image": image, "digest": digest, **settings}
    return Release(
        id=ReleaseId(f"{job.run.workload}@{identity}"),
        workload=job.run.workload,
        image=image,
        digest=digest,
        settings=settings,
        manifest=yaml.safe_dump(manifest, sort_keys=False, allow_unicode=True),
        run=job.run.id,
        variables={name: value for name, value in job.run.variables.items() if not name.startswith("SYS_")},
        created_at=job.now(),
    )
