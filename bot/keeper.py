"""Looks after everything that no run is moving just now, and says in the rooms what is broken and what was mended.

While people are asked about a gray release nobody else asks the strategy, so this does: visitors leave a group that
has lost its instances, stable gets its strength back, and what is seen of both is shown. Each workload is looked after
on its own: one that cannot be helped does not keep the others waiting.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace

from bot.cards import Card, Tone
from bot.web.room import LOBBY, WebChat
from engine.deployed import Deployed, Standing
from engine.deployment import Deployment, target_of
from engine.errors import SluiceError
from engine.model import Release, RoomId, Run, RunId, RunState, StageKind, StageRun, StageState
from engine.ports import Clock, Target
from engine.stages.job import Job
from engine.stages.rollout import Rollouts, deployment_part, placed_release
from engine.worker import pipeline_of
from storage.book import SqlBook
from storage.store import SqlStore

STORE = "database"
_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class Keeper:
    """Keeps. `troubles` are the sentences of what is broken now, by what is.

    `tell` says a card in rooms of chats, to whom a run, a workload or a pipeline (empty: everything) concerns.
    """

    store: SqlStore
    clock: Clock
    chat: WebChat
    targets: Mapping[str, Target]
    rollouts: Rollouts
    tell: Callable[[Card, str], Awaitable[None]] | None = None
    troubles: dict[str, str] = field(default_factory=dict)
    _said: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _standing: dict[str, tuple[Run, Standing]] = field(default_factory=dict)
    _quiet: set[str] = field(default_factory=set)
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    async def announce(self, sentence: str, tone: Tone = Tone.BAD, about: str | None = "") -> None:
        """Say in the rooms what is broken or was mended.

        `about` is the run, the workload or the pipeline; empty: all; None: nothing of these, so the lobby alone hears.
        """
        card = await self._show(sentence, tone)
        if self.tell is not None and about is not None:
            await self.tell(card, about)

    async def lost(self, room: RoomId, why: str) -> None:
        """A room cannot be told anything more, which is nothing for the other ones."""
        await self._show(f"{room} is not told anything more: {why}", Tone.BAD)

    async def _show(self, sentence: str, tone: Tone) -> Card:
        _LOG.warning("%s", sentence)
        card = Card(sentence, tone)
        await self.chat.announce(LOBBY, card)
        return card

    def troubled(self, run: RunId, sentence: str) -> None:
        """The worker cannot go on with a run for now. What ails the database is said once, not for each run."""
        about = ""
        if sentence != self.store.trouble:
            words, about = f"{run}: {sentence}", run
        elif self.troubles.get(STORE) != sentence:
            words = self.troubles[STORE] = sentence
        else:
            return
        task = asyncio.ensure_future(self.announce(words, about=about))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def keep(self) -> None:
        """Look after the database, the places, and the workloads."""
        await self._keep_store()
        for name, target in self.targets.items():
            await self._keep_target(name, target)
        try:
            workloads, ending = await self.store.read(lambda book: (book.releases.workloads(), book.releases.ending()))
        except SluiceError:
            return
        self._standing = {name: seen for name, seen in self._standing.items() if name in workloads}
        for workload in workloads:
            await self._keep_workload(workload)
        for workload in ending:
            await self._end(workload)

    async def _keep_store(self) -> None:
        sentence = self.store.trouble
        if not sentence:
            return
        if self.troubles.get(STORE) != sentence:
            self.troubles[STORE] = sentence
            await self.announce(sentence)
        if await self.store.recover(self.clock.now()):
            self.troubles.pop(STORE, None)
            await self.announce("The database takes what is written again; everything goes on.", Tone.GOOD)

    async def _keep_target(self, name: str, target: Target) -> None:
        try:
            sentences = await target.keep()
        except SluiceError as error:
            sentences = (f"{error} {error.hint}".strip(),)
        for sentence in sentences:
            if sentence not in self._said.get(name, ()):
                await self.announce(sentence, about=await self._whose(name, sentence))
        self._said[name] = tuple(sentences)

    async def _whose(self, target: str, sentence: str) -> str | None:
        """The workload that a place's sentence names, or an instance of; empty: the place itself; None: not known."""
        try:
            workloads = await self.store.read(lambda book: book.releases.workloads())
        except SluiceError:
            return None
        words = [word.rstrip(".:,") for word in sentence.split()]
        names = sorted((one for one in workloads if target_of(one) == target), key=len, reverse=True)
        return next((one for one in names if any(_names(word, one) for word in words)), "")

    async def _keep_workload(self, workload: str) -> None:
        try:
            await self._tend(workload)
        except SluiceError as error:
            if self.troubles.get(workload) != str(error):
                self.troubles[workload] = str(error)
                if any(str(error) in said for said in self._said.values()):
                    self._quiet.add(workload)  # its whole place has said so, and says when it is mended
                else:
                    await self.announce(f"{workload}: {error} {error.hint}".strip(), about=workload)
            return
        if self.troubles.pop(workload, None) and workload not in self._quiet:
            await self.announce(f"{workload}: that is mended; everything goes on.", Tone.GOOD, workload)
        self._quiet.discard(workload)

    async def _end(self, workload: str) -> None:
        """End what is left of a retired workload."""
        try:
            await self.targets[target_of(workload)].forget(workload)
            await self.store.transact(lambda book: book.releases.ended(workload))
        except SluiceError as error:
            _LOG.warning("%s is not ended yet: %s", workload, error)
            return
        await self.announce(f"Nothing of {workload} runs any more.", Tone.STOPPED)

    async def _tend(self, workload: str) -> None:
        run, releases = await self.store.read(lambda book: _standing(book, workload))
        if run is None or not waits_with_gray(run):
            self._standing.pop(workload, None)
        if not releases:
            return
        spec = Deployment.model_validate(deployment_part(releases[-1].settings))
        known = {release.id: release for release in releases}
        if run is None and target_of(workload) == "kubernetes":
            return  # a cluster keeps what runs in it by itself
        whose = (run.pipeline, run.id) if run else ("", "")
        deployed = Deployed(workload, spec, releases[-1], releases[0], *whose)
        place = replace(deployed.placement(), releases=known)
        await self.targets[spec.target].tend(place)
        if run is not None and waits_with_gray(run):
            await self._watch(run)

    async def _watch(self, run: Run) -> None:
        pipeline = await self.store.read(lambda book: pipeline_of(book, run))
        job = Job(run, pipeline, None, lambda _text: None, self.clock.now, lambda _note, _outputs: _same(run))
        done, standing = await self.rollouts.watch(job)
        if done:
            await self.announce(f"{run.id}: a group has lost or found its instances. {done}.", about=run.id)
        before, last = self._standing.get(run.workload, (run, standing))
        known = last.changed if before.id == run.id else ()
        self._standing[run.workload] = run, replace(standing, changed=known)
        changed = tuple(map(str, await self.rollouts.strangers(job)))
        for sentence in changed:
            if sentence not in known:
                said = f"{run.id}: {sentence} You are asked about it when the release goes on."
                await self.announce(said, about=run.id)
        self._standing[run.workload] = run, replace(standing, changed=changed)

    def standing(self, run: Run) -> Standing | None:
        """What there was of the gray release that `run` waits with, at the last look since it has waited like this."""
        seen = self._standing.get(run.workload)
        return seen[1] if seen is not None and _moment(seen[0]) == _moment(run) else None


