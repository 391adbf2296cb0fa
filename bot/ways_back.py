"""The ways back: what each would do, shown before it is done, and where there is none, the reason and the ways out.

A run that goes on is taken back itself. What a run has left standing as gray is taken back by another. After the
official release, the version before is brought back (`rollback`), or any version, through the stages of today or at
once (`redeploy`). A place that cannot be asked keeps nobody from it: the question says why nothing can be shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.cards import Card, Tone
from bot.preview import Previews, imagined_run
from engine.definition import Pipeline
from engine.deployed import Deployed
from engine.errors import Broken, Interrupted, Offer, Refused, StageFailure
from engine.freezes import Subject
from engine.locks import Lock
from engine.model import Release, Run, RunId, Way
from engine.orders import reviewed, spec_of
from engine.pipeline import parse
from engine.ports import StoredPipeline
from engine.rollout.fleet import GoalKind
from engine.stages.rollout import placed_release, straight_spec
from engine.transitions import was_placed
from engine.variables import system_variables
from storage.book import SqlBook
from storage.store import SqlStore

ALL = 10_000


@dataclass(frozen=True, slots=True)
class Return:
    """A way back that can be taken, with a card that says what will happen.

    `run` goes on and is taken back; `left` is over, and the gray release that it left is; otherwise a new run of
    `pipeline` brings `release` back on its `way`. `now` is the number of the version that is deployed meanwhile.
    `is_empty`: nothing was placed.
    """

    card: Card
    run: Run | None = None
    left: Run | None = None
    release: Release | None = None
    pipeline: str = ""
    way: Way = Way.ROLL_BACK
    now: int | None = None
    is_empty: bool = False

    @property
    def locks(self) -> bool:
        """Whether the workload is locked when it has been taken."""
        return self.way is Way.ROLL_BACK and not self.is_empty


@dataclass(frozen=True, slots=True)
class WaysBack:
    """Finds ways back. Refuses where there is none."""

    previews: Previews

    async def back(self, name: str, version: int | None) -> Return:
        """Find the way back of a run or pipeline."""
        run = await self._store.read(lambda book: _active_run(book, name))
        if run is not None and version is None:
            return await self._out_of(run)
        if run is not None:
            raise Refused(f"Run {run.id} is going on.", f"`rollback {run.id}` takes it back first.")
        return await self._to_version(name, version)

    async def redeploy(self, name: str, number: int, *, fast: bool) -> Return:
        """Find the way to any version that was deployed before: reviewed, or at once."""
        stored = await self._store.read(lambda book: book.pipelines.load(name))
        workload = await self._store.read(lambda book: workload_of(book, stored))
        history = await self._store.read(lambda book: book.releases.history(workload, ALL))
        release = _numbered(history, number, stored)
        deployed = await self._store.read(lambda book: book.releases.deployed(workload))
        if deployed is not None and deployed.id == release.id:
            raise Refused(f"{release.image} is what is deployed now.", f"`versions {stored.name}` lists the others.")
        lock = await self._store.read(lambda book: book.locks.find(workload))
        _check_barred(lock, release)
        way = await (self._at_once if fast else self._reviewed)(stored, release, history)
        let_in = f"{lock}\nA redeploy of an earlier version is let in all the same.\n" if lock else ""
        return replace(way, card=replace(way.card, text=let_in + way.card.text))

    async def _at_once(self, stored: StoredPipeline, release: Release, history: list[Release]) -> Return:
        """Bring a version back as a rollback does; it is one when the version is older than what is deployed now."""
        is_older = _first_number(history, release) < _first_number(history, history[0])
        title = f"Redeploy {release.image} (version {release.number}) at once, without any review?"
        return await self._straight(title, stored, release, history, Way.ROLL_BACK if is_older else Way.FAST)

    async def _reviewed(self, stored: StoredPipeline, release: Release, history: list[Release]) -> Return:
        _, pipeline, again = reviewed(stored.text, release, system_variables(self.previews.clock.now(), 0))
        deployed = Deployed(release.workload, spec_of(again), again, history[0], pipeline=stored.name)
        kinds = [GoalKind.GRAY] if any(stage.gray for stage in pipeline.stages) else []
        title = f"Redeploy {release.image} (version {release.number}) of {release.workload}?"
        run = imagined_run(stored.name, release.workload)
        card = await self._shown(title, deployed, run, [*kinds, GoalKind.PROMOTE])
        card = replace(card, text=f"{_stages(pipeline)}\n{card.text}")
        return Return(card, release=release, pipeline=stored.name, way=Way.REVIEWED, now=history[0].number)

    async def _out_of(self, run: Run) -> Return:
        if not was_placed(run):
            raise Refused(f"Run {run.id} has not deployed anything yet.", f"`stop {run.id}` ends it.")
        if run.unwinding is not None:
            raise Refused(f"Run {run.id} is being taken back already.")
        deployed = await self.previews.deployed_by(run, back=True)
        if deployed is None:
            text = "Nothing of it takes traffic yet. The run ends rolled back."
            return Return(Card(f"Take {run.id} back?", Tone.ASKING, text), run=run, is_empty=True)
        back_to = _place_back(deployed.old)
        title = f"Roll {run.id} back to {back_to}?"
        return Return(await self._shown(title, deployed, run, [GoalKind.ROLL_BACK]), run=run)

    async def _to_version(self, name: str, version: int | None) -> Return:
        ended = await self._store.read(lambda book: book.runs.find(RunId(name)))
        pipeline = ended.pipeline if ended else name
        stored = await self._store.read(lambda book: book.pipelines.load(pipeline))
        workload = ended.workload if ended else await self._store.read(lambda book: workload_of(book, stored))
        left = await self._store.read(lambda book: _left_gray(book, workload))
        if left is not None and version is None and ended in (None, left):
            return await self._from_gray(left)
        history = await self._store.read(lambda book: book.releases.history(workload, ALL))
        if not history:
            raise Refused(f"{workload or stored.name} was never released; there is nothing to go back to.")
        if ended is not None and ended.id != history[0].run and version is None:
            raise Refused(
                f"Run {ended.id} is over, and what is deployed now came from {history[0].run}.",
                f"`rollback {stored.name}` goes back from that.",
            )
        lock = await self._store.read(lambda book: book.locks.find(workload))
        release = _chosen(history, version, stored, lock)
        title = f"Roll {workload} back from {history[0].image} to {release.image} (version {release.number})?"
        return await self._straight(title, stored, release, history, Way.ROLL_BACK)

    async def _from_gray(self, left: Run) -> Return:
        """Take back what a run has left standing as gray."""
        placed = placed_release(left)
        gray = await self._store.read(lambda book: book.releases.find(placed)) if placed else None
        if gray is None:
            raise Refused(f"Nothing is known of what {left.id} has left.", f"`retire {left.workload}` ends everything.")
        old = await self._store.read(lambda book: book.releases.deployed(left.workload))
        deployed = Deployed(left.workload, spec_of(gray), gray, old, pipeline=left.pipeline)
        back_to = _place_back(old)
        title = f"Take {gray.image}, which {left.id} left standing as gray, back to {back_to}?"
        return Return(await self._shown(title, deployed, left, [GoalKind.ROLL_BACK]), left=left)

    async def _straight(
        self, title: str, stored: StoredPipeline, release: Release, history: list[Release], way: Way
    ) -> Return:
        """Show what a run does that brings a version back in one stage."""
        workload = release.workload
        spec = straight_spec(release, parse(stored.text).pipeline.deployment)
        deployed = Deployed(workload, spec, release, history[0], pipeline=stored.name)
        card = await self._shown(title, deployed, imagined_run(stored.name, workload), [GoalKind.PROMOTE])
        if release.idle:
            said = f"Careful: version {release.number} had no instances. Afterwards nothing of {workload} runs."
            card = replace(card, tone=Tone.BAD, text=f"{said}\n{card.text}")
        return Return(card, release=release, pipeline=stored.name, way=way, now=history[0].number)

    async def _shown(self, title: str, deployed: Deployed, run: Run, kinds: list[GoalKind]) -> Card:
        """Show what is done on the way; of a place that cannot be asked now, why: it is ordered all the same."""
        try:
            return await self.previews.steps(title, deployed, run, kinds)
        except (Broken, Interrupted, StageFailure) as error:
            text = f"What it does cannot be shown now: {error} {error.hint}".rstrip()
            return Card(title, Tone.ASKING, f"{text}\nSay yes all the same: it is done as soon as that is over.")

    @property
    def _store(self) -> SqlStore:
        return self.previews.store


def _place_back(old: Release | None) -> str:
    if old is None:
        return "nothing: this was its first release"
    return f"{old.image}, which had no instances" if old.idle else old.image


def subject_of_pipeline(book: SqlBook, stored: StoredPipeline) -> Subject:
    """Tell what a run of the pipeline would belong to, for freezes."""
    return Subject(stored.name, stored.group, workload_of(book, stored))


def workload_of(book: SqlBook, stored: StoredPipeline) -> str:
    """Find the workload that the pipeline's latest run released: its name may come from a variable."""
    latest = book.runs.latest(stored.name, 1)
    return latest[0].workload if latest else parse(stored.text).pipeline.workload


