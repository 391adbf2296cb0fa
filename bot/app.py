"""The composition root: makes every part and introduces it to the others. Nothing else knows all of them."""

import asyncio
import contextlib
import logging
import os
import secrets
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from bot.cards import Card, Tone
from bot.desk import Desk
from bot.dispatch import Dispatch
from bot.feed import Feed
from bot.preview import Previews
from bot.settings import Settings
from bot.terminal.door import Door
from bot.terminal.listen import listening
from bot.web.app import build_web
from bot.web.guard import LOOPBACK
from bot.web.room import LOBBY, WebChat
from bot.web.serve import WebServer
from bot.web.sessions import Sessions
from bot.web.traffic import TrafficSource
from engine.builders.bundle import BundleBuilder
from engine.clock import Timekeeper, WallClock
from engine.control import Control
from engine.deployment import Deployment
from engine.disk import try_lock
from engine.errors import Broken, Interrupted, SluiceError
from engine.forges.git import GitForge
from engine.model import Person, PersonId, RunId, StageKind
from engine.ports import Placement, Target
from engine.stages.build import BuildStage
from engine.stages.gray import GrayStage
from engine.stages.job import Act
from engine.stages.official import OfficialStage, WayBack
from engine.stages.review import ReviewStage
from engine.stages.rollout import Rollouts, deployment_part
from engine.stages.source import SourceStage
from engine.targets.process import ProcessTarget
from engine.worker import Worker
from storage.store import SqlStore

KEEP_EVERY = timedelta(seconds=4)
FORGET_EVERY = timedelta(hours=1)
INBOX_KEPT = timedelta(days=2)
STORE = "database"
"""The trouble with the database, beside those of the targets by name."""
_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class App:
    """One running Sluice."""

    settings: Settings
    store: SqlStore
    clock: WallClock
    control: Control
    targets: Mapping[str, Target]
    process: ProcessTarget
    builder: BundleBuilder
    worker: Worker
    dispatch: Dispatch
    chat: WebChat
    feed: Feed
    door: Door
    sessions: Sessions
    timekeeper: Timekeeper
    web: WebServer
    url: str = ""
    troubles: dict[str, str] = field(default_factory=dict)
    _tasks: list["asyncio.Task[None]"] = field(default_factory=list)
    _said: dict[str, tuple[str, ...]] = field(default_factory=dict)

    async def announce(self, sentence: str) -> None:
        """Say in the rooms what is broken or was mended."""
        _LOG.warning("%s", sentence)
        await self.chat.announce(LOBBY, Card(sentence, Tone.BAD))

    async def keep(self) -> None:
        """Look after the database, the targets, and workloads that no run is moving."""
        await self._keep_store()
        for name, target in self.targets.items():
            try:
                sentences = await target.keep()
                await self._tend(target)
            except SluiceError as error:
                sentences = (f"{error} {error.hint}".strip(),) if self.troubles.get(name) != str(error) else ()
                self.troubles[name] = str(error)
            else:
                if self.troubles.pop(name, None):
                    sentences = (*sentences, "That is mended; everything goes on.")
            for sentence in sentences:
                if sentence not in self._said.get(name, ()):
                    await self.announce(sentence)
            self._said[name] = tuple(sentences)

    async def _keep_store(self) -> None:
        """Say once what is wrong with the database, and once that it is mended."""
        sentence = self.store.trouble
        if not sentence:
            return
        if self.troubles.get(STORE) != sentence:
            self.troubles[STORE] = sentence
            await self.announce(sentence)
        if await self.store.recover(self.clock.now()):
            self.troubles.pop(STORE, None)
            await self.announce("The database takes what is written again; everything goes on.")

    async def _tend(self, target: Target) -> None:
        for workload in await self.store.read(lambda book: book.releases.workloads()):
            release = await self.store.read(lambda book, workload=workload: book.releases.deployed(workload))  # type: ignore[misc]
            if release is None:
                continue
            spec = Deployment.model_validate(deployment_part(release.settings))
            service = spec.service
            await target.tend(
                Placement(workload, service.port, {release.id: release}, service.preview_port, spec.drain)
            )

    async def forget(self) -> None:
        """Forget deliveries that no chat repeats any more."""
        before = self.clock.now() - INBOX_KEPT
        with contextlib.suppress(Broken, Interrupted):
            await self.store.transact(lambda book: book.chats.forget_inbox(before))

    def troubled(self, run: RunId, sentence: str) -> None:
        """The worker cannot go on with a run for now. What ails the database is said once, not for each run."""
        if sentence != self.store.trouble:
            words = f"{run}: {sentence}"
        elif self.troubles.get(STORE) != sentence:
            words = self.troubles[STORE] = sentence
        else:
            return
        task = asyncio.ensure_future(self.announce(words))
        self._tasks.append(task)
        task.add_done_callback(self._tasks.remove)


