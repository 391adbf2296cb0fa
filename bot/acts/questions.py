"""What is asked about before it is done: starting, going back, unlocking, deleting.

The question is kept in the database, so the yes may come after a restart. A yes uses it up in the same transaction that
does the thing: two of them are one. A rollback is done only if what was shown still holds.
"""

import json
import re
import secrets
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from bot.acting import Acting, reason_of
from bot.acts.confirmed import CONFIRMS
from bot.acts.in_the_way import InTheWay
from bot.cards import Button, Card, Field, Table, Tone
from bot.chat import Answer, Incoming
from bot.desk import Desk, number_of, variables_of
from bot.feature import Confirmed
from bot.forms import Asked, RunForm
from bot.grammar import BY_NAME, DELETE, Said
from bot.presenters import unlock_button
from bot.preview import Previews
from bot.rights.grants import check
from bot.ways_back import Return, WaysBack
from engine.errors import InvariantViolation, Refused
from engine.freezes import Frozen, Subject, standing
from engine.locks import Lock
from engine.manifest_rules import beside_of
from engine.model import Json, PersonId, StageState, Way
from engine.pipeline import parse, resolve, stage_rules
from engine.ports import StoredPipeline
from engine.secret_variables import is_marker
from engine.standstill import let_in
from engine.variables import system_variables
from engine.voting import check_dead_ends
from storage.book import SqlBook
from storage.chats import Confirmation

CONFIRM_WITHIN = timedelta(minutes=10)
VERSIONS_READ = 50
"""How many versions of a workload are looked through for what they have brought along."""
_VERSION = re.compile(r"v?[0-9]+")


