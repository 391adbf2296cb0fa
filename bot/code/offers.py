"""What forges offer whoever makes a pipeline: their code accounts, what those see, and its branches and tags.

Somebody waits for the next question meanwhile, so a forge that does not answer in a few seconds offers nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from bot.code.choosing import some_repositories
from bot.keyring import Keyring, may_use, usable
from engine.errors import SluiceError
from engine.forges.hosting import CodeHost, Page
from engine.forges.hosts import repository_path
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

    async def namespaces(self, person: PersonId, account: str, page: str = "") -> Page[str]:
        """Where an account sees repositories."""

        async def ask(host: CodeHost) -> Page[str]:
            found = await host.namespaces(page)
            return Page([one.path for one in found.items], found.next)

        return await self._asked(person, account, ask)

    async def repositories(self, person: PersonId, account: str, namespace: str = "", page: str = "") -> Page[str]:
        """The https addresses of the repositories that an account sees, all or those of a namespace."""

        async def ask(host: CodeHost) -> Page[str]:
            found = await some_repositories(host, namespace, page)
            return Page([one.clone for one in found.items], found.next)

        return await self._asked(person, account, ask)

    async def branches(self, person: PersonId, account: str, address: str, page: str = "") -> Page[str]:
        """The branches of the repository at an address, on the first page its default branch first."""

        async def ask(host: CodeHost) -> Page[str]:
            found = await host.branches(repository_path(address), page)
            first = "" if page else (await host.repository(repository_path(address))).default_branch
            names = [one.name for one in found.items]
            return Page(list(dict.fromkeys((first, *names) if first else names)), found.next)

        return await self._asked(person, account, ask)

    async def tags(self, person: PersonId, account: str, address: str, page: str = "") -> Page[str]:
        """The tags of the repository at an address."""

        async def ask(host: CodeHost) -> Page[str]:
            found = await host.tags(repository_path(address), page)
            return Page([one.name for one in found.items], found.next)

        return await self._asked(person, account, ask)

    async def _asked(
        self, person: PersonId, account: str, ask: Callable[[CodeHost], Awaitable[Page[str]]]
    ) -> Page[str]:
        try:
            async with asyncio.timeout(self.seconds):
                await self.store.read(lambda book: usable(book, person, account))
                return await ask(await self.keyring.host(account))
        except (SluiceError, TimeoutError, ValueError):
            return Page(())
