"""The composition root: makes every part and introduces it to the others. Nothing else knows all of them."""

import asyncio
import logging
import os
import secrets
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from bot.chat import Chat, Messenger
from bot.clusters import names_of, registries
from bot.desk import Desk, Transports
from bot.dispatch import Dispatch
from bot.feed import Feed
from bot.front import Front
from bot.intake import Intake
from bot.keeper import Keeper
from bot.pressing import Pressing
from bot.preview import Previews
from bot.settings import Settings
from bot.sites import Sites
from bot.slack.chat import SlackChat
from bot.slack.connect import connect as connect_slack
from bot.slack.ears import SlackEars
from bot.switchboard import Switchboard
from bot.telegram.connect import connect as connect_telegram
from bot.telegram.inbound import TelegramEars
from bot.telegram.outbound import TelegramChat
from bot.terminal.door import Door
from bot.terminal.listen import listening
from bot.tidying import Tidying
from bot.web.app import build_web
from bot.web.guard import LOOPBACK
from bot.web.room import LOBBY, WebChat
from bot.web.serve import WebServer
from bot.web.sessions import Sessions
from bot.web.traffic import TrafficSource
from engine.builders.bundle import BundleBuilder
from engine.clock import Timekeeper, WallClock
from engine.control import Control
from engine.disk import try_lock
from engine.errors import Broken, StageFailure
from engine.forges.git import GitForge
from engine.model import Person, PersonId, StageKind
from engine.ports import Target
from engine.stages.build import BuildStage
from engine.stages.gray import GrayStage
from engine.stages.job import Act
from engine.stages.official import OfficialStage, WayBack
from engine.stages.review import ReviewStage
from engine.stages.rollout import Rollouts
from engine.stages.source import SourceStage
from engine.targets.kubernetes.target import KubernetesTarget
from engine.targets.process import ProcessTarget
from engine.worker import Worker
from storage.store import SqlStore

KEEP_EVERY = timedelta(seconds=4)
TIDY_EVERY = timedelta(hours=1)
Connection = tuple[SlackChat | TelegramChat, SlackEars | TelegramEars]
STORE = "database"
"""The trouble with the database, beside those of the targets by name."""
_NAME_A_CLUSTER = 'Name one in SLUICE_CLUSTERS: README says how, under "On Kubernetes".'
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
    cluster: KubernetesTarget
    builder: BundleBuilder
    worker: Worker
    dispatch: Dispatch
    chat: WebChat
    feed: Feed
    intake: Intake
    switchboard: Switchboard
    door: Door
    sessions: Sessions
    timekeeper: Timekeeper
    web: WebServer
    keeper: Keeper
    url: str = ""
    broke: asyncio.Event = field(default_factory=asyncio.Event)


class Places(dict[str, Target]):
    """The targets by name. One that a definition may name but this version does not have is refused in words."""

    def __missing__(self, name: str) -> Target:
        if name == "kubernetes":
            raise StageFailure("This Sluice knows no cluster.", _NAME_A_CLUSTER)
        raise StageFailure(f"This version of Sluice cannot deploy to {name}.", "Write `target: process`.")


