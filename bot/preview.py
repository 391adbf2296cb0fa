"""What would happen: of a release before it is started, of a rollback before it is confirmed. Changes nothing.

A preview asks the same strategy that will do the work, about the fleet as it is now.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from bot.cards import Card, Field, Tone
from bot.grammar import Said
from engine.control import Order
from engine.definition import Deployment
from engine.deployed import Deployed
from engine.errors import Refused
from engine.model import (
    Json,
    PersonId,
    Release,
    RoomId,
    Run,
    RunId,
    RunState,
    StageKind,
    StageRule,
    StageRun,
    StageState,
)
from engine.pipeline import parse, resolve
from engine.ports import Clock, Target
from engine.rollout.fleet import GoalKind, ReleaseId
from engine.rollout.plan import rehearse
from engine.stages.rollout import deployment_part, goal_of, placed_release
from engine.transitions import was_placed
from engine.worker import pipeline_of
from storage.book import SqlBook
from storage.store import SqlStore

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Return:
    """A way back that can be taken: of an active run (`run`), or by a new run that brings `release` back."""

    run: Run | None
    release: Release | None
    card: Card


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
        old = await self.store.read(lambda book: book.releases.deployed(pipeline.workload))
        new = _imagined(pipeline.workload, pipeline.deployment)
        deployed = Deployed(pipeline.workload, pipeline.deployment, new, old)
        run = _imagined_run(stored.name, pipeline.workload)
        kinds = [GoalKind.GRAY] if any(stage.gray for stage in pipeline.stages) else []
        return await self._steps(
            f"What releasing {pipeline.workload} would do", deployed, run, [*kinds, GoalKind.PROMOTE]
        )

    async def _plan_of_run(self, run: Run) -> Card:
        if run.state.is_over:
            raise Refused(
                f"Run {run.id} is over; nothing more will happen.", f"`rollback {run.pipeline}` shows the way back."
            )
        deployed = await self._deployed(run)
        if deployed is None:
            names = " → ".join(stage.name for stage in run.stages[run.position :])
            return Card(f"What {run.id} does next", text=names)
        if run.unwinding is not None:
            return await self._steps(f"What taking {run.id} back does", deployed, run, [GoalKind.ROLL_BACK])
        before_review = any(stage.kind is StageKind.GRAY for stage in run.stages[run.position :])
        kinds = [GoalKind.GRAY, GoalKind.PROMOTE] if before_review else [GoalKind.PROMOTE]
        return await self._steps(f"What {run.id} does next", deployed, run, kinds)

    async def way_back(self, name: str, version: int | None) -> Return:
        """Return the way back of a run or pipeline, with a card that says what will happen.

        Refuses where there is none.
        """
        run = await self.store.read(lambda book: _active_run(book, name))
        if run is not None and version is None:
            return await self._out_of(run)
        if run is not None:
            raise Refused(f"Run {run.id} is going on.", f"`rollback {run.id}` takes it back first.")
        return await self._to_version(name, version)

    async def _out_of(self, run: Run) -> Return:
        if not was_placed(run):
            raise Refused(f"Run {run.id} has not deployed anything yet.", f"`stop {run.id}` ends it.")
        if run.unwinding is not None:
            raise Refused(f"Run {run.id} is being taken back already.")
        deployed = await self._deployed(run)
        if deployed is None:
            card = Card(
                f"Take {run.id} back", Tone.ASKING, "Nothing of it takes traffic yet. The run ends rolled back."
            )
            return Return(run, None, card)
        back_to = deployed.old.image if deployed.old else "nothing: this was its first release"
        card = await self._steps(f"Roll {run.id} back to {back_to}?", deployed, run, [GoalKind.ROLL_BACK])
        return Return(run, None, card)

    async def _to_version(self, name: str, version: int | None) -> Return:
        pipeline_name, ended = await self.store.read(lambda book: _pipeline_named(book, name))
        stored = await self.store.read(lambda book: book.pipelines.load(pipeline_name))
        pipeline = parse(stored.text).pipeline
        latest = await self.store.read(lambda book: book.runs.latest(stored.name, 1))
        workload = (ended or latest[0]).workload if ended or latest else pipeline.workload
        history = await self.store.read(lambda book: book.releases.history(workload, 10_000))
        if not history:
            raise Refused(f"{workload or stored.name} was never released; there is nothing to go back to.")
        if ended is not None and ended.id != history[0].run and version is None:
            raise Refused(
                f"Run {ended.id} is over, and what is deployed now came from {history[0].run}.",
                f"`rollback {stored.name}` goes back from that.",
            )
        if version is None and latest and _left_gray(latest[0]):
            release = history[0]
        else:
            release = _chosen(history, version, has_gray=any(stage.gray for stage in pipeline.stages))
        spec = Deployment.model_validate(deployment_part(release.settings))
        deployed = Deployed(workload, spec, release, history[0])
        run = _imagined_run(stored.name, workload)
        title = f"Roll {workload} back from {history[0].image} to {release.image} (version {release.number})?"
        card = await self._steps(title, deployed, run, [GoalKind.PROMOTE])
        in_the_way = await self.store.read(lambda book: _in_the_way(book, workload))
        if in_the_way:
            card = replace(card, text=f"First stopped: {', '.join(in_the_way)}\n{card.text}")
        return Return(None, release, card)

    async def _deployed(self, run: Run) -> Deployed | None:
        pinned = run.redeploys or placed_release(run)
        if pinned is None:
            return None
        release = await self.store.read(lambda book: book.releases.find(pinned))
        old = await self.store.read(lambda book: book.releases.deployed(run.workload))
        pipeline = await self.store.read(lambda book: pipeline_of(book, run))
        spec = pipeline.deployment
        if release is None or spec is None:
            return None
        if run.redeploys or run.unwinding:
            spec = Deployment.model_validate(deployment_part(release.settings))
        return Deployed(run.workload, spec, release, old)

    async def _steps(self, title: str, deployed: Deployed, run: Run, kinds: list[GoalKind]) -> Card:
        place = deployed.placement()
        fleet = await self.targets[deployed.spec.target].observe(place)
        text: list[str] = []
        for kind in kinds:
            steps, fleet = rehearse(deployed.spec.strategy, goal_of(run, deployed, kind), fleet, self.clock.now())
            said = kind.value.replace("_", " ")
            if len(kinds) > 1 or not steps:
                text.append(f"{said}:" if steps else f"{said}: nothing to do, it is so already")
            text += [f"{number}. {_readable(step.text, deployed)}" for number, step in enumerate(steps, 1)]
        return Card(title, Tone.ASKING, "\n".join(text), fields=(Field("Strategy", deployed.spec.strategy),))


def _readable(text: str, deployed: Deployed) -> str:
    for release in (deployed.new, deployed.old):
        if release is not None:
            text = text.replace(release.id, release.image)
    return text


def _active_run(book: SqlBook, name: str) -> Run | None:
    found = book.runs.find(RunId(name))
    if found is not None:
        return None if found.state.is_over else found
    active = [run for run in book.runs.active(name) if was_placed(run)]
    return active[0] if active else None


def _pipeline_named(book: SqlBook, name: str) -> tuple[str, Run | None]:
    run = book.runs.find(RunId(name))
    return (run.pipeline, run) if run is not None else (name, None)


def _in_the_way(book: SqlBook, workload: str) -> list[str]:
    """Find the runs that a way back does not wait for."""
    holder = book.runs.holder(workload)
    return [*([holder] if holder else []), *(run.id for run in book.runs.queued(workload))]


def _left_gray(run: Run) -> bool:
    """Whether the run was refused and its gray instances were kept, as its definition says."""
    if run.state is not RunState.REJECTED:
        return False
    return any(stage.state is StageState.REJECTED and not rule.take_back_on_refusal for stage, rule in _pairs(run))


def _pairs(run: Run) -> Iterator[tuple[StageRun, StageRule]]:
    return zip(run.stages, run.rules, strict=True)


def _chosen(history: list[Release], version: int | None, *, has_gray: bool) -> Release:
    now = history[0]
    if version is not None:
        if has_gray:
            raise Refused(
                f"{now.workload} is released through a gray stage; only a pipeline without one can choose a version.",
                _way_out(next((release for release in history if release.number == version), now)),
            )
        found = next((release for release in history if release.number == version), None)
        if found is None:
            raise Refused(f"{now.workload} has no version {version}.", "`versions` lists them.")
        return found
    earlier = next((release for release in history[1:] if release.id != now.id), None)
    if earlier is None:
        raise Refused(f"{now.workload} has no earlier version than {now.image}.")
    strategy = now.settings["strategy"]
    if has_gray and strategy != "canary":
        raise Refused(
            f"{now.workload} was released with {strategy}; after the official release only canary can be rolled back.",
            _way_out(earlier),
        )
    return earlier


def _way_out(release: Release) -> str:
    own = " ".join(f"{name}={value}" for name, value in release.variables.items())
    return f"Release {release.image} again: `run {release.run.rpartition('-')[0]} {own}`."


def _imagined(workload: str, spec: Deployment) -> Release:
    image = spec.image or "the new version"
    nobody: Json = {}
    return Release(ReleaseId(f"{workload}@new"), workload, image, "", nobody, "", RunId("-"), {}, created_at=_NEVER)


def _imagined_run(pipeline: str, workload: str) -> Run:
    return Run(RunId("-"), pipeline, 0, 0, workload, {}, (), (), PersonId("-"), RoomId("-"), _NEVER)


def order_back(release: Release, pipeline: str, by: PersonId, room: RoomId) -> Order:
    """Return the order of a run that brings `release` back."""
    return Order(pipeline=pipeline, by=by, room=room, changes={}, redeploys=release)