@dataclass(frozen=True, slots=True)
class Questions:
    """Asks, and does what was asked about: `confirms`, by the ``verb`` of the question."""

    acting: Acting
    desk: Desk
    previews: Previews
    confirms: dict[str, Confirmed] = field(default_factory=lambda: dict(CONFIRMS))

    async def run(self, incoming: Incoming, said: Said) -> list[Answer]:
        """Show what would be started, and ask."""
        stored = await self.acting.store.read(lambda book: book.pipelines.load(said.words[0]))
        changes = said.settings()
        values = variables_of(stored, changes, self.acting.clock.now())
        said_as = {name: "(secret)" if is_marker(value) else value for name, value in values.items()}
        rows = tuple((name, value, "changed" if name in changes else "") for name, value in said_as.items())
        lock = await self._lock(stored, values)
        agreed = await self._let_through(stored, values, incoming.person)
        now = self.acting.clock.now()
        others = await self.acting.store.read(lambda book: InTheWay.of_run(book, stored, values, incoming.person, now))
        busy = f"{lock} A run is refused until then. {lock.way_out}" if lock else others.in_words
        is_bad = lock is not None or others.refuses or bool(others.ends)
        card = Card(
            f"Start {stored.name}?",
            Tone.BAD if is_bad else Tone.ASKING,
            f"{agreed}\n{busy}".strip(),
            table=Table(("Variable", "Value", ""), rows) if rows else None,
            fields=(Field("To change one", f"run {stored.name} NAME=VALUE"),) if rows else (),
            buttons=unlock_button(lock) if lock else (),
        )
        shown = [run.id for run in others.ends]
        what = {"verb": "run", "pipeline": stored.name, "version": stored.version, "changes": changes, "ends": shown}
        asked = await self.ask(incoming, card, "yes", what, "Start")
        if is_bad or agreed:
            return asked  # a form would not say it
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
            "ends": [],
        }
        stored = await self.acting.store.read(lambda book: book.pipelines.load(said.words[0]))
        variables_of(stored, what["changes"], self.acting.clock.now())
        card = await self.acting.once(incoming, lambda book: self._confirmed(book, incoming, what))
        return [] if card is None else [Answer(card, private=True)]

    async def _lock(self, stored: StoredPipeline, values: Mapping[str, str]) -> Lock | None:
        """The lock that a run with these values would meet."""
        system = system_variables(self.acting.clock.now(), 0)
        workload = resolve(stored.text, {**values, **system}).workload
        return await self.acting.store.read(lambda book: book.locks.find(workload)) if workload else None

    async def _let_through(self, stored: StoredPipeline, values: Mapping[str, str], person: PersonId) -> str:
        """Refuse what may not begin now: inside a freeze window, or with a review that nobody could pass.

        Says who has let it through, if two people have done so.
        """
        now = self.acting.clock.now()
        pipeline = resolve(stored.text, {**values, **system_variables(now, 0)})
        check_dead_ends(stage_rules(pipeline), person, await self.acting.store.read(lambda book: book.people.names()))
        subject = Subject(stored.name, stored.group, pipeline.workload)
        still, plea = await self.acting.store.read(
            lambda book: (standing(book.freezes.all(), subject, now), let_in(book, stored.name, now))
        )
        if still is None:
            return ""
        if plea is None:
            raise Frozen(still, stored.name)
        return f"{still} {plea.by} and {plea.confirmed_by} have agreed to let this start through: {plea.reason}"

    async def roll_back(self, incoming: Incoming, said: Said) -> list[Answer]:
        """Show the way back, and ask."""
        version, reason = _version_and_reason(said.words[1:])
        way = await WaysBack(self.previews).back(said.words[0], version)
        return await self._ask_about(incoming, way, reason, "Roll back")

    async def redeploy(self, incoming: Incoming, said: Said) -> list[Answer]:
        """Show what bringing a version back would do, through the stages of today or at once, and ask."""
        name, number, *rest = said.words
        fast = rest[:1] == ["fast"]
        way = await WaysBack(self.previews).redeploy(name, number_of(number), fast=fast)
        return await self._ask_about(incoming, way, reason_of(rest[fast:]), "Redeploy at once" if fast else "Redeploy")

    async def _in_the_way(self, way: Return, workload: str, person: PersonId) -> InTheWay:
        straight = way.way is not Way.REVIEWED
        return await self.acting.store.read(
            lambda book: InTheWay.of_return(book, way.pipeline, workload, person, straight=straight)
        )

    async def _ask_about(self, incoming: Incoming, way: Return, reason: str, button: str) -> list[Answer]:
        what: Json
        if way.run is not None:
            workload, what = way.run.workload, {"verb": "unwind", "run": way.run.id}
        elif way.left is not None:
            workload, what = way.left.workload, {"verb": "take_back", "run": way.left.id}
        elif way.release is not None:
            workload = way.release.workload
            about = {"pipeline": way.pipeline, "release": way.release.id, "number": way.release.number, "now": way.now}
            others = await self._in_the_way(way, workload, incoming.person)
            what = {"verb": "return", **about, "way": way.way, "ends": [run.id for run in others.ends]}
            way = replace(way, card=replace(way.card, text=f"{others.in_words}\n{way.card.text}".strip()))
        else:
            raise InvariantViolation("A way back has a run or a release.")
        afterwards = f"\nAfterwards {workload} is locked until somebody unlocks it." if way.locks else ""
        because = (Field("Because", reason),) if reason else ()
        card = replace(way.card, text=way.card.text + afterwards, fields=(*way.card.fields, *because))
        return await self.ask(incoming, card, "yes", {**what, "reason": reason}, button)

    async def settle(self, incoming: Incoming, said: Said) -> list[Answer]:
        """Show what somebody else has changed or holds, and ask whether it is put back or taken as it is."""
        run, how = await self.acting.meant(said.words[0]), said.verb.name
        disputes = run.stage.outputs.get("disputed") or []
        if run.stage.state is not StageState.HELD or not disputes:
            raise Refused(f"Nothing is disputed in {run.id}.", f"`status {run.id}` shows where it is.")
        if how not in run.stage.outputs["ways"]:
            other = " or ".join(f"`{way} {run.id}`" for way in run.stage.outputs["ways"])
            raise Refused(f"{how.capitalize()} cannot settle this: the release itself decides it.", f"Say {other}.")
        ends = {
            "restore": "Sluice's values are written there, and the stage is tried again.",
            "adopt": "What is there is taken as it is, Sluice manages it from now on, and the stage is tried again.",
        }
        if run.stage.outputs.get("hotfix"):
            ends["restore"] += " What runs now is no version: it is lost by that."
            ends["adopt"] = (
                "What runs becomes a version, to which a way back can lead. Nothing restarts; the stage is tried again."
            )
        listed = "\n".join(f"• {each}" for each in disputes)
        card = Card(f"{how.capitalize()} in {run.id}?", Tone.ASKING, f"{listed}\n{ends[how]}")
        what = {"verb": "settle", "run": run.id, "how": how, "attempt": run.stage.attempt}
        return await self.ask(incoming, card, "yes", what, how.capitalize())

    async def delete(self, incoming: Incoming, said: Said) -> list[Answer]:
        """Ask for DELETE to be typed."""
        stored = await self.acting.store.read(lambda book: book.pipelines.load(said.words[0]))
        active = await self.acting.store.read(lambda book: book.runs.active(stored.name))
        if active:
            raise Refused(f"{stored.name} is running: {active[0].id}.", f"`stop {active[0].id}` ends it.")
        ends = f"`retire {await self.desk.workload(stored) or 'WORKLOAD'}` ends that"
        text = f"Its runs and releases stay in the history; what it deployed keeps running; {ends}."
        card = Card(f"Delete {stored.name}?", Tone.ASKING, text, fields=(Field("To do it, type", DELETE),))
        return await self.ask(incoming, card, DELETE, {"verb": "delete", "pipeline": stored.name}, "")

    async def retire(self, incoming: Incoming, said: Said) -> list[Answer]:
        """Ask for DELETE to be typed before everything of a workload ends."""
        workload = await self._workload(said.words[0])
        text = "Its instances end at once and its address answers nothing any more. The pipeline and its history stay."
        stays = await self.acting.store.read(lambda book: _staying(book, workload))
        left = (Field("Stays in the cluster", f"{', '.join(stays)}. Remove it by hand."),) if stays else ()
        fields = (*left, Field("To do it, type", DELETE))
        card = Card(f"Retire {workload}?", Tone.ASKING, text, fields=fields)
        return await self.ask(incoming, card, DELETE, {"verb": "retire", "workload": workload}, "")

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

    async def ask(self, incoming: Incoming, card: Card, phrase: str, what: Json, button: str) -> list[Answer]:
        """Keep the question: what is done when the person says `phrase`, or presses the button."""
        asked = Confirmation(
            id=secrets.token_hex(6),
            room=incoming.room,
            person=incoming.person,
            phrase=phrase,
            document=json.dumps({**what, "said": incoming.line}),
            expires_at=self.acting.clock.now() + CONFIRM_WITHIN,
        )
        if await self.acting.once(incoming, lambda book: _put(book, asked)) is None:
            return []
        yes = (Button(button, f"yes {asked.id}", primary=True),) if button else ()
        buttons = (*yes, *card.buttons, Button("Leave it", f"no {asked.id}"))
        return [Answer(replace(card, buttons=buttons), private=True)]

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

    def _confirmed(self, book: SqlBook, incoming: Incoming, what: Json) -> Card:
        check(book, replace(incoming, line=what.get("said", "")))
        return self.confirms[what["verb"]](self.acting, book, incoming, what)

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


