"""What a webhook is given: an address that nobody can guess, and a secret that its deliveries prove themselves with.

Both are derived from the vault's key, so nothing of them is kept; of the address its hash is, to find it again.
"""

from dataclasses import dataclass, replace

from engine.calls import mark_of
from storage.attached import Attached
from storage.vault import Vault

MOUNTED = "push"
"""Where the door for pushes stands on the port for machines."""
TOKEN_LENGTH = 43


@dataclass(frozen=True, slots=True)
class Naming:
    """Derives addresses and secrets. `url` is the public address that leads to the port for machines, if there is."""

    vault: Vault
    url: str = ""

    def address(self, one: Attached) -> str:
        """Where the webhook delivers."""
        return f"{self.url.rstrip('/')}/{MOUNTED}/{self.token(one)}"

    def token(self, one: Attached) -> str:
        """The last part of the address."""
        return self.vault.token("push", _about(one))

    def secret(self, one: Attached) -> str:
        """What deliveries prove themselves with."""
        return self.vault.token("push secret", _about(one))

    def marked(self, one: Attached) -> Attached:
        """Return it with the hash of its address."""
        return replace(one, mark=mark_of(self.token(one)))

    def earlier(self, one: Attached) -> frozenset[str]:
        """Return the addresses that it had before this generation."""
        return frozenset(self.address(replace(one, generation=number)) for number in range(1, one.generation))


def _about(one: Attached) -> str:
    return f"{one.pipeline}\n{one.repository}\n{one.generation}"
