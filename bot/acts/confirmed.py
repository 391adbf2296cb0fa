"""What a yes does: each question, once it is confirmed, inside the transaction that uses it up.

A question that was kept before a restart, or by an earlier version, is still one: what it lacks has its old meaning.
"""

from collections.abc import Mapping

from bot.acting import Acting
from bot.acts.adopting import adopted, adopted_beside
from bot.acts.in_the_way import InTheWay
from bot.acts.locks import unlocked
from bot.cards import Card, Tone
from bot.chat import Incoming
from bot.desk import variables_of
from bot.feature import Confirmed
from engine import commands as c
from engine.control import Order
from engine.errors import Refused
from engine.model import Json, Run, RunId, RunState, Way
from engine.voting import check_dead_ends
from storage.book import SqlBook


def _run(acting: Acting, book: SqlBook, incoming: Incoming, what: Json) -> Card:
    name, now = what["pipeline"], acting.clock.now()
    stored = book.pipelines.load(name)
    if stored.version != what["version"]:
        raise Refused(f"{name} was changed since you were asked.", f"Say `run {name}` again.")
    values = variables_of(stored, what["changes"], now)
    others = InTheWay.of_run(book, stored, values, incoming.person, now)
    if "ends" in what:
        others.check_shown(what["ends"], f"run {name}")
    order = Order(pipeline=name, by=incoming.person, room=incoming.room, changes=what["changes"])
    return _begun(_started(acting, book, order), others.endings)


def _unwind(acting: Acting, book: SqlBook, incoming: Incoming, what: Json) -> Card:
    back = c.RollBack(run=RunId(what["run"]), by=incoming.person, reason=what.get("reason", ""))
    return Card(f"{acting.control.apply(book, back).id} is being rolled back.", Tone.BUSY)


def _take_back(acting: Acting, book: SqlBook, incoming: Incoming, what: Json) -> Card:
    return _begun(acting.control.take_gray_back(book, RunId(what["run"]), incoming.person, what["reason"]))


def _return(acting: Acting, book: SqlBook, incoming: Incoming, what: Json) -> Card:
    """Bring a version back, if what is deployed is still what was shown."""
    workload = book.releases.load(what["release"]).workload
    newest = next(iter(book.releases.history(workload, 1)), None)
    release, way = book.releases.version(workload, what["number"]), Way(what.get("way", Way.ROLL_BACK))
    if newest is None or release is None or newest.number != what["now"]:
        raise Refused(
            "Something else was released since you were asked; nothing was done.", "Say it again to see the way now."
        )
    straight = way is not Way.REVIEWED
    others = InTheWay.of_return(book, what["pipeline"], release.workload, incoming.person, straight=straight)
    if "ends" in what and not straight:  # a way back is not kept waiting by what has begun meanwhile
        others.check_shown(what["ends"], f"redeploy {what['pipeline']} {release.number}")
    order = Order(
        pipeline=what["pipeline"],
        by=incoming.person,
        room=incoming.room,
        changes={},
        redeploys=release,
        way=way,
        reason=what.get("reason", ""),
    )
    return _begun(_started(acting, book, order), others.endings)


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
    "adopt": adopted,
    "adopt_beside": adopted_beside,
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


def _started(acting: Acting, book: SqlBook, order: Order) -> Run:
    """Begin a run, but none that waits for people who are not known any more."""
    run = acting.control.start(book, order)
    check_dead_ends(run.rules, run.requested_by, book.people.names())
    return run


def _begun(run: Run, endings: str = "") -> Card:
    """Say that a run has begun, which others have ended for it, and whether it waits."""
    waits = f"It waits until {run.workload} is free." if run.state is RunState.QUEUED else ""
    return Card(f"{run.id} is on its way.", Tone.BUSY, f"{endings}\n{waits}".strip())
