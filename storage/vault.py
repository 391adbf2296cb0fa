"""What must be readable again and must never be read by others: sealed with a key that is kept apart from the database.

The danger is a database file, a backup or a query that somebody sees. What is sealed there is of no use without the key
of the settings, or of the key file that is made on the first start and that only its owner can read.
"""

import base64
import hashlib
import hmac
import os
from collections.abc import Sequence
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from engine.errors import Broken

_HOW_TO_MAKE = "Each is 32 bytes in URL-safe base64; `sluice key` prints a new one."


class Vault:
    """Seals with the first of `keys` and opens with any: to change the key, put a new one in front."""

    def __init__(self, keys: Sequence[str]) -> None:
        try:
            self._sealing = MultiFernet([Fernet(key) for key in keys])
            self._raw = tuple(base64.urlsafe_b64decode(key) for key in (keys[-1], *keys[-2::-1]))
        except (ValueError, IndexError) as error:
            raise Broken("A key that secrets are sealed with cannot be read.", _HOW_TO_MAKE) from error

    @classmethod
    def of_file(cls, path: Path) -> "Vault":
        """Use the keys in a file, a line each; made with mode 0600 and one new key if it does not exist."""
        try:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(new_key() + "\n")
                file.flush()
                os.fsync(file.fileno())
        except FileExistsError:
            pass
        except OSError as error:
            raise Broken(f"The key file {path} cannot be made: {error.strerror}.") from error
        try:
            return cls(path.read_text().split())
        except OSError as error:
            raise Broken(f"The key file {path} cannot be read: {error.strerror}.") from error

    def seal(self, text: str) -> str:
        """Seal `text`: what comes back differs each time, and says nothing without the key."""
        return self._sealing.encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str:
        """Open what was sealed. Raises `Broken` when it was sealed with a key that is not here any more."""
        try:
            return self._sealing.decrypt(sealed.encode()).decode()
        except InvalidToken as error:
            hint = "Put the key that it was sealed with behind the present one, or say it anew."
            raise Broken("A secret cannot be opened: it was sealed with another key.", hint) from error

    def token(self, purpose: str, about: str) -> str:
        """Derive an unguessable token of 43 URL-safe characters: always the same for one purpose and matter.

        It is derived from the oldest key, so that a new key in front of it changes no address that was given out.
        """
        return self.tokens(purpose, about)[0]

    def tokens(self, purpose: str, about: str) -> tuple[str, ...]:
        """Derive `token` from each key, the oldest first: for what was made when another key was the oldest."""
        marks = (hmac.new(raw, f"{purpose}\n{about}".encode(), hashlib.sha256).digest() for raw in self._raw)
        return tuple(base64.urlsafe_b64encode(mark).decode().rstrip("=") for mark in marks)


def new_key() -> str:
    """Make a key."""
    return Fernet.generate_key().decode()
