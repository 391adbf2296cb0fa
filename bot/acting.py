"""How a line changes something: in one transaction, together with remembering that the line was delivered."""

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from bot.cards import Card, Tone
from bot.chat import Answer, Incoming
from bot.rights.grants import check
from bot.secrecy.codes import without_code
from bot.secrecy.lines import masked, without_logins
from engine import commands as c
from engine.control import Control
from engine.errors import Refused
from engine.locks import LONGEST_REASON
from engine.model import Run, RunId
from engine.ports import Clock
from storage.audit import Deed
from storage.book import SqlBook
from storage.store import SqlStore

T = TypeVar("T")


def deed_of(incoming: Incoming, now: datetime, outcome: str, said: str) -> Deed:
    """What somebody said and what came of it, for the audit."""
    return Deed(
        key=incoming.key or f"none:{secrets.token_hex(12)}",
        at=now,
        person=incoming.person,
        account=incoming.account,
        room=incoming.room,
        line=audited(incoming.line),
        outcome=outcome,
        said=without_logins(said),
    )


def reason_of(words: Iterable[str]) -> str:
    """The reason that the rest of a line gives; what is longer than is kept ends in dots."""
    reason = " ".join(words)
    return reason if len(reason) <= LONGEST_REASON else f"{reason[: LONGEST_REASON - 1]}…"


def audited(line: str) -> str:
    """The first line without what is secret in it (a code, a token)."""
    return without_code(masked(line.strip()).partition("\n")[0])


@dataclass(frozen=True, slots=True)
class Acting:
    """What everything that acts is made of."""

    store: SqlStore
    control: Control
    clock: Clock

    async def once(self, incoming: Incoming, work: Callable[[SqlBook], T], words: str = "") -> T | None:
        """Do `work` in one transaction, unless this delivery was carried out before.

        The same transaction writes it down: what was done is in the audit, and what is in the audit was done. And it
        asks whether they may, for a right may have been taken away since that was asked before.
        """
        return await self.store.transact(lambda book: self.once_in(book, incoming, work, words))

    def once_in(self, book: SqlBook, incoming: Incoming, work: Callable[[SqlBook], T], words: str = "") -> T | None:
        """Do the same in a transaction that is open already."""
        now = self.clock.now()
        if incoming.key and not book.chats.is_new(incoming.key, now):
            return None
        check(book, incoming)
        done = work(book)
        said = done.title if isinstance(done, Card) else words
        book.audit.add(deed_of(incoming, now, "done", said))
        return done

    async def change(self, incoming: Incoming, command: c.Command, words: str) -> list[Answer]:
        """Submit `command` once and answer with `words`; a repeated delivery is answered with nothing."""
        run = await self.once(incoming, lambda book: self.control.apply(book, command), words)
        return [] if run is None else [Answer(Card(words, Tone.PLAIN), private=True)]

    async def meant(self, name: str) -> Run:
        """The run of this name, or the one active run of the pipeline of this name."""
        found = await self.store.read(lambda book: book.runs.find(RunId(name)))
        if found is not None:
            return found
        active = await self.store.read(lambda book: book.runs.active(name))
        if len(active) == 1:
            return active[0]
        if active:
            names = " and ".join(run.id for run in active)
            raise Refused(f"{name} has {len(active)} runs going on: {names}.", "Say which of them.")
        if name in await self.store.read(lambda book: book.pipelines.names()):
            raise Refused(f"No run of {name} is going on.", f"`runs {name}` lists the latest ones.")
        return await self.store.read(lambda book: book.runs.load(RunId(name)))
