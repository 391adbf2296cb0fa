"""The composition root: makes every part and introduces it to the others. Nothing else knows all of them."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from bot.acts.giving_up import make_giving_up
from bot.audit.feature import Auditing
from bot.audit.marks import Marks
from bot.cards import Card, Field, Tone
from bot.chat import Answer, Chat, Incoming, Messenger
from bot.code.feature import Code, connect_code
from bot.code.offers import ForgeOffers
from bot.creating.conversation import make_creating
from bot.creating.keeping import make_keeping
from bot.desk import Desk, Transports
from bot.dispatch import Dispatch
from bot.doorkeeper import Doorkeeper
from bot.feature import Feature, MakeFeature
from bot.freezes.feature import make_freezing
from bot.front import Front
from bot.ground import ground_of
from bot.groups import make_groups
from bot.inbox.intake import Intake
from bot.inbox.pressing import Pressing
from bot.keeper import Keeper
from bot.outside import Outside
from bot.outside import connect as connect_outside
from bot.packages.connect import for_machines, for_the_owner, talk_of
from bot.places.clusters import names_of
from bot.places.sites import Sites
from bot.preview import Previews
from bot.reach import reach_of
from bot.remarking import remark
from bot.rooms.feed import Feed
from bot.secrecy.kept import KeptSecrets
from bot.secrecy.redacting import watched
from bot.secrets_said import SecretsSaid
from bot.settings import Settings
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
from bot.works import works_of
from engine.builders.choice import Choice
from engine.clock import Timekeeper, WallClock
from engine.control import Control
from engine.disk import try_lock
from engine.errors import Broken
from engine.model import Person, PersonId, RoomId
from engine.ports import Target
from engine.targets.docker import DockerTarget
from engine.targets.kubernetes.target import KubernetesTarget
from engine.targets.process import ProcessTarget
from engine.worker import Worker
from storage.package_shelf import PackageShelf
from storage.store import SqlStore
from storage.vault import Vault

KEEP_EVERY = timedelta(seconds=4)
ATTACH_EVERY = timedelta(seconds=15)
TIDY_EVERY = timedelta(hours=1)
MARK_EVERY = timedelta(minutes=5)
Connection = tuple[SlackChat | TelegramChat, SlackEars | TelegramEars]
STORE = "database"
"""The trouble with the database, beside those of the targets by name."""
_LOG = logging.getLogger(__name__)


@dataclass(slots=True, repr=False)
class App:
    """One running Sluice."""

    settings: Settings
    store: SqlStore
    vault: Vault
    marks: Marks
    kept: KeptSecrets
    packages: PackageShelf
    clock: WallClock
    control: Control
    targets: Mapping[str, Target]
    process: ProcessTarget
    containers: DockerTarget
    sites: Sites
    cluster: KubernetesTarget
    builder: Choice
    worker: Worker
    dispatch: Dispatch
    chat: WebChat
    feed: Feed
    intake: Intake
    switchboard: Switchboard
    doorkeeper: Doorkeeper
    door: Door
    sessions: Sessions
    timekeeper: Timekeeper
    web: WebServer
    keeper: Keeper
    outside: Outside
    code: Code
    url: str = ""
    broke: asyncio.Event = field(default_factory=asyncio.Event)


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
    ground = ground_of(settings)
    clock, store, vault, kept, control = ground.clock, ground.store, ground.vault, ground.kept, ground.control
    packages, marks = ground.packages, ground.marks

    async def announce(said: str, tone: Tone, about: str | None) -> None:
        await keeper.announce(said, tone, about)

    def post(room: RoomId, card: Card) -> None:
        feed.post(room, card)

    async def define_all(incoming: Incoming, texts: Sequence[str]) -> list[Answer]:
        return await dispatch.defining.define_all(incoming, texts)

    async def say_in(room: str, said: str, tone: Tone) -> bool:
        there = chats.get(room.partition(":")[0])
        if there is not None:
            await there.post(RoomId(room), Card(said, tone))
        return there is not None

    code = connect_code(settings, store, vault, control, clock, room=LOBBY, announce=announce, say_in=say_in, post=post)
    code.keyring.redaction = ground.redaction
    works = works_of(ground, code.keyring, targets)
    targets = works.targets
    previews = Previews(store, clock, targets)
    chat = WebChat(store, clock)
    keeper = Keeper(store, clock, chat, targets, works.rollouts)
    transports = Transports(settings.local_git, settings.plain_git, names_of(settings.clusters))
    pressing = Pressing(store, clock)
    speaking = {name: chat for name, (chat, _) in connections.items()} if messengers is None else dict(messengers)
    desk = Desk(
        store,
        clock,
        targets,
        previews,
        transports,
        lambda: _troubles(keeper, switchboard, doorkeeper, feed, outside),
        frozenset(speaking),
        keeper.standing,
    )
    chats: dict[str, Chat] = {chat.name: chat, **speaking}
    outside = connect_outside(
        settings, store, vault, control, clock, chats=chats, announce=keeper.announce, lobby=LOBBY, secrets=kept
    )
    reach = reach_of(settings, lambda: switchboard.hooks)
    dispatch = Dispatch(
        store,
        control,
        clock,
        desk,
        previews,
        transports,
        lambda room: room.partition(":")[0] in speaking,
        features=(
            _replanning(lambda: timekeeper),
            make_groups,
            make_keeping,
            make_creating(transports, define_all, ForgeOffers(store, code.keyring)),
            outside.feature(reach),
            lambda _acting, _ask: Auditing(store, clock, marks).feature(),
            lambda acting, ask: SecretsSaid(acting, ask, kept).feature(),
            make_freezing,
            make_giving_up,
            talk_of(packages, reach),
            *code.features(),
        ),
        vault=vault,
    )
    feed = Feed(store, desk, chats, (LOBBY,), keeper.lost)
    keeper.tell = feed.alarms.tell
    dispatch.linking.left.append(lambda _account: feed.look_again())
    front = Front(store, desk)
    for spoken, heard in connections.values():
        spoken.pressing = pressing
        spoken.carry(packages.files)
        if isinstance(heard, SlackEars):
            heard.front = front
            dispatch.linking.left.append(heard.chat.leave)
    ears = {name: heard for name, (_, heard) in connections.items()}
    machines: dict[str, Callable[..., Awaitable[None]]] = {
        "push": code.door,
        "hooks": outside.hooks,
        "packages": for_machines(packages),
    }
    switchboard = Switchboard(ears, settings.hooks_host, settings.hooks_port, keeper.announce, machines)
    knocks = [heard.web.knocks for heard in ears.values() if heard.web is not None]
    doorkeeper = Doorkeeper(store, clock, keeper.announce, knocks)
    sessions = Sessions(settings.home, clock)
    timekeeper = Timekeeper(store, control, clock, LOBBY, lambda said, about: keeper.announce(said, about=about))
    pages = build_web(
        dispatch,
        chat,
        sessions,
        clock,
        allowed_hosts=LOOPBACK | frozenset(settings.hosts),
        https=settings.https,
        traffic=traffic,
        sights=dispatch.sights,
        packages=packages,
    )
    app = App(
        settings=settings,
        store=store,
        vault=vault,
        marks=marks,
        kept=kept,
        packages=packages,
        clock=clock,
        control=control,
        targets=targets,
        process=works.process,
        containers=works.containers,
        sites=works.sites,
        cluster=works.cluster,
        builder=works.builder,
        worker=works.worker,
        dispatch=dispatch,
        chat=chat,
        feed=feed,
        switchboard=switchboard,
        doorkeeper=doorkeeper,
        intake=Intake(store, clock, dispatch, pressing, feed, speaking),
        door=Door(dispatch, store, sessions, for_the_owner(packages)),
        sessions=sessions,
        timekeeper=timekeeper,
        web=WebServer(pages, chat.hub, settings.host, settings.port),
        keeper=keeper,
        outside=outside,
        code=code,
    )
    tidying = Tidying(store, clock, works.builder, targets, timedelta(days=settings.keep_days))
    works.worker.trouble = keeper.troubled
    timekeeper.chores = {
        "keep": (KEEP_EVERY, keeper.keep),
        "doors": (KEEP_EVERY, doorkeeper.keep),
        "tidy": (TIDY_EVERY, tidying.tidy),
        "packages": (TIDY_EVERY, lambda: tidying.tidy_packages(packages)),
        "webhooks": (ATTACH_EVERY, code.attaching.tend),
        "audit": (MARK_EVERY, marks.keep),
        "crons": (timedelta(seconds=30), timekeeper.plan_crons),
    }
    return app


def _replanning(timekeeper: Callable[[], Timekeeper]) -> MakeFeature:
    """Plan the clock's starts anew as soon as a pipeline is defined."""

    async def follow(_pipeline: str) -> Sequence[Field]:
        await timekeeper().plan_crons()
        return ()

    return lambda _acting, _ask: Feature({}, follows=(follow,))


