"""The audit's own marks: where sealing began, what of the journal is bound, and the anchor beside the database.

The danger is an end that is missing: rows that somebody took away from the newest on, or a database that was put back
as it was. The database cannot tell. So every few minutes the newest row's number and hash are written to a file in
Sluice's home, which whoever can write to the database alone cannot reach. What happened since then is the little that
can be lost unseen.

A newer anchor never takes the place of one that the database contradicts without a word: first a row is written into
the chain that says what is gone, which stays there and is told by every verification.
"""

import json
import logging
import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from engine.disk import disk_errors, write_whole
from engine.errors import Broken, SluiceError
from engine.ports import Clock
from storage.audit import GAP, Chained
from storage.book import SqlBook
from storage.chain import moment
from storage.store import SqlStore
from storage.vault import Vault
from storage.verification import Anchor, Verdict, verify

NAME = "audit.anchor"
PURPOSE, ABOUT = "audit", "chain"
_LOG = logging.getLogger(__name__)


def chain_key(vault: Vault) -> str:
    """Derive what the chain is sealed with now."""
    return vault.token(PURPOSE, ABOUT)


@dataclass(slots=True)
class Marks:
    """Keeps the marks of one Sluice, whose home is `home`."""

    store: SqlStore
    clock: Clock
    vault: Vault
    home: Path
    _kept: str = ""

    async def begin(self) -> str:
        """Write down, the first time with each key, that it seals from here on. Returns the installation's name."""
        now, name = self.clock.now(), secrets.token_hex(8)

        def begun(book: SqlBook) -> str:
            book.audit.begin(name, now)
            return book.audit.installation()

        return await self.store.transact(begun)

    async def keep(self) -> None:
        """Bind what the journal has added, and keep the anchor. Trouble with either is logged: it is tried again."""
        try:
            await self._keep()
        except SluiceError as error:
            _LOG.warning("The audit's anchor is not kept: %s", error)

    async def _keep(self) -> None:
        now = self.clock.now()
        if not self._kept:
            anchor = anchor_in(self.home)
            if anchor is not None:
                await self.store.transact(lambda book: _hold_against(book, anchor, now))
        head = await self.store.read(_bound)
        if head is None:
            head = await self.store.transact(lambda book: book.audit.bind(now))
        if head is not None and head.hash != self._kept:
            text = json.dumps({"seq": head.seq, "hash": head.hash, "at": moment(now)})
            with disk_errors(self.home):
                write_whole(self.home / NAME, text + "\n")
                (self.home / NAME).chmod(0o600)
            self._kept = head.hash

    async def verify(self) -> Verdict:
        """Look at every row of the audit and of the journal."""
        return await verify(self.store, self.vault.tokens(PURPOSE, ABOUT), anchor_in(self.home))


def _hold_against(book: SqlBook, anchor: Anchor, now: datetime) -> None:
    """Write down, once for each anchor, that the database does not know what the anchor knows."""
    there = book.audit.page(anchor.seq - 1, 1)
    if there and there[0].seq == anchor.seq and there[0].hash == anchor.hash:
        return
    head = book.audit.head()
    first = min(anchor.seq, head.seq + 1 if head else 1)
    _LOG.error("The audit lacks rows up to %s that the anchor knows.", anchor.seq)
    rows = f"Rows {first} to {anchor.seq} of the audit are gone or are others"
    said = f"{rows}: the anchor of {moment(anchor.at)} knew them."
    book.audit.mark(f"{GAP}{anchor.seq}:{anchor.hash[:16]}", "rows are missing", said, now)


def _bound(book: SqlBook) -> Chained | None:
    """The newest row, if it knows all of the journal."""
    head = book.audit.head()
    return head if head is not None and head.journal_seq >= book.journal.head() else None


def anchor_in(home: Path) -> Anchor | None:
    """Read the anchor that is kept in `home`; None when there is none yet. Raises `Broken` when it makes no sense."""
    path = home / NAME
    try:
        said = json.loads(path.read_text())
        return Anchor(int(said["seq"]), str(said["hash"]), datetime.fromisoformat(said["at"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        hint = "Somebody may have changed it. Without it, an end of the audit that is gone cannot be found."
        raise Broken(f"The anchor {path} cannot be read.", hint) from error
