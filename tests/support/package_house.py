"""A package store behind a real port, with tokens, and senders that break off in the middle."""

import asyncio
import base64
import contextlib
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import httpx

from bot.hooks import door
from bot.packages.access import ByToken, new_token
from bot.packages.app import PackageWeb
from bot.packages.direct import Direct
from bot.packages.resumable import Resumable
from bot.uploads import Patience, Slots
from engine.model import Person, PersonId
from storage.package_files import PackageFiles
from storage.package_shelf import Limits, PackageShelf
from storage.package_tokens import Right
from storage.store import SqlStore
from tests.support.eventually import eventually
from tests.support.store import ANN, ManualClock, lay_tables, sqlite_at

ROOMY = Limits(file=64 * 1024 * 1024, organization=10**9, total=10**10)
TUS = {"Tus-Resumable": "1.0.0"}
PIECE = {**TUS, "Content-Type": "application/offset+octet-stream"}


@dataclass(repr=False)
class House:
    """An open store."""

    shelf: PackageShelf
    clock: ManualClock
    port: int
    web: PackageWeb
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/packages"

    async def token(
        self,
        right: Right = Right.WRITE,
        organization: str = "acme",
        person: PersonId = ANN,
        good_for: timedelta | None = None,
    ) -> str:
        """Make a token; returns what is shown of it."""
        made = new_token("ci", person, organization=organization, right=right, now=self.clock.now(), good_for=good_for)
        await self.shelf.store.transact(lambda book: book.packages.tokens.add(made.kept))
        return made.shown

    @asynccontextmanager
    async def client(self, token: str = "") -> AsyncIterator[httpx.AsyncClient]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with httpx.AsyncClient(base_url=self.url, headers=headers, timeout=20, trust_env=False) as client:
            yield client

    async def break_off(self, method: str, path: str, headers: Mapping[str, str], length: int, sent: bytes) -> None:
        """Announce `length` bytes, send some, and hang up when they are being received."""
        _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(request_head(method, path, {**headers, "Content-Length": str(length)}) + sent)
        await writer.drain()
        await eventually(lambda: self.receiving > 0)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    @property
    def receiving(self) -> int:
        """How many uploads are under way."""
        return self.web.direct.uploads.taken + self.web.resumable.slots.taken

    def drafts(self) -> list[Path]:
        return list((self.shelf.files.root / "drafts").glob("*"))


def request_head(method: str, path: str, headers: Mapping[str, str]) -> bytes:
    lines = [f"{method} /packages{path} HTTP/1.1", "Host: x", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


def metadata(**values: str) -> dict[str, str]:
    """What tus tells of a file."""
    pairs = [f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in values.items()]
    return {"Upload-Metadata": ",".join(pairs)}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@asynccontextmanager
async def a_house(
    home: Path,
    limits: Limits = ROOMY,
    patience: Patience | None = None,
    slots: int = 32,
    files: Callable[[Path], PackageFiles] = PackageFiles,
) -> AsyncIterator[House]:
    """Serve a store in `home`, which may have been served before."""
    lay_tables(home / "sluice.db")
    store = SqlStore.open(sqlite_at(home), migrate=False)
    store.start()
    clock = ManualClock()
    patience = patience or Patience()
    try:
        await store.transact(lambda book: book.people.add(Person(ANN)))
        shelf = PackageShelf(store, files(home / "packages"), clock, limits)
        web = PackageWeb(
            shelf,
            ByToken(store, clock),
            Direct(shelf, Slots(slots), Slots(slots), patience),
            Resumable(shelf, Slots(slots), patience),
        )
        async with door("127.0.0.1", 0, {"packages": web.app()}) as port:
            assert port
            yield House(shelf, clock, port, web)
    finally:
        store.close()
