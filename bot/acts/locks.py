"""Locking a workload by hand, and unlocking it: asked about first, because what is let in then may be what was bad."""

from dataclasses import dataclass, replace

from bot.acting import Acting, reason_of
from bot.cards import Button, Card, Field, Tone
from bot.chat import Answer, Incoming
from bot.desk import Desk
from bot.feature import Ask
from bot.grammar import Said
from engine.errors import Refused
from engine.locks import Lock
from engine.model import Json
from storage.book import SqlBook


@dataclass(frozen=True, slots=True)
class Locking:
    """Locks and unlocks."""

    acting: Acting
    desk: Desk
    ask: Ask

    async def lock(self, incoming: Incoming, said: Said) -> list[Answer]:
        """Let nothing be released until somebody unlocks it. What is going on goes on."""
        workload = await self.workload(said.words[0])
        reason = reason_of(said.words[1:])
        lock = Lock(workload, reason, incoming.person, self.acting.clock.now())
        card = await self.acting.once(incoming, lambda book: _locked(book, lock))
        return [] if card is None else [Answer(card)]

    async def unlock(self, incoming: Incoming, said: Said) -> list[Answer]:
        """Show the lock, and ask."""
        workload = await self.workload(said.words[0])
        lock = await self.acting.store.read(lambda book: _standing(book, workload))
        reason = reason_of(said.words[1:])
        fields = [Field("Because", reason)] if reason else []
        fields += [Field("Turned away meanwhile", ", ".join(lock.told))] if lock.told else []
        text = f"{lock}\nEverything may be released again then. What was turned away is not started by itself."
        card = Card(f"Unlock {workload}?", Tone.ASKING, text, fields=tuple(fields))
        what = {"verb": "unlock", "workload": workload, "since": lock.at.isoformat(), "reason": reason}
        return await self.ask(incoming, card, "yes", what, "Unlock")

    async def workload(self, name: str) -> str:
        """Find the workload of this name, or of the pipeline of this name."""
        known = await self.acting.store.read(_workloads)
        if name in known:
            return name
        stored = await self.acting.store.read(lambda book: book.pipelines.load(name))
        workload = await self.desk.workload(stored)
        if not workload:
            raise Refused(
                f"{name} releases nothing, so there is nothing to lock.", f"`show {name}` shows what it does."
            )
        return workload


def unlocked(book: SqlBook, what: Json) -> Card:
    """Unlock, inside the transaction that uses the question up."""
    lock = _standing(book, what["workload"])
    if lock.at.isoformat() != what["since"]:
        raise Refused(f"{lock} That was after you were asked.", f"Say `unlock {lock.workload}` again.")
    book.locks.remove(lock.workload)
    return Card(f"{lock.workload} is unlocked.", Tone.GOOD, what["reason"])


def _workloads(book: SqlBook) -> set[str]:
    return {*book.releases.workloads(), *(lock.workload for lock in book.locks.all())}


def _standing(book: SqlBook, workload: str) -> Lock:
    lock = book.locks.find(workload)
    if lock is None:
        raise Refused(f"{workload} is not locked.", "`status` shows what is.")
    return lock


def _locked(book: SqlBook, lock: Lock) -> Card:
    there = book.locks.find(lock.workload)
    if there is not None:
        raise Refused(f"{there} Nothing was changed.", f"{there.way_out} Then it can be locked for another reason.")
    book.locks.put(lock)
    card = Card(f"{lock}", Tone.STOPPED, lock.way_out)
    holder = book.runs.holder(lock.workload)
    if holder is None:
        return card
    text = f"{holder} has begun already and goes on; what waits behind it does not. {lock.way_out}"
    return replace(card, text=text, buttons=(Button(f"Stop {holder}", f"stop {holder}", danger=True),))
