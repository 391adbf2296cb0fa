"""What would happen: of a release before it is started, of whatever goes back before it is confirmed. Changes nothing.

A preview asks the same strategy that will do the work, about the fleet as it is now.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from bot.cards import Card, Field, Tone
from bot.deployments import meanwhile
from bot.frozen import frozen_fields
from bot.grammar import Said
from engine.definition import Deployment, Pipeline
from engine.deployed import Deployed
from engine.errors import Refused
from engine.freezes import Subject
from engine.model import Json, PersonId, Release, RoomId, Run, RunId, StageKind, Way
from engine.orders import spec_of
from engine.pipeline import parse, resolve
from engine.ports import Clock, Target
from engine.rollout.fleet import GoalKind, Move, ReleaseId, Wait
from engine.rollout.plan import rehearse
from engine.stages.gray import check_fixed
from engine.stages.rollout import goal_of, placed_release, straight_spec
from engine.stages.versions import is_found, is_news
from engine.standstill import LET_THROUGH, subject_of
from engine.worker import pipeline_of
from storage.store import SqlStore

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Previews:
    """Plans against the real fleet."""

    store: SqlStore
    clock: Clock
    targets: Mapping[str, Target]

    async def plan(self, said: Said) -> Card:
        """Show what a run would do next, or what a release of a pipeline would do."""
        run = await self.store.read(lambda book: book.runs.find(RunId(said.words[0])))
        if run is not None:
            return await self._plan_of_run(run)
        stored = await self.store.read(lambda book: book.pipelines.load(said.words[0]))
        pipeline = resolve(stored.text, {**parse(stored.text).variables, **said.settings()})
        if pipeline.deployment is None:
            names = " → ".join(stage.name for stage in pipeline.stages)
            return Card(f"A run of {stored.name}", text=names)
        title = f"What releasing {pipeline.workload} would do"
        card = await self._release(title, pipeline, pipeline.deployment, imagined_run(stored.name, pipeline.workload))
        return await self._with_freezes(card, Subject(stored.name, stored.group, pipeline.workload))

    async def _release(self, title: str, pipeline: Pipeline, spec: Deployment, run: Run) -> Card:
        """Show what a run would do that has placed nothing yet. Raises `StageFailure` where it would be held."""
        target = self.targets[spec.target]
        spec = await target.fit(run.workload, spec)
        old = await self.store.read(lambda book: book.releases.deployed(run.workload))
        found = await target.found(run.workload, spec) if old is None or is_found(old) else None
        if found is not None and await self.store.read(lambda book: is_news(book, found)):
            old = found
        new = _imagined(run, spec)
        deployed = Deployed(run.workload, spec, new, old, pipeline=run.pipeline)
        check_fixed(deployed)
        kinds = [GoalKind.GRAY] if any(stage.gray for stage in pipeline.stages) else []
        card = await self.steps(title, deployed, run, [*kinds, GoalKind.PROMOTE])
        return replace(card, fields=(*card.fields, *meanwhile(spec)))

    async def _plan_of_run(self, run: Run) -> Card:
        if run.state.is_over:
            raise Refused(
                f"Run {run.id} is over; nothing more will happen.", f"`rollback {run.pipeline}` shows the way back."
            )
        deployed = await self.deployed_by(run)
        if deployed is None:
            return await self._plan_of_stages(run)
        if run.way is Way.ADOPT:
            text = f"{deployed.new.image} becomes a version, if it still runs everywhere. Nothing restarts."
            return Card(f"What {run.id} does next", Tone.ASKING, text)
        if run.unwinding is not None:
            return await self.steps(f"What taking {run.id} back does", deployed, run, [GoalKind.ROLL_BACK])
        before_review = any(stage.kind is StageKind.GRAY for stage in run.stages[run.position :])
        kinds = [GoalKind.GRAY, GoalKind.PROMOTE] if before_review else [GoalKind.PROMOTE]
        card = await self.steps(f"What {run.id} does next", deployed, run, kinds)
        return await self._frozen(replace(card, fields=(*card.fields, *meanwhile(deployed.spec))), run)

    async def _plan_of_stages(self, run: Run) -> Card:
        """Show what is to come of a run that has placed nothing yet."""
        title, names = f"What {run.id} does next", " → ".join(stage.name for stage in run.stages[run.position :])
        pipeline = await self.store.read(lambda book: pipeline_of(book, run))
        if pipeline.deployment is None or run.unwinding is not None:
            return Card(title, text=names)
        card = await self._release(title, pipeline, pipeline.deployment, run)
        return await self._frozen(replace(card, text=f"{names}\n{card.text}"), run)

    async def _frozen(self, card: Card, run: Run) -> Card:
        """Add what freezes the run, unless it is let through."""
        if run.override is not None or run.way in LET_THROUGH:
            return card
        return await self._with_freezes(card, await self.store.read(lambda book: subject_of(book, run)))

    async def _with_freezes(self, card: Card, subject: Subject) -> Card:
        """Add what freezes this now, and what will."""
        now = self.clock.now()
        fields = await self.store.read(lambda book: frozen_fields(book.freezes.all(), subject, now))
        return replace(card, fields=(*card.fields, *fields))

    async def deployed_by(self, run: Run, *, back: bool = False) -> Deployed | None:
        """Return what a run releases or has placed; None when that is not known yet.

        On the way `back` it has the settings that are kept with it, so its place is not asked.
        """
        pinned = run.redeploys or placed_release(run)
        if pinned is None:
            return None
        release = await self.store.read(lambda book: book.releases.find(pinned))
        old = await self.store.read(lambda book: book.releases.deployed(run.workload))
        pipeline = await self.store.read(lambda book: pipeline_of(book, run))
        spec = pipeline.deployment
        if release is None or spec is None:
            return None
        if run.is_straight or run.unwinding or back:
            spec = straight_spec(release, spec)
        elif run.redeploys:
            spec = spec_of(release)
        else:
            spec = await self.targets[spec.target].fit(run.workload, spec)
        return Deployed(run.workload, spec, release, old, pipeline=run.pipeline, run=run.id)

    async def steps(self, title: str, deployed: Deployed, run: Run, kinds: list[GoalKind]) -> Card:
        """Ask what happens on the way to each of the goals, from the fleet as it is now."""
        place, target = deployed.placement(), self.targets[deployed.spec.target]
        fleet = await target.observe(place)
        text: list[str] = []
        moves: list[Move] = []
        has_preview = deployed.spec.service.preview_port is not None
        for kind in kinds:
            goal, now = goal_of(run, deployed, kind), self.clock.now()
            steps, fleet = rehearse(deployed.spec.strategy, goal, fleet, now, has_preview=has_preview)
            said = kind.value.replace("_", " ")
            if len(kinds) > 1 or not steps:
                text.append(f"{said}:" if steps else f"{said}: nothing to do, it is so already")
            text += [f"{number}. {_readable(step.text, deployed)}" for number, step in enumerate(steps, 1)]
            moves += [step.advice for step in steps if not isinstance(step.advice, Wait)]
        changes = [_readable(each, deployed) for each in await target.changes(place, moves)]
        fields = (Field("Strategy", deployed.spec.strategy),)
        return Card(title, Tone.ASKING, "\n".join(text), fields=fields, code="\n".join(changes))


def _readable(text: str, deployed: Deployed) -> str:
    for release in (deployed.new, deployed.old):
        if release is not None:
            text = text.replace(release.id, release.image)
    return text


def _imagined(run: Run, spec: Deployment) -> Release:
    built = (stage.outputs["image"] for stage in run.stages if "digest" in stage.outputs)
    image, workload = spec.image or next(built, "the new version"), run.workload
    settings: Json = spec.model_dump(mode="json", exclude_none=True)
    return Release(ReleaseId(f"{workload}@new"), workload, image, "", settings, "", RunId("-"), {}, created_at=_NEVER)


def imagined_run(pipeline: str, workload: str) -> Run:
    """Make a run for asking what one would do, before there is one."""
    return Run(RunId("-"), pipeline, 0, 0, workload, {}, (), (), PersonId("-"), RoomId("-"), _NEVER)
