"""What forges offer whoever makes a pipeline: their code accounts, what those see, and its branches and tags.

Somebody waits for the next question meanwhile, so a forge that does not answer in a few seconds offers nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from bot.keyring import Keyring, may_use, usable
from engine.errors import SluiceError
from engine.forges.hosting import CodeHost
from engine.model import PersonId
from storage.store import SqlStore

SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class ForgeOffers:
    """`bot.creating.offers.Offers` by the code accounts that people have bound."""

    store: SqlStore
    keyring: Keyring
    seconds: float = SECONDS

    async def accounts(self, person: PersonId) -> Sequence[str]:
        """The code accounts that the person may use."""
        found = await self.store.read(lambda book: book.code_accounts.all())
        return [one.name for one in found if may_use(one, person)]

    async def repositories(self, person: PersonId, account: str) -> Sequence[str]:
        """The https addresses of the repositories that an account sees, the forge's first page."""

        async def ask(host: CodeHost) -> list[str]:
            return [one.clone for one in (await host.repositories()).items]

        return await self._asked(person, account, ask)

    async def refs(self, person: PersonId, account: str, address: str, kind: str) -> Sequence[str]:
        """The branches or the tags (`kind`) of the repository at an address."""
        repository = urlsplit(address).path.strip("/").removesuffix(".git")

        async def ask(host: CodeHost) -> list[str]:
            page = await (host.branches if kind == "branches" else host.tags)(repository)
            return [one.name for one in page.items]

        return await self._asked(person, account, ask)

    async def _asked(
        self, person: PersonId, account: str, ask: Callable[[CodeHost], Awaitable[list[str]]]
    ) -> list[str]:
        try:
            async with asyncio.timeout(self.seconds):
                await self.store.read(lambda book: usable(book, person, account))
                return await ask(await self.keyring.host(account))
        except (SluiceError, TimeoutError, ValueError):
            return []