def _troubles(
    keeper: Keeper, switchboard: Switchboard, doorkeeper: Doorkeeper, feed: Feed, outside: Outside
) -> tuple[str, ...]:
    """Everything that does not work now, a sentence each."""
    heard = (*switchboard.troubles(), *doorkeeper.troubles())
    return (*keeper.troubles.values(), *heard, *feed.troubles(), *outside.courier.troubles())


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
    settings.make_home()
    settings.home.chmod(0o700)
    lock = try_lock(settings.home / "lock")
    if lock is None:
        raise Broken(f"Another Sluice is at work in {settings.home}.", "Stop it, or choose another SLUICE_HOME.")
    try:
        app = build(settings, traffic, targets, messengers)
        app.store.start()
        try:
            with watched(app.kept.redaction):
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
        await app.outside.courier.recall()
    app.sites.installation = await app.marks.begin()
    await app.marks.keep()
    await app.kept.recall()
    me = PersonId(os.environ.get("SLUICE_AS") or os.environ.get("USER") or "me")
    if await app.store.read(lambda book: book.people.find(me)) is None:
        await app.store.transact(lambda book: book.people.add(Person(me)))
    await app.builder.sweep()
    if said := await app.store.transact(lambda book: remark(book, app.vault)):
        await app.keeper.announce(said, Tone.STOPPED)
    await app.code.attaching.load()
    async with listening(app.door.app(), app.settings.socket):
        app.url = app.door.url = await app.web.start()
        outside, code = app.outside, app.code
        lives = (app.worker.live(), app.feed.live(), outside.herald.live(), outside.courier.live(), code.intake.live())
        tasks = [asyncio.create_task(life) for life in lives]
        for task in tasks:
            task.add_done_callback(lambda ended: _watch(app, ended))
        await app.timekeeper.start()
        await app.intake.recall()
        try:
            async with app.switchboard.connected(app.intake):
                try:
                    yield
                finally:
                    await app.intake.end()
        finally:
            app.timekeeper.stop()
            await app.web.stop()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await app.cluster.close()
            await app.containers.close()
            await app.outside.close()
            await app.code.close()


def _watch(app: App, ended: "asyncio.Task[None]") -> None:
    """The worker and the feed end with the bot; when one ends by itself, the bot must not go on without it."""
    if not ended.cancelled() and (error := ended.exception()) is not None:
        _LOG.critical("A part of Sluice broke; it ends.", exc_info=error)
        app.broke.set()
