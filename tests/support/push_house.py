"""The door for pushes and what stands behind it, on a database of its own, without a bot around it."""

from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.acting import Acting
from bot.pushes.door import PushDoor
from bot.pushes.intake import PushIntake
from bot.pushes.naming import Naming
from bot.web.room import LOBBY
from engine.clock import WallClock
from engine.control import Control
from engine.forges.hosting import ForgeName
from engine.model import PersonId, Run
from storage.attached import Attached
from storage.audit import Deed
from storage.pushes import KeptPush
from storage.store import SqlStore
from storage.vault import Vault, new_key
from tests.support.push_payloads import Posted, Told, payload_of, posted
from tests.support.store import lay_tables

REPOSITORY = "https://git.example.com/shop/api.git"
Message = MutableMapping[str, Any]


def definition(concurrency: str = "queue", forge: str = "github", repository: str = REPOSITORY) -> str:
    """A pipeline that pushes start, and that releases something."""
    return f"""
pipeline: shop
concurrency: {concurrency}
variables: {{tag: none}}
stages:
  - name: code
    source:
      git: {repository}
      auto_build:
        branches: ["*"]
        tags: ["*"]
        webhook: manual
        forge: {forge}
        parameters: {{tag: tag}}
  - name: image
    build: {{image: "shop/api:v1", builder: bundle}}
  - name: out
    official: {{service: {{port: 18080}}}}
"""


@dataclass
class House:
    """One pipeline, and its webhook of one forge."""

    store: SqlStore
    door: PushDoor
    intake: PushIntake
    one: Attached
    key: str
    asked: list[str] = field(default_factory=list)

    def open(self, mark: str) -> Attached | None:
        """The only webhook there is."""
        self.asked.append(mark)
        return self.one if mark == self.one.mark else None

    async def refused(self, one: Attached, why: str, *, is_unproven: bool) -> None:
        """What was not taken is not looked at here."""

    @property
    def forge(self) -> ForgeName:
        return ForgeName(self.one.forge)

    @property
    def secret(self) -> str:
        return self.door.naming.secret(self.one)

    def delivery(self, told: Told, number: str = "", *, sign: bool = False) -> Posted:
        """A delivery that proves itself."""
        at = self.intake.acting.clock.now().timestamp()
        return posted(self.forge, payload_of(self.forge, told), self.secret, number=number, at=at, sign=sign)

    async def post(self, delivery: Posted, *, path: str = "", method: str = "POST") -> int:
        """Deliver; returns the status that is answered."""

        async def receive() -> Message:
            return {"type": "http.request", "body": delivery.body, "more_body": False}

        headers = dict(delivery.headers) | {"Content-Length": str(len(delivery.body))}
        return await self.ask(headers, receive, path=path, method=method)

    async def ask(
        self,
        headers: MutableMapping[str, str],
        receive: Callable[[], Awaitable[Message]],
        *,
        path: str = "",
        method: str = "POST",
    ) -> int:
        """Ask as a web server would, reading the body with `receive`; returns the status that is answered."""
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        raw = [
            (name.lower().encode("latin-1", "replace"), value.encode("latin-1", "replace"))
            for name, value in headers.items()
        ]
        place = f"/push/{path or self.door.naming.token(self.one)}"
        scope = {"type": "http", "method": method, "path": place, "root_path": "/push", "headers": raw}
        await self.door(scope, receive, send)
        return int(sent[0]["status"])

    async def kept(self) -> list[KeptPush]:
        """Every delivery that was kept, newest first."""
        return await self.store.read(lambda book: book.pushes.latest("shop", 500))

    async def runs(self) -> list[Run]:
        """Every run, newest first."""
        return await self.store.read(lambda book: book.runs.latest("shop", 500))

    async def deeds(self) -> list[Deed]:
        """The audit, newest first."""
        return await self.store.read(lambda book: book.audit.latest(500))


@asynccontextmanager
async def a_house(
    place: Path,
    forge: ForgeName = ForgeName.GITHUB,
    concurrency: str = "queue",
    key: str = "",
    repository: str = REPOSITORY,
) -> AsyncIterator[House]:
    """Open the house; the same place may be opened again, with the same `key`."""
    clock = WallClock()
    lay_tables(place / "push.db")
    store = SqlStore.open(f"sqlite:///{place / 'push.db'}")
    store.start()
    key = key or new_key()
    naming = Naming(Vault([key]), "https://sluice.example.com")
    one = naming.marked(Attached("shop", repository, forge.value, "", "", state="manual"))
    intake = PushIntake(Acting(store, Control(store, clock), clock), LOBBY)
    try:
        text = definition(concurrency, forge.value, repository)
        await store.transact(lambda book: book.pipelines.save("shop", "default", text, PersonId("ann"), clock.now()))
        await store.transact(lambda book: book.attached.put(one))
        house = House(store, PushDoor(_Nobody(), naming, intake), intake, one, key)
        house.door.marks = house
        yield house
    finally:
        store.close()


class _Nobody:
    def open(self, _mark: str) -> Attached | None:
        return None

    async def refused(self, one: Attached, why: str, *, is_unproven: bool) -> None:
        pass