def build(
    settings: Settings,
    traffic: TrafficSource | None = None,
    targets: Mapping[str, Target] | None = None,
    messengers: Mapping[str, Messenger] | None = None,
) -> App:
    """Make every part; `targets` take the place of this machine, `messengers` of Slack and Telegram.

    Nothing runs yet.
    """
    connections = _connections(settings) if messengers is None else {}
    clock = WallClock()
    store = SqlStore.open(settings.database_url, synchronous=settings.synchronous)
    control = Control(store, clock)
    forge = GitForge(settings.home / "git", allow_local=settings.local_git, allow_http=settings.plain_git)
    builder = BundleBuilder(settings.home / "bundles", forge)
    process = ProcessTarget(settings.home / "workloads", builder.directory, clock, address=settings.instances_host)
    cluster = KubernetesTarget(Sites(settings, clock), clock)
    here: dict[str, Target] = {"process": process}
    targets = Places(targets or (here | {"kubernetes": cluster} if settings.clusters else here))
    rollouts = Rollouts(store, targets, builder, registries(settings.clusters))
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
    chat = WebChat(store, clock)
    keeper = Keeper(store, clock, chat, targets, rollouts)
    transports = Transports(settings.local_git, settings.plain_git, names_of(settings.clusters))
    desk = Desk(store, clock, targets, previews, transports, lambda: _troubles(keeper, switchboard, feed))
    pressing = Pressing(store, clock)
    speaking = {name: chat for name, (chat, _) in connections.items()} if messengers is None else dict(messengers)
    chats: dict[str, Chat] = {chat.name: chat, **speaking}
    dispatch = Dispatch(
        store, control, clock, desk, previews, transports, lambda room: room.partition(":")[0] in speaking
    )
    feed = Feed(store, desk, chats, (LOBBY,), keeper.lost)
    front = Front(store, desk)
    for spoken, heard in connections.values():
        spoken.pressing = pressing
        if isinstance(heard, SlackEars):
            heard.front = front
    ears = {name: heard for name, (_, heard) in connections.items()}
    switchboard = Switchboard(ears, settings.hooks_host, settings.hooks_port, keeper.announce)
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
        cluster=cluster,
        builder=builder,
        worker=worker,
        dispatch=dispatch,
        chat=chat,
        feed=feed,
        switchboard=switchboard,
        intake=Intake(store, clock, dispatch, pressing, feed, speaking),
        door=Door(dispatch, store, sessions),
        sessions=sessions,
        timekeeper=timekeeper,
        web=WebServer(pages, chat.hub, settings.host, settings.port),
        keeper=keeper,
    )
    tidying = Tidying(store, clock, builder, targets, timedelta(days=settings.keep_days))
    worker.trouble = keeper.troubled
    timekeeper.chores = {
        "keep": (KEEP_EVERY, keeper.keep),
        "tidy": (TIDY_EVERY, tidying.tidy),
        "crons": (timedelta(seconds=30), timekeeper.plan_crons),
    }
    return app


def _troubles(keeper: Keeper, switchboard: Switchboard, feed: Feed) -> tuple[str, ...]:
    """Everything that does not work now, a sentence each."""
    return (*keeper.troubles.values(), *switchboard.troubles(), *feed.troubles())


def _connections(settings: Settings) -> dict[str, "Connection"]:
    """Slack and Telegram, as far as they are set up."""
    made: list[Connection | None] = [connect_slack(settings), connect_telegram(settings)]
    return {one[0].name: one for one in made if one is not None}


@asynccontextmanager
async def running(
    settings: Settings,
    traffic: TrafficSource | None = None,
    targets: Mapping[str, Target] | None = None,
    messengers: Mapping[str, Messenger] | None = None,
) -> AsyncIterator[App]:
    """Run Sluice inside the `async with`. What it deployed goes on running after it."""
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings.home.chmod(0o700)
    lock = try_lock(settings.home / "lock")
    if lock is None:
        raise Broken(f"Another Sluice is at work in {settings.home}.", "Stop it, or choose another SLUICE_HOME.")
    try:
        app = build(settings, traffic, targets, messengers)
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
        for task in tasks:
            task.add_done_callback(lambda ended: _watch(app, ended))
        await app.timekeeper.start()
        await app.intake.recall()
        try:
            async with app.switchboard.connected(app.intake):
                yield
        finally:
            await app.intake.end()
            app.timekeeper.stop()
            await app.web.stop()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await app.cluster.close()


def _watch(app: App, ended: "asyncio.Task[None]") -> None:
    """The worker and the feed end with the bot; when one ends by itself, the bot must not go on without it."""
    if not ended.cancelled() and (error := ended.exception()) is not None:
        _LOG.critical("A part of Sluice broke; it ends.", exc_info=error)
        app.broke.set()