def build(
    settings: Settings, traffic: TrafficSource | None = None, targets: Mapping[str, Target] | None = None
) -> App:
    """Make every part; `targets` take the place of this machine. Nothing runs yet."""
    clock = WallClock()
    store = SqlStore.open(settings.database_url, synchronous=settings.synchronous)
    control = Control(store, clock)
    forge = GitForge(settings.home / "git", allow_local=settings.local_git, allow_http=settings.plain_git)
    builder = BundleBuilder(settings.home / "bundles", forge)
    process = ProcessTarget(settings.home / "workloads", builder.directory, clock, address=settings.instances_host)
    targets = targets or {"process": process}
    rollouts = Rollouts(store, targets, builder)
    acts: dict[StageKind, Act] = {
        StageKind.SOURCE: SourceStage(forge),
        StageKind.BUILD: BuildStage(builder),
        StageKind.GRAY: GrayStage(rollouts),
        StageKind.REVIEW: ReviewStage(rollouts),
        StageKind.OFFICIAL: OfficialStage(rollouts),
    }
    name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"
    worker = Worker(name, store, control, clock, acts, WayBack(rollouts))
    previews = Previews(store, clock, targets)
    troubles: dict[str, str] = {}
    desk = Desk(store, clock, targets, previews, settings.local_git, lambda: tuple(troubles.values()))
    dispatch = Dispatch(store, control, clock, desk, previews, settings.local_git)
    chat = WebChat(store, clock)
    sessions = Sessions(settings.home, clock)
    timekeeper = Timekeeper(store, control, clock, LOBBY)
    hosts = LOOPBACK | frozenset(settings.hosts)
    pages = build_web(dispatch, chat, sessions, clock, allowed_hosts=hosts, https=settings.https, traffic=traffic)
    app = App(
        settings=settings,
        store=store,
        clock=clock,
        control=control,
        targets=targets,
        process=process,
        builder=builder,
        worker=worker,
        dispatch=dispatch,
        chat=chat,
        feed=Feed(store, desk, {LOBBY: chat}),
        door=Door(dispatch, store, sessions),
        sessions=sessions,
        timekeeper=timekeeper,
        web=WebServer(pages, chat.hub, settings.host, settings.port),
        troubles=troubles,
    )
    worker.trouble = app.troubled
    timekeeper.chores = {
        "keep": (KEEP_EVERY, app.keep),
        "forget": (FORGET_EVERY, app.forget),
        "crons": (timedelta(seconds=30), timekeeper.plan_crons),
    }
    return app


@asynccontextmanager
async def running(
    settings: Settings, traffic: TrafficSource | None = None, targets: Mapping[str, Target] | None = None
) -> AsyncIterator[App]:
    """Run Sluice inside the `async with`. What it deployed goes on running after it."""
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = try_lock(settings.home / "lock")
    if lock is None:
        raise Broken(f"Another Sluice is at work in {settings.home}.", "Stop it, or choose another SLUICE_HOME.")
    try:
        app = build(settings, traffic, targets)
        app.store.start()
        try:
            async with _alive(app):
                yield app
        finally:
            await asyncio.to_thread(app.store.close)
    finally:
        os.close(lock)


@asynccontextmanager
async def _alive(app: App) -> AsyncIterator[None]:
    if app.store.engine.dialect.name == "sqlite":
        await app.store.transact(lambda book: book.runs.abandon(None))
    me = PersonId(os.environ.get("SLUICE_AS") or os.environ.get("USER") or "me")
    if await app.store.read(lambda book: book.people.find(me)) is None:
        await app.store.transact(lambda book: book.people.add(Person(me)))
    await app.builder.sweep()
    async with listening(app.door.app(), app.settings.socket):
        app.url = app.door.url = await app.web.start()
        tasks = [asyncio.create_task(app.worker.live()), asyncio.create_task(app.feed.live())]
        await app.timekeeper.start()
        try:
            yield
        finally:
            app.timekeeper.stop()
            await app.web.stop()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
