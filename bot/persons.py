"""Who is known: added and removed by whoever runs Sluice, in a terminal on its machine, and written down.

Nobody is asked who they are there, so the audit names no person: the terminal's socket and the database open for nobody
but whoever runs Sluice.
"""

import secrets
from collections.abc import Sequence

from bot.linking import remove as forget
from bot.naming import a_person, a_phone, an_email
from bot.rights.reviewers import asks_in
from engine.errors import Refused
from engine.model import Person, PersonId, RoomId, StageState
from engine.ports import Clock
from engine.voting import dead_end, way_back_for
from storage.audit import Deed
from storage.book import SqlBook
from storage.store import SqlStore

ROOM = RoomId("terminal:")
_NAMED = 5


async def add(store: SqlStore, clock: Clock, name: str, email: str | None, phone: str | None) -> Person:
    """Make `name` known, or change where they are told: None leaves an address as it is, an empty one takes it away.

    Returns the person as they are known now. Refused when something is no name or no address.
    """
    ways = (("e-mail", email), ("phone", phone))
    changed = [f"{way} {'given' if said.strip() else 'taken away'}" for way, said in ways if said is not None]
    line = ", ".join([f"person add {_one_line(name)}", *changed])

    def known(book: SqlBook) -> Person:
        person = _changed(book, name.strip(), email, phone)
        book.people.add(person)
        _write_down(book, line, "done", f"{person.id} is known.", clock)
        return person

    try:
        return await store.transact(known)
    except Refused as refusal:
        said = str(refusal)
        await store.transact(lambda book: _write_down(book, line, "refused", said, clock))
        raise


async def remove(store: SqlStore, clock: Clock, name: str) -> str | None:
    """Know a person no more, in no chat. Returns what still asks them, a line each; None when nobody did know them."""
    person = PersonId(name.strip())

    def forgotten(book: SqlBook) -> str | None:
        removed = forget(book, person)
        outcome, said = ("done", "is not known any more") if removed else ("refused", "was not known")
        shown = _one_line(person)
        _write_down(book, f"person remove {shown}", outcome, f"{shown} {said}.", clock)
        return _still_asking(book, person) if removed else None

    return await store.transact(forgotten)


def _still_asking(book: SqlBook, person: PersonId) -> str:
    """What waits for somebody who is not known any more, or will, and what can be done about it."""
    known = book.people.names()
    waiting = [run for run in book.runs.active() if run.stage.state is StageState.AWAITING_REVIEW]
    runs = [run for run in waiting if person in (*run.rule.reviewers, *run.rule.deputies)]
    stuck = [run.id for run in runs if dead_end(run.rule, run.requested_by, known)]
    others = [run.id for run in runs if run.id not in stuck]
    pipelines = [name for name, text in sorted(book.grants.texts_with(person).items()) if asks_in(text, person)]
    found: dict[str, Sequence[str]] = {
        "Open reviews that nobody can pass now": stuck,
        "Open reviews that others can pass": others,
        f"Pipelines whose reviews ask {person}": pipelines,
    }
    lines = [f"{what}: {_some(names)}." for what, names in found.items() if names]
    return "\n".join([*lines, way_back_for(person)] if lines else [])


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return f"{', '.join(names[:_NAMED])} and {more} more" if more > 0 else ", ".join(names)


def _changed(book: SqlBook, name: str, email: str | None, phone: str | None) -> Person:
    known = book.people.find(PersonId(name)) or Person(PersonId(a_person(name)))
    return Person(
        known.id,
        known.email if email is None else an_email(email.strip()),
        known.phone if phone is None else a_phone(phone.strip()),
    )


def _one_line(name: str) -> str:
    return " ".join(name.split())


def _write_down(book: SqlBook, line: str, outcome: str, said: str, clock: Clock) -> None:
    key = f"none:{secrets.token_hex(12)}"
    book.audit.add(Deed(key, clock.now(), PersonId(""), "", ROOM, line, outcome, said))
