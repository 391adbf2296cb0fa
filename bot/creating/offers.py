"""What forges offer as answers: accounts, and page by page namespaces, repositories, branches and tags.

Whoever knows them is handed in.
"""

from collections.abc import Sequence
from typing import Protocol

from engine.forges.hosting import Page
from engine.model import PersonId


class Offers(Protocol):
    """Looks things up for a person. Nothing is offered when a forge does not answer in a few seconds."""

    async def accounts(self, person: PersonId) -> Sequence[str]:
        """The code accounts that the person may use."""
        ...

    async def namespaces(self, person: PersonId, account: str, page: str = "") -> Page[str]:
        """Where an account sees repositories."""
        ...

    async def repositories(self, person: PersonId, account: str, namespace: str = "", page: str = "") -> Page[str]:
        """The addresses of the repositories that an account sees, all or those of a namespace, as the forge lists."""
        ...

    async def branches(self, person: PersonId, account: str, address: str, page: str = "") -> Page[str]:
        """The branches of the repository at an address; on the first page its default branch comes first."""
        ...

    async def tags(self, person: PersonId, account: str, address: str, page: str = "") -> Page[str]:
        """The tags of the repository at an address."""
        ...


class NoOffers:
    """Nobody knows anything: people type their answers."""

    async def accounts(self, person: PersonId) -> Sequence[str]:  # noqa: ARG002 - the protocol's
        """None."""
        return ()

    async def namespaces(self, person: PersonId, account: str, page: str = "") -> Page[str]:  # noqa: ARG002
        """None."""
        return Page(())

    async def repositories(self, person: PersonId, account: str, namespace: str = "", page: str = "") -> Page[str]:  # noqa: ARG002
        """None."""
        return Page(())

    async def branches(self, person: PersonId, account: str, address: str, page: str = "") -> Page[str]:  # noqa: ARG002
        """None."""
        return Page(())

    async def tags(self, person: PersonId, account: str, address: str, page: str = "") -> Page[str]:  # noqa: ARG002
        """None."""
        return Page(())
