"""From a line to what it does: every chat hands its lines here, and shows the cards that come back.

Looking is answered by the desk. Acting goes through `Control`, in the same transaction that remembers the delivery's
key: a line that a chat delivers twice has one effect, and one that was never carried out is not remembered as if it
had been. What destroys or starts something is asked about first; the question is kept in the database, so the yes may
come after a restart.
"""

import json
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TypeVar

from bot.cards import Button, Card, Field, Table, Tone
from bot.chat import Answer, Incoming
from bot.desk import Desk, number_of, variables_of
from bot.grammar import BY_NAME, Said, parse
from bot.preview import Previews, order_back
from engine import commands as c
from engine.control import Control, Order
from engine.errors import Refused, SluiceError
from engine.model import Json, Run, RunId, StageState, Verdict
from engine.pipeline import Complaints, describe
from engine.pipeline import parse as parse_definition
from engine.ports import Clock
from storage.book import SqlBook
from storage.chats import Confirmation
from storage.store import SqlStore

T = TypeVar("T")
CONFIRM_WITHIN = timedelta(minutes=10)
DELETE = "DELETE"
_NOUNS = {"approve": "approval", "reject": "rejection"}
_LOOKS = {"list": "pipelines"}
"""Verbs whose answer the desk keeps under another name."""
_LOG = logging.getLogger(__name__)
Doing = Callable[[Incoming, Said], Awaitable[list[Answer]]]


