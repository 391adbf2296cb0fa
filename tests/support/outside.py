"""Hooks, channels and the outbox without a bot: a store, a clock that stands, and a worker's hand that a test moves."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import httpx
from sqlalchemy import update

from bot.cards import Tone
from bot.heralds.courier import Courier
from bot.heralds.herald import Herald
from bot.heralds.lanes import Lane
from bot.heralds.messages import Messages
from bot.machines.answering import Answering
from bot.machines.stage_hooks import StageHooks
from bot.wiring import SECRET, TOKEN, rewire
from engine import commands as c
from engine.addresses import Network
from engine.control import Control
from engine.errors import SluiceError
from engine.model import PersonId, Run, RunId
from engine.orders import Order
from engine.pipeline import parse
from engine.transitions import ENGINE
from engine.triggers import Triggers
from storage.hooks import Scope, Trigger
from storage.outbox import Parcel
from storage.store import SqlStore
from storage.tables import pipeline_versions
from storage.vault import Vault, new_key
from tests.support.store import ANN, LOBBY, ManualClock, lay_tables, sqlite_at


@dataclass
class Outbound:
    """A lane that keeps what it is given; `fails` are raised in turn. What is for `slow` waits until `goes_on`."""

    sent: list[Parcel] = field(default_factory=list)
    fails: list[SluiceError | None] = field(default_factory=list)
    slow: str | Collection[str] = ""
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, parcel: Parcel) -> None:
        self.sent.append(parcel)
        if parcel.shown in self.slow:
            await self.goes_on.wait()
        error = self.fails.pop(0) if self.fails else None
        if error is not None:
            raise error


@dataclass
class Outside:
    """Everything between runs and the world, on `store`."""

    store: SqlStore
    lanes: Mapping[str, Lane] = field(default_factory=dict)
    proxies: tuple[Network, ...] = ()
    clock: ManualClock = field(default_factory=ManualClock)
    vault: Vault = field(default_factory=lambda: Vault([new_key()]))
    said: list[tuple[str, Tone]] = field(default_factory=list)
    about: list[str] = field(default_factory=list)
    ticks: float = 0.0
    control: Control = field(init=False)
    triggers: Triggers = field(init=False)
    courier: Courier = field(init=False)
    herald: Herald = field(init=False)
    hooks: StageHooks = field(init=False)

    def __post_init__(self) -> None:
        self.control = Control(self.store, self.clock)
        self.triggers = Triggers(self.control, LOBBY)
        answering = Answering(self.vault, self.triggers)
        self.hooks = StageHooks(self.store, answering, self.clock, self.proxies, ticks=lambda: self.ticks)
        self.start_telling()

    def start_telling(self) -> None:
        """Begin anew, as after a restart."""
        self.courier = Courier(self.store, self.clock, self.lanes, self._announce)
        messages = Messages(self.vault, self.clock, self.triggers, "https://sluice.example.com")
        self.herald = Herald(self.store, messages, self.courier, self._announce)

    async def _announce(self, sentence: str, tone: Tone, about: str = "") -> None:
        self.said.append((sentence, tone))
        self.about.append(about)

    async def define(self, *texts: str) -> None:
        """Keep definitions."""
        for text in texts:
            name = parse(text).pipeline.pipeline
            await self.store.transact(
                lambda book, name=name, text=text: book.pipelines.save(name, "default", text, ANN, self.clock.now())  # type: ignore[misc]
            )

    async def spoil(self, pipeline: str, version: int) -> None:
        """Make a definition one that cannot be read, as one from another time may be."""
        is_it = (pipeline_versions.c.name == pipeline) & (pipeline_versions.c.version == version)
        spoilt = update(pipeline_versions).where(is_it).values(text="stages: [{}]")
        await self.store.transact(lambda book: book.write(spoilt))

    async def start(self, pipeline: str, by: PersonId = ANN, depth: int = 0, **changes: str) -> RunId:
        """Start a run."""
        order = Order(pipeline=pipeline, by=by, room=LOBBY, changes=changes, depth=depth)
        return (await self.control.request(order)).id

    async def succeed(self, run: str) -> Run:
        """The stage that the run is at does what it is for."""
        return await self._report(run, None)

    async def fail(self, run: str, reason: str = "It broke.") -> Run:
        """The stage that the run is at fails."""
        return await self._report(run, reason)

    async def _report(self, name: str, reason: str | None) -> Run:
        now = self.clock.now()
        claims = await self.store.transact(lambda book: book.runs.claim("test", now, now + timedelta(hours=1), 50))
        run = await self.run(name)
        token = next(claim.token for claim in claims if claim.run == run.id)
        if reason is None:
            done: c.Command = c.ReportSuccess(
                run=run.id, by=ENGINE, stage=run.position, attempt=run.stage.attempt, token=token
            )
        else:
            done = c.ReportFailure(
                run=run.id, by=ENGINE, stage=run.position, attempt=run.stage.attempt, token=token, reason=reason
            )
        after = await self.control.submit(done)
        await self.store.transact(lambda book: book.runs.abandon("test"))
        return after

    async def run(self, name: str) -> Run:
        """The run as it is now."""
        return await self.store.read(lambda book: book.runs.load(RunId(name)))

    async def runs(self, pipeline: str) -> list[Run]:
        """The pipeline's runs, newest first."""
        return await self.store.read(lambda book: book.runs.latest(pipeline, 50))

    async def tell(self) -> None:
        """Let the herald tell what has happened, and the courier send what is due."""
        await self.herald.catch_up()
        await self.send()

    async def send(self) -> None:
        """Let the courier send what is due now, until nothing is."""
        due: datetime | None = self.clock.now()
        while due is not None and due <= self.clock.now():
            await self.courier.send_what_is_due()
            await self.courier.rest_is_sent()
            due = await self.store.read(lambda book: book.outbox.next_due())

    async def outbox(self) -> list[Parcel]:
        """Every message, oldest first."""
        return (await self.store.read(lambda book: book.outbox.latest(500)))[::-1]

    async def called(self, pipeline: str | None = None) -> list[Trigger]:
        """Every call, oldest first."""
        return (await self.store.read(lambda book: book.hooks.latest(pipeline, 500)))[::-1]

    async def path(self, pipeline: str, scope: Scope, name: str) -> str:
        """Where a hook is called."""
        await self.store.transact(lambda book: rewire(book, self.vault))
        hook = await self.store.read(lambda book: book.hooks.find(pipeline, scope, name))
        assert hook is not None
        return f"/{'pipeline' if scope == 'start' else 'stage'}/{self.vault.token(TOKEN, hook.about)}"

    def secret(self, pipeline: str, scope: Scope, name: str) -> str:
        """What the hook's first calls are signed with."""
        return self.vault.token(SECRET, f"{pipeline}/{scope}/{name}/1")

    def client(self, source: str = "192.0.2.7") -> httpx.AsyncClient:
        """Somebody who calls hooks from that address."""
        transport = httpx.ASGITransport(self.hooks, raise_app_exceptions=True, client=(source, 1))
        return httpx.AsyncClient(transport=transport, base_url="http://hooks")


@asynccontextmanager
async def outside(path: Path, lanes: Mapping[str, Lane] | None = None, **more: object) -> AsyncIterator[Outside]:
    """Everything, on a new SQLite database in `path`."""
    lay_tables(path / "sluice.db")
    store = SqlStore.open(sqlite_at(path), migrate=False)
    store.start()
    try:
        yield Outside(store, lanes or {}, **more)  # type: ignore[arg-type]
    finally:
        store.close()
