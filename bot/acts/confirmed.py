"""What a yes does: each question, once it is confirmed, inside the transaction that uses it up.

A question that was kept before a restart, or by an earlier version, is still one: what it lacks has its old meaning.
"""

from collections.abc import Mapping

from bot.acting import Acting
from bot.acts.locks import unlocked
from bot.cards import Card, Tone
from bot.chat import Incoming
from bot.feature import Confirmed
from engine import commands as c
from engine.control import Order
from engine.errors import Refused
from engine.model import Json, Run, RunId, RunState, Way
from storage.book import SqlBook


def _run(acting: Acting, book: SqlBook, incoming: Incoming, what: Json) -> Card:
    name = what["pipeline"]
    if book.pipelines.load(name).version != what["version"]:
        raise Refused(f"{name} was changed since you were asked.", f"Say `run {name}` again.")
    order = Order(pipeline=name, by=incoming.person, room=incoming.room, changes=what["changes"])
    return _begun(acting.control.start(book, order))


def _unwind(acting: Acting, book: SqlBook, incoming: Incoming, what: Json) -> Card:
    back = c.RollBack(run=RunId(what["run"]), by=incoming.person, reason=what.get("reason", ""))
    return Card(f"{acting.control.apply(book, back).id} is being rolled back.", Tone.BUSY)


def _take_back(acting: Acting, book: SqlBook, incoming: Incoming, what: Json) -> Card:
    return _begun(acting.control.take_gray_back(book, RunId(what["run"]), incoming.person, what["reason"]))


def _return(acting: Acting, book: SqlBook, incoming: Incoming, what: Json) -> Card:
    """Bring a version back, if what is deployed is still what was shown."""
    history = book.releases.history(book.releases.load(what["release"]).workload, 10_000)
    if not history or history[0].number != what["now"]:
        raise Refused(
            "Something else was released since you were asked; nothing was done.", "Say it again to see the way now."
        )
    order = Order(
        pipeline=what["pipeline"],
        by=incoming.person,
        room=incoming.room,
        changes={},
        redeploys=next(one for one in history if one.number == what["number"]),
        way=Way(what.get("way", Way.ROLL_BACK)),
        reason=what.get("reason", ""),
    )
    return _begun(acting.control.start(book, order))


def _unlock(_acting: Acting, book: SqlBook, _incoming: Incoming, what: Json) -> Card:
    return unlocked(book, what)


def _settle(acting: Acting, book: SqlBook, incoming: Incoming, what: Json) -> Card:
    run = book.runs.load(RunId(what["run"]))
    if run.stage.attempt != what["attempt"]:
        raise Refused(f"{run.id} has gone on since you were asked; nothing was done.", f"`status {run.id}`")
    acting.control.apply(book, c.Retry(run=run.id, by=incoming.person, settle=what["how"]))
    return Card(f"{run.id} goes on.", Tone.BUSY)


def _retire(acting: Acting, book: SqlBook, incoming: Incoming, what: Json) -> Card:
    workload = what["workload"]
    holder = book.runs.holder(workload)
    if holder is not None:
        if book.runs.load(holder).unwinding is not None:
            told = f"{holder} is being taken back; {workload} was not retired."
            raise Refused(told, f"When that is done, say it again; if it cannot be done, `giveup {holder}` ends it.")
        raise Refused(f"{holder} is releasing it now; it was not retired.", f"`stop {holder}` ends that.")
    book.releases.retire(workload, incoming.person, acting.clock.now())
    acting.control.forget_gray(book, workload, incoming.person)
    return Card(f"{workload} is being ended.", Tone.STOPPED, "It is said when nothing runs any more.")


def _delete(acting: Acting, book: SqlBook, _incoming: Incoming, what: Json) -> Card:
    name = what["pipeline"]
    if book.runs.active(name):
        raise Refused(f"{name} is running again; it was not deleted.")
    book.pipelines.delete(name, acting.clock.now())
    book.secrets.forget(name)  # whoever makes one of its name may not use them
    book.hooks.void(name)  # nor start it as this one was started
    book.attached.void(name)
    book.subscriptions.void(name)  # nor is anybody told of that one who asked to hear of this one
    return Card(f"{name} is deleted.", Tone.STOPPED)


CONFIRMS: Mapping[str, Confirmed] = {
    "run": _run,
    "unwind": _unwind,
    "take_back": _take_back,
    "return": _return,
    "unlock": _unlock,
    "settle": _settle,
    "retire": _retire,
    "delete": _delete,
}
"""By the ``verb`` of the question. Each raises `Refused` when what was shown does not hold any more."""


def _begun(run: Run) -> Card:
    return Card(
        f"{run.id} is on its way.",
        Tone.BUSY,
        "" if run.state is not RunState.QUEUED else f"It waits until {run.workload} is free.",
    )