@dataclass(slots=True)
class Dispatch:
    """Answers lines."""

    store: SqlStore
    control: Control
    clock: Clock
    desk: Desk
    previews: Previews
    allow_local: bool = False
    _acts: Mapping[str, Doing] = field(init=False)

    def __post_init__(self) -> None:
        """Connect the grammar's verbs that act with what they do."""
        self._acts = {
            "define": self._define,
            "run": self._run,
            "stop": self._stop,
            "retry": self._retry,
            "approve": self._approve,
            "reject": self._reject,
            "split": self._split,
            "promote": self._promote,
            "rollback": self._roll_back,
            "trigger": self._trigger,
            "delete": self._delete,
            "yes": self._yes,
            "no": self._no,
        }

    async def answer(self, incoming: Incoming) -> list[Answer]:
        """Do what the line says, and say what came of it.

        Always answers; what cannot be done is said with the reason.
        """
        try:
            await self._known(incoming)
            return await self._answer(incoming)
        except Complaints as complaints:
            text = describe(complaints.complaints, "definition")
            return [Answer(Card(f"{len(complaints.complaints)} to mend", Tone.BAD, code=text), private=True)]
        except SluiceError as error:
            return [Answer(Card(str(error), Tone.BAD, error.hint), private=True)]
        except Exception:  # noqa: BLE001 - the edge: one line that breaks must not end the chat
            _LOG.exception("Answering %r", incoming.line[:80])
            return [
                Answer(
                    Card("That went wrong inside Sluice; nothing was changed.", Tone.BAD, "Its log says what."),
                    private=True,
                )
            ]

    async def _known(self, incoming: Incoming) -> None:
        if await self.store.read(lambda book: book.people.find(incoming.person)) is None:
            raise Refused(
                f"Nobody here knows {incoming.person}.", f"On this machine: `sluice person add {incoming.person}`."
            )

    async def _answer(self, incoming: Incoming) -> list[Answer]:
        if incoming.line.startswith("press "):
            return await self._press(incoming)
        if incoming.line.strip() == DELETE:
            return await self._yes(incoming, Said(BY_NAME["yes"], (), DELETE))
        said = parse(incoming.line)
        act = self._acts.get(said.verb.name)
        if act is not None:
            return await act(incoming, said)
        return [Answer(card, private=True) for card in await self._look(incoming, said)]

    async def _look(self, incoming: Incoming, said: Said) -> list[Card]:
        if said.verb.name == "whoami":
            return [await self.desk.whoami(incoming.person)]
        found = await getattr(self.desk, _LOOKS.get(said.verb.name, said.verb.name))(said)
        return found if isinstance(found, list) else [found]

    async def _once(self, incoming: Incoming, work: Callable[[SqlBook], T]) -> T | None:
        """Do `work` in one transaction, unless this delivery was carried out before."""
        now = self.clock.now()

        def once(book: SqlBook) -> T | None:
            if incoming.key and not book.chats.is_new(incoming.key, now):
                return None
            return work(book)

        return await self.store.transact(once)

    async def _change(self, incoming: Incoming, command: c.Command, words: str) -> list[Answer]:
        run = await self._once(incoming, lambda book: self.control.apply(book, command))
        return [] if run is None else [Answer(Card(words, Tone.PLAIN), private=True)]

    # -- buttons ---------------------------------------------------------------------------------------------

    async def _press(self, incoming: Incoming) -> list[Answer]:
        """A button that carries what it was made for: VERB RUN STAGE ATTEMPT FINGERPRINT."""
        words = incoming.line.split()[1:]
        if len(words) != 5 or not words[2].isdigit() or not words[3].isdigit():  # noqa: PLR2004 - the form above
            raise Refused("That button is not one of ours.")
        verb, run, stage, attempt, fingerprint = words
        if verb in ("approve", "reject"):
            vote = c.CastVote(
                run=RunId(run),
                by=incoming.person,
                verdict=Verdict(verb),
                stage=int(stage),
                attempt=int(attempt),
                fingerprint="" if fingerprint == "-" else fingerprint,
            )
            return await self._change(incoming, vote, f"Your {_NOUNS[verb]} of {run} is counted.")
        if verb != "retry":
            raise Refused("That button is not one of ours.")
        now = await self.store.read(lambda book: book.runs.load(RunId(run)))
        if (now.position, now.stage.attempt) != (int(stage), int(attempt)):
            raise Refused(
                f"That button belongs to an earlier moment of {run}; nothing was done.", "Use the newest card."
            )
        return await self._change(incoming, c.Retry(run=now.id, by=incoming.person), f"{run} tries again.")

    # -- runs ------------------------------------------------------------------------------------------------

    async def _run(self, incoming: Incoming, said: Said) -> list[Answer]:
        stored = await self.store.read(lambda book: book.pipelines.load(said.words[0]))
        changes = said.settings()
        values = variables_of(stored, changes, self.clock.now())
        rows = tuple((name, value, "changed" if name in changes else "") for name, value in values.items())
        busy = await self._busy(stored.name)
        card = Card(
            f"Start {stored.name}?",
            Tone.ASKING,
            busy,
            table=Table(("Variable", "Value", ""), rows) if rows else None,
            fields=(Field("To change one", f"run {stored.name} NAME=VALUE"),) if rows else (),
        )
        return await self._ask(
            incoming, card, "yes", {"verb": "run", "pipeline": stored.name, "changes": changes}, "Start"
        )

    async def _busy(self, pipeline: str) -> str:
        active = await self.store.read(lambda book: book.runs.active(pipeline))
        return f"{active[0].id} is going on; what happens then is up to the pipeline's `concurrency`." if active else ""

    async def _stop(self, incoming: Incoming, said: Said) -> list[Answer]:
        reason = " ".join(said.words[1:])
        run = await self._meant(said.words[0])
        command = c.Stop(run=run.id, by=incoming.person, reason=reason)
        return await self._change(incoming, command, f"{run.id} is being stopped; what it placed is taken back.")

    async def _retry(self, incoming: Incoming, said: Said) -> list[Answer]:
        run = await self._meant(said.words[0])
        return await self._change(incoming, c.Retry(run=run.id, by=incoming.person), f"{run.id} tries again.")

    async def _approve(self, incoming: Incoming, said: Said) -> list[Answer]:
        run = await self._meant(said.words[0])
        vote = c.CastVote(run=run.id, by=incoming.person, verdict=Verdict.APPROVE)
        return await self._change(incoming, vote, f"Your approval of {run.id} is counted.")

    async def _reject(self, incoming: Incoming, said: Said) -> list[Answer]:
        run, reason = (await self._meant(said.words[0])).id, " ".join(said.words[1:])
        vote = c.CastVote(run=run, by=incoming.person, verdict=Verdict.REJECT, reason=reason)
        return await self._change(incoming, vote, f"Your rejection of {run} is counted.")

    async def _split(self, incoming: Incoming, said: Said) -> list[Answer]:
        run, percent = await self._run_and_percent(said.words)
        command = c.ChangeShare(run=run, by=incoming.person, percent=percent)
        return await self._change(incoming, command, f"{run} gives gray {percent} %.")

    async def _run_and_percent(self, words: tuple[str, ...]) -> tuple[RunId, int]:
        number = words[-1].rstrip("%")
        if not number.isdigit():
            raise Refused(f"{words[-1]!r} is no percentage.", f"Write `{BY_NAME['split'].example}`.")
        if len(words) == 2:  # noqa: PLR2004 - RUN PERCENT
            return (await self._meant(words[0])).id, int(number)
        active = [run for run in await self.store.read(lambda book: book.runs.active()) if run.workload]
        if len(active) != 1:
            raise Refused("Which run is meant?", f"Write `{BY_NAME['split'].example}`.")
        return active[0].id, int(number)

    async def _meant(self, name: str) -> Run:
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

    async def _promote(self, incoming: Incoming, said: Said) -> list[Answer]:
        run = await self._meant(said.words[0])
        if run.stage.state is StageState.HELD:
            return await self._change(incoming, c.Retry(run=run.id, by=incoming.person), f"{run.id} tries again.")
        vote = c.CastVote(run=run.id, by=incoming.person, verdict=Verdict.APPROVE)
        return await self._change(incoming, vote, f"Your approval of {run.id} is counted.")

    async def _trigger(self, incoming: Incoming, said: Said) -> list[Answer]:
        run, key = RunId(said.words[0]), said.words[1]
        given = Said(said.verb, said.words[1:], said.text).settings()
        pipeline, version = await self.store.read(lambda book: _version_of(book.runs.load(run)))
        stored = await self.store.read(lambda book: book.pipelines.load(pipeline, version))
        hooks = [hook for stage in parse_definition(stored.text).pipeline.stages for hook in stage.conditions.of]
        parameters = {name: variable for hook in hooks if hook.key == key for name, variable in hook.parameters.items()}
        unknown = next((name for name in given if name not in parameters), None)
        if unknown is not None:
            raise Refused(f"{key} takes no parameter {unknown}.", f"It takes {', '.join(parameters) or 'none'}.")
        values = {parameters[name]: value for name, value in given.items()}
        command = c.MeetCondition(run=run, by=incoming.person, key=key, variables=values)
        return await self._change(incoming, command, f"{key} is met for {run}.")

    async def _roll_back(self, incoming: Incoming, said: Said) -> list[Answer]:
        version = number_of(said.words[1]) if len(said.words) > 1 else None
        way = await self.previews.way_back(said.words[0], version)
        what: Json
        if way.run is not None:
            what = {"verb": "unwind", "run": way.run.id}
        else:
            assert way.release is not None  # noqa: S101 - a way back has one of the two
            name = said.words[0]
            run = await self.store.read(lambda book: book.runs.find(RunId(name)))
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

    # -- pipelines -------------------------------------------------------------------------------------------

    async def _define(self, incoming: Incoming, said: Said) -> list[Answer]:
        text = said.text.strip("\n").removeprefix("```yaml").removeprefix("```").removesuffix("```").strip("\n") + "\n"
        people = await self.store.read(lambda book: book.people.names())
        pipeline = parse_definition(text, people=people, allow_local=self.allow_local).pipeline
        now = self.clock.now()
        version = await self._once(
            incoming,
            lambda book: book.pipelines.save(pipeline.pipeline, pipeline.group, text, incoming.person, now),
        )
        if version is None:
            return []
        shown = await self.desk.show(Said(BY_NAME["show"], (pipeline.pipeline,), pipeline.pipeline))
        card = Card(
            f"{pipeline.pipeline} is defined, version {version}",
            Tone.GOOD,
            pipeline.description,
            topology=shown.topology,
            fields=shown.fields[2:],
            buttons=(Button("Run", f"run {pipeline.pipeline}", primary=True),),
        )
        return [Answer(card)]

    async def _delete(self, incoming: Incoming, said: Said) -> list[Answer]:
        stored = await self.store.read(lambda book: book.pipelines.load(said.words[0]))
        active = await self.store.read(lambda book: book.runs.active(stored.name))
        if active:
            raise Refused(f"{stored.name} is running: {active[0].id}.", f"`stop {active[0].id}` ends it.")
        text = "Its runs and releases stay in the history; what it deployed keeps running."
        card = Card(f"Delete {stored.name}?", Tone.ASKING, text, fields=(Field("To do it, type", DELETE),))
        return await self._ask(incoming, card, DELETE, {"verb": "delete", "pipeline": stored.name}, "")

    # -- questions -------------------------------------------------------------------------------------------

    async def _ask(self, incoming: Incoming, card: Card, phrase: str, what: Json, button: str) -> list[Answer]:
        asked = Confirmation(
            id=secrets.token_hex(6),
            room=incoming.room,
            person=incoming.person,
            phrase=phrase,
            document=json.dumps(what),
            expires_at=self.clock.now() + CONFIRM_WITHIN,
        )
        await self.store.transact(lambda book: book.chats.ask(asked))
        yes = (Button(button, f"yes {asked.id}", primary=True),) if button else ()
        return [Answer(_with_buttons(card, (*yes, Button("Leave it", f"no {asked.id}"))), private=True)]

    async def _yes(self, incoming: Incoming, said: Said) -> list[Answer]:
        asked = await self._asked(incoming, said)
        phrase = DELETE if said.text == DELETE else "yes"
        if asked.phrase != phrase:
            raise Refused("That has to be typed out.", f"Type {asked.phrase}, or `no`.")
        what = json.loads(asked.document)

        def do(book: SqlBook) -> Card:
            if not book.chats.take(asked.id):
                raise Refused("That was answered already.")
            return self._confirmed(book, incoming, what)

        card = await self._once(incoming, do)
        return [] if card is None else [Answer(card, private=True)]

    async def _no(self, incoming: Incoming, said: Said) -> list[Answer]:
        asked = await self._asked(incoming, said)
        await self.store.transact(lambda book: book.chats.take(asked.id))
        return [Answer(Card("Nothing was done."), private=True)]

    async def _asked(self, incoming: Incoming, said: Said) -> Confirmation:
        asked = await self.store.read(lambda book: book.chats.asked(incoming.room, incoming.person))
        named = said.words[0] if said.words else ""
        if asked is None or (named and asked.id != named):
            raise Refused("You are not asked anything now; that question was answered or replaced.")
        if asked.expires_at < self.clock.now():
            raise Refused("That question is too old.", "Say the command again.")
        return asked

    def _confirmed(self, book: SqlBook, incoming: Incoming, what: Json) -> Card:
        """Do what was asked about, inside the transaction that uses the question up."""
        match what["verb"]:
            case "run":
                order = Order(
                    pipeline=what["pipeline"], by=incoming.person, room=incoming.room, changes=what["changes"]
                )
                return _begun(self.control.start(book, order))
            case "unwind":
                run = self.control.apply(book, c.RollBack(run=RunId(what["run"]), by=incoming.person))
                return Card(f"{run.id} is being rolled back.", Tone.BUSY)
            case "return":
                return _begun(self._bring_back(book, incoming, what))
            case _:
                if book.runs.active(what["pipeline"]):
                    raise Refused(f"{what['pipeline']} is running again; it was not deleted.")
                book.pipelines.delete(what["pipeline"], self.clock.now())
                return Card(f"{what['pipeline']} is deleted.", Tone.STOPPED)

    def _bring_back(self, book: SqlBook, incoming: Incoming, what: Json) -> Run:
        history = book.releases.history(book.releases.load(what["release"]).workload, 10_000)
        if not history or history[0].number != what["now"]:
            raise Refused(
                "Something else was released since you were asked; nothing was done.", "Say `rollback` again."
            )
        release = next(one for one in history if one.number == what["number"])
        return self.control.start(book, order_back(release, what["pipeline"], incoming.person, incoming.room))


def _version_of(run: Run) -> tuple[str, int]:
    return run.pipeline, run.version


def _begun(run: Run) -> Card:
    return Card(
        f"{run.id} is on its way.",
        Tone.BUSY,
        "" if run.state != "queued" else f"It waits until {run.workload} is free.",
    )


def _with_buttons(card: Card, buttons: tuple[Button, ...]) -> Card:
    return replace(card, buttons=buttons)