def _moment(run: Run) -> tuple[RunId, RunState, int, int, str]:
    """Where a run waits, and with what."""
    return run.id, run.state, run.position, run.stage.attempt, run.stage.fingerprint


def _standing(book: SqlBook, workload: str) -> tuple[Run | None, list[Release]]:
    """Find the run that has the workload, and the releases that may have instances: the run's own last.

    A run that is over still has the gray release that it has left standing.
    """
    holder = book.runs.holder(workload) or book.releases.gray_of(workload)
    run = book.runs.find(holder) if holder else None
    placed = placed_release(run) if run else None
    releases = [book.releases.deployed(workload), book.releases.find(placed) if placed else None]
    return run, [release for release in releases if release is not None]


def waits_with_gray(run: Run) -> bool:
    """Whether the gray instances have been placed and the run waits, before anything is promoted."""
    is_gray = any(stage.kind is StageKind.GRAY and stage.state is StageState.SUCCEEDED for stage in run.stages)
    is_official = any(stage.kind is StageKind.OFFICIAL and _has_begun(stage) for stage in run.stages)
    return run.state is RunState.WAITING and is_gray and not is_official


def _has_begun(stage: StageRun) -> bool:
    """Whether the stage may have placed something; one that a freeze keeps from beginning has not in this go."""
    return stage.attempt > 0 and (stage.state is not StageState.FROZEN or bool(stage.outputs))


def _names(word: str, workload: str) -> bool:
    """Whether a word is the name of a workload, or of one of its instances."""
    return ("/" in workload and word == workload) or word.startswith(f"{workload.rpartition('/')[2]}-")


async def _same(run: Run) -> Run:
    return run
