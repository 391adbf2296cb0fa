"""What forges offer as answers: accounts, repositories and branches. Whoever knows them is handed in."""

from collections.abc import Sequence
from typing import Protocol

from engine.model import PersonId


class Offers(Protocol):
    """Looks things up for a person. Nothing is offered when a forge does not answer in a few seconds."""

    async def accounts(self, person: PersonId) -> Sequence[str]:
        """The code accounts that the person may use."""
        ...

    async def repositories(self, person: PersonId, account: str) -> Sequence[str]:
        """The addresses of the repositories that an account sees, those that are likely first."""
        ...

    async def refs(self, person: PersonId, account: str, address: str, kind: str) -> Sequence[str]:
        """The branches or the tags (`kind`) of the repository at an address."""
        ...


class NoOffers:
    """Nobody knows anything: people type their answers."""

    async def accounts(self, person: PersonId) -> Sequence[str]:  # noqa: ARG002 - the protocol's
        """None."""
        return ()

    async def repositories(self, person: PersonId, account: str) -> Sequence[str]:  # noqa: ARG002 - the protocol's
        """None."""
        return ()

    async def refs(self, person: PersonId, account: str, address: str, kind: str) -> Sequence[str]:  # noqa: ARG002
        """None."""
        return ()
