"""How rows are chained: what is hashed of each, in which form, and what it is sealed with. Pure.

The danger is whoever can write to the database, and wants something not to have happened: a row changed, taken away,
put in, moved. The promise: `storage.verification` finds it and says where. Why it holds: the hash of each row of the
audit covers the hash of the row before it, so nothing can be changed without all that follows; and each hash is sealed
with a key that is kept apart from the database, so what follows cannot be made anew. The journal's entries are chained
by the transactions that wrote them, under the same key: the last entry of each carries the hash of all of them, and of
the transaction before. Every row of the audit names the journal's newest hash, so the two hold each other.

The audit's hashes need no key: whoever has an export can follow them. That they are ours, only the key can tell.

What a chain cannot tell of itself is that its end is missing. The anchor does that: the newest row's number and hash,
written to a file beside the database every few minutes (`bot.audit.marks`).
"""

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

FIELDS = ("seq", "key", "at", "person", "account", "room", "line", "outcome", "said", "journal_seq", "journal_hash")
"""What of a row of the audit is hashed, in this order, before the hash of the row before it."""
_SIZE = 16
"""Bytes of what is made with the key: enough where nobody can try without it. Written in hexadecimal digits."""


def moment(at: datetime) -> str:
    """Write a moment as it is hashed and exported: ``2026-03-01T12:00:00.000000Z``."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"


def hash_of(row: Mapping[str, Any], before: str) -> str:
    """Hash a row of the audit: SHA-256 of a JSON array of its `FIELDS` and the hash of the row `before`."""
    values = [moment(value) if isinstance(value := row[name], datetime) else value for name in FIELDS]
    text = json.dumps([*values, before], ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


class Sealing:
    """Seals hashes with a key; an empty key seals nothing, and chains the journal all the same."""

    def __init__(self, key: str = "") -> None:
        self._key = hashlib.sha256(key.encode()).digest() if key else b""
        self._fresh = hashlib.blake2b(key=self._key, digest_size=_SIZE)

    @property
    def has_key(self) -> bool:
        """Whether it seals anything."""
        return bool(self._key)

    @property
    def name(self) -> str:
        """How the key is told from others: eight digits that say nothing about it."""
        return self._mark("name")[:8]

    def seal(self, hashed: str) -> str:
        """Seal a row's hash; empty without a key."""
        return self._mark(f"audit\x1f{hashed}") if self._key else ""

    def opens(self, hashed: str, seal: str) -> bool:
        """Whether this key has sealed the hash."""
        return bool(self._key) and hmac.compare_digest(self.seal(hashed), seal)

    def of_entries(self, before: str, rows: Sequence[Mapping[str, Any]]) -> str:
        """Hash what one transaction added to the journal, and the hash `before` it.

        An entry's moment and person are in its document; the columns beside it repeat them.
        """
        entries = [f"\x1e{row['run']}\x1f{row['n']}\x1f{row['kind']}\x1f{row['document']}" for row in rows]
        sealing = self._fresh.copy()
        sealing.update(f"journal\x1f{before}{''.join(entries)}".encode())
        return sealing.hexdigest()

    def _mark(self, text: str) -> str:
        sealing = self._fresh.copy()
        sealing.update(text.encode())
        return sealing.hexdigest()