def _asked_in(stored: StoredPipeline, values: Mapping[str, str]) -> tuple[Asked, ...]:
    declared = parse(stored.text).pipeline.variables
    return tuple(
        Asked(name, value, declared[name].description) for name, value in values.items() if not is_marker(value)
    )


def _version_and_reason(words: tuple[str, ...]) -> tuple[int | None, str]:
    """Read ``[VERSION] [REASON]``. Where a reason begins with a number, nobody knows which of them is meant.

    Anything else, ``5xx`` and ``500s`` too, is no version, so it is the reason.
    """
    first, *rest = words or ("",)
    if not _VERSION.fullmatch(first):
        return None, reason_of(words)
    if not rest or (len(rest) == 1 and " " in rest[0]):
        return number_of(first), reason_of(rest)
    raise Refused(
        f"{first!r} may be a version, or the beginning of the reason.",
        f'Put the reason in quotes: `"{" ".join(words)}"`, or `{first} "{" ".join(rest)}"`.',
    )


def _staying(book: SqlBook, workload: str) -> list[str]:
    """What the manifests of a workload's versions have brought along: Sluice may not remove it."""
    history = book.releases.history(workload, VERSIONS_READ)
    manifests = {str(release.settings.get("manifest", "")) for release in history}
    return sorted({thing for text in manifests if text for thing in beside_of(text)})


def _put(book: SqlBook, asked: Confirmation) -> bool:
    book.chats.ask(asked)
    return True