def _active_run(book: SqlBook, name: str) -> Run | None:
    found = book.runs.find(RunId(name))
    if found is not None:
        return None if found.state.is_over else found
    active = [run for run in book.runs.active(name) if was_placed(run)]
    return active[0] if active else None


def _left_gray(book: SqlBook, workload: str) -> Run | None:
    run = book.releases.gray_of(workload)
    return book.runs.find(run) if run else None


def _numbered(history: Sequence[Release], number: int, stored: StoredPipeline) -> Release:
    found = next((release for release in history if release.number == number), None)
    if found is None:
        name = history[0].workload if history else stored.name
        raise Refused(f"{name} has no version {number}.", f"`versions {stored.name}` lists them.")
    return found


def _first_number(history: Sequence[Release], release: Release) -> int:
    """When this release was deployed for the first time: what came later was meant to take its place."""
    return min(one.number or 0 for one in history if one.id == release.id)


def _check_barred(lock: Lock | None, release: Release) -> None:
    if lock is not None and release.id in lock.barred:
        offer = Offer("Unlock", f"unlock {lock.workload}", danger=True)
        raise Refused(f"{release.image} is what {lock.workload} was rolled back from. {lock}", lock.way_out, (offer,))


def _chosen(history: list[Release], version: int | None, stored: StoredPipeline, lock: Lock | None) -> Release:
    now = history[0]
    has_gray = any(stage.gray for stage in parse(stored.text).pipeline.stages)
    if version is not None:
        found = _numbered(history, version, stored)
        if has_gray:
            why = "is released through a gray stage; only a pipeline without one can choose a version"
            raise _instead(f"{now.workload} {why}.", stored, found)
        _check_barred(lock, found)
        return found
    barred = lock.barred if lock else ()
    earlier = next((one for one in history[1:] if one.id != now.id and one.id not in barred), None)
    if earlier is None:
        raise Refused(f"{now.workload} has no earlier version than {now.image}.")
    strategy = now.settings["strategy"]
    if has_gray and strategy != "canary":
        why = f"was released with {strategy}; after the official release only canary can be rolled back"
        raise _instead(f"{now.workload} {why}.", stored, earlier)
    return earlier


def _instead(reason: str, stored: StoredPipeline, release: Release) -> Refused:
    """Refuse a rollback, with the ways to have that version again."""
    line = f"redeploy {stored.name} {release.number}"
    hint = (
        f"Redeploy {release.image}: `{line}` takes it through gray and review, `{line} fast` brings it back at once; "
        "both show first what they do."
    )
    again = Offer(f"Redeploy version {release.number}", line)
    return Refused(reason, hint, (again, Offer(f"Version {release.number} at once", f"{line} fast", danger=True)))


def _stages(pipeline: Pipeline) -> str:
    """The stages that a reviewed redeploy goes through, with those who are asked."""
    names = [f"{one.name} ({', '.join(one.review.reviewers)})" if one.review else one.name for one in pipeline.stages]
    return f"It goes through {' → '.join(names)}."
