"""What is asked about before it is done: starting, rolling back, deleting.

The question is kept in the database, so the yes may come after a restart. A yes uses it up in the same transaction that
does the thing: two of them are one. A rollback is done only if what was shown still holds.
"""

import json
import secrets
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from bot.acting import Acting
from bot.cards import Button, Card, Field, Table, Tone
from bot.chat import Answer, Incoming
from bot.desk import Desk, number_of, variables_of
from bot.forms import Asked, RunForm
from bot.grammar import BY_NAME, DELETE, Said
from bot.preview import Previews, order_back
from engine import commands as c
from engine.control import Order
from engine.errors import InvariantViolation, Refused
from engine.model import Json, Run, RunId, RunState
from engine.pipeline import parse
from engine.ports import StoredPipeline
from storage.book import SqlBook
from storage.chats import Confirmation

CONFIRM_WITHIN = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Questions:
    """Asks, and does what was asked about."""

    acting: Acting
    desk: Desk
    previews: Previews

    async def run(self, incoming: Incoming, said: Said) -> list[Answer]:
        """Show what would be started, and ask."""
        stored = await self.acting.store.read(lambda book: book.pipelines.load(said.words[0]))
        changes = said.settings()
        values = variables_of(stored, changes, self.acting.clock.now())
        rows = tuple((name, value, "changed" if name in changes else "") for name, value in values.items())
        busy = await self._busy(stored.name)
        card = Card(
            f"Start {stored.name}?",
            Tone.ASKING,
            busy,
            table=Table(("Variable", "Value", ""), rows) if rows else None,
            fields=(Field("To change one", f"run {stored.name} NAME=VALUE"),) if rows else (),
        )
        what = {"verb": "run", "pipeline": stored.name, "version": stored.version, "changes": changes}
        asked = await self._ask(incoming, card, "yes", what, "Start")
        form = RunForm(stored.name, stored.version, _asked_in(stored, values))
        return [replace(answer, form=form) for answer in asked]

    async def begin(self, incoming: Incoming) -> list[Answer]:
        """Start what a form has shown and asked about: ``press run PIPELINE VERSION [NAME=VALUE ...]``."""
        try:
            said = Said(BY_NAME["run"], tuple(shlex.split(incoming.line)[2:]), "")
        except ValueError as error:
            raise Refused("That form is not one of ours.") from error
        if len(said.words) < 2:  # noqa: PLR2004 - the form above
            raise Refused("That form is not one of ours.")
        what: Json = {
            "verb": "run",
            "pipeline": said.words[0],
            "version": number_of(said.words[1]),
            "changes": Said(said.verb, said.words[1:], "").settings(),
        }
        stored = await self.acting.store.read(lambda book: book.pipelines.load(said.words[0]))
        variables_of(stored, what["changes"], self.acting.clock.now())
        card = await self.acting.once(incoming, lambda book: self._confirmed(book, incoming, what))
        return [] if card is None else [Answer(card, private=True)]

    async def _busy(self, pipeline: str) -> str:
        active = await self.acting.store.read(lambda book: book.runs.active(pipeline))
        return f"{active[0].id} is going on; what happens then is up to the pipeline's `concurrency`." if active else ""

    async def roll_back(self, incoming: Incoming, said: Said) -> list[Answer]:
        """Show the way back, and ask."""
        version = number_of(said.words[1]) if len(said.words) > 1 else None
        way = await self.previews.way_back(said.words[0], version)
        what: Json
        if way.run is not None:
            what = {"verb": "unwind", "run": way.run.id}
        else:
            if way.release is None:
                raise InvariantViolation("A way back has a run or a release.")
            name = said.words[0]
            run = await self.acting.store.read(lambda book: book.runs.find(RunId(name)))
            pipeline = run.pipeline if run else name
            now = await self.desk.release(way.release.workload, None)
            what = {
                "verb": "return",
                "pipeline": pipeline,
                "release": way.release.id,
                "number": way.release.number,
                "now": now.number if now else None,
            }
        return await self._ask(incoming, way.card, "yes", what, "Roll back")

    async def delete(self, incoming: Incoming, said: Said) -> list[Answer]:
        """Ask for DELETE to be typed."""
        stored = await self.acting.store.read(lambda book: book.pipelines.load(said.words[0]))
        active = await self.acting.store.read(lambda book: book.runs.active(stored.name))
        if active:
            raise Refused(f"{stored.name} is running: {active[0].id}.", f"`stop {active[0].id}` ends it.")
        text = "Its runs and releases stay in the history; what it deployed keeps running; `retire` ends that."
        card = Card(f"Delete {stored.name}?", Tone.ASKING, text, fields=(Field("To do it, type", DELETE),))
        return await self._ask(incoming, card, DELETE, {"verb": "delete", "pipeline": stored.name}, "")

    async def retire(self, incoming: Incoming, said: Said) -> list[Answer]:
        """Ask for DELETE to be typed before everything of a workload ends."""
        workload = await self._workload(said.words[0])
        text = "Its instances end at once and its address answers nothing any more. The pipeline and its history stay."
        card = Card(f"Retire {workload}?", Tone.ASKING, text, fields=(Field("To do it, type", DELETE),))
        return await self._ask(incoming, card, DELETE, {"verb": "retire", "workload": workload}, "")

    async def _workload(self, name: str) -> str:
        """The workload of this name, or of the pipeline of this name."""
        known = await self.acting.store.read(lambda book: book.releases.workloads())
        if name in known:
            return name
        stored = await self.acting.store.read(lambda book: book.pipelines.load(name))
        workload = await self.desk.workload(stored)
        if workload not in known:
            raise Refused(f"{name} has deployed nothing.", f"`status {name}` shows what it does.")
        return workload

    async def _ask(self, incoming: Incoming, card: Card, phrase: str, what: Json, button: str) -> list[Answer]:
        asked = Confirmation(
            id=secrets.token_hex(6),
            room=incoming.room,
            person=incoming.person,
            phrase=phrase,
            document=json.dumps(what),
            expires_at=self.acting.clock.now() + CONFIRM_WITHIN,
        )
        if await self.acting.once(incoming, lambda book: _put(book, asked)) is None:
            return []
        yes = (Button(button, f"yes {asked.id}", primary=True),) if button else ()
        return [Answer(replace(card, buttons=(*yes, Button("Leave it", f"no {asked.id}"))), private=True)]

    async def yes(self, incoming: Incoming, said: Said) -> list[Answer]:
        """Do what was asked about."""
        phrase = DELETE if said.text == DELETE else "yes"

        def do(book: SqlBook) -> Card:
            asked = self._asked(book, incoming, said)
            if asked.phrase != phrase:
                raise Refused("That has to be typed out.", f"Type {asked.phrase}, or `no`.")
            book.chats.take(asked.id)
            return self._confirmed(book, incoming, json.loads(asked.document))

        card = await self.acting.once(incoming, do)
        return [] if card is None else [Answer(card, private=True)]

    async def no(self, incoming: Incoming, said: Said) -> list[Answer]:
        """Leave it."""
        left = await self.acting.once(incoming, lambda book: book.chats.take(self._asked(book, incoming, said).id))
        return [] if left is None else [Answer(Card("Nothing was done."), private=True)]

    def _asked(self, book: SqlBook, incoming: Incoming, said: Said) -> Confirmation:
        asked = book.chats.asked(incoming.room, incoming.person)
        named = said.words[0] if said.words else ""
        if asked is None or (named and asked.id != named):
            raise Refused("You are not asked anything now; that question was answered or replaced.")
        if asked.expires_at < self.acting.clock.now():
            raise Refused("That question is too old.", "Say the command again.")
        return asked

    def _confirmed(self, book: SqlBook, incoming: Incoming, what: Json) -> Card:
        """Do what was asked about, inside the transaction that uses the question up."""
        match what["verb"]:
            case "run":
                if book.pipelines.load(what["pipeline"]).version != what["version"]:
                    raise Refused(
                        f"{what['pipeline']} was changed since you were asked.", f"Say `run {what['pipeline']}` again."
                    )
                order = Order(
                    pipeline=what["pipeline"], by=incoming.person, room=incoming.room, changes=what["changes"]
                )
                return _begun(self.acting.control.start(book, order))
            case "unwind":
                run = self.acting.control.apply(book, c.RollBack(run=RunId(what["run"]), by=incoming.person))
                return Card(f"{run.id} is being rolled back.", Tone.BUSY)
            case "return":
                return _begun(self._bring_back(book, incoming, what))
            case "retire":
                holder = book.runs.holder(what["workload"])
                if holder is not None:
                    raise Refused(f"{holder} is releasing it now; it was not retired.", f"`stop {holder}` ends that.")
                book.releases.retire(what["workload"], incoming.person, self.acting.clock.now())
                return Card(
                    f"{what['workload']} is being ended.", Tone.STOPPED, "It is said when nothing runs any more."
                )
            case _:
                if book.runs.active(what["pipeline"]):
                    raise Refused(f"{what['pipeline']} is running again; it was not deleted.")
                book.pipelines.delete(what["pipeline"], self.acting.clock.now())
                return Card(f"{what['pipeline']} is deleted.", Tone.STOPPED)

    def _bring_back(self, book: SqlBook, incoming: Incoming, what: Json) -> Run:
        history = book.releases.history(book.releases.load(what["release"]).workload, 10_000)
        if not history or history[0].number != what["now"]:
            raise Refused(
                "Something else was released since you were asked; nothing was done.", "Say `rollback` again."
            )
        release = next(one for one in history if one.number == what["number"])
        return self.acting.control.start(book, order_back(release, what["pipeline"], incoming.person, incoming.room))


def _asked_in(stored: StoredPipeline, values: Mapping[str, str]) -> tuple[Asked, ...]:
    declared = parse(stored.text).pipeline.variables
    return tuple(Asked(name, value, declared[name].description) for name, value in values.items())


def _put(book: SqlBook, asked: Confirmation) -> bool:
    book.chats.ask(asked)
    return True


def _begun(run: Run) -> Card:
    return Card(
        f"{run.id} is on its way.",
        Tone.BUSY,
        "" if run.state is not RunState.QUEUED else f"It waits until {run.workload} is free.",
    )
