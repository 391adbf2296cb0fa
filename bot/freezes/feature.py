"""Freezing, and the two ways out: taking a freeze away, and letting one thing through.

The danger is the person in a hurry who lifts the freeze that stands between them and their release. So whoever asks
for a way through gives a reason, and another person confirms it from an account of their own; nothing is done before
that. A freeze of one's own may be taken away alone (a slip of the thumb can be mended), and so may one that does not
hold now. Both, the plea and its confirmation, are in the audit, and what came of them stands on the run's card and in
its journal.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal

from bot.acting import Acting
from bot.cards import Card, Field, Tone
from bot.chat import Answer, Incoming
from bot.feature import Ask, Feature
from bot.freezes.scopes import check_scope, freeze_of, scope_of
from bot.freezes.windows import read_window
from bot.frozen import asked, next_of, present_freeze, present_freezes, present_plea
from bot.grammar import Said
from bot.rights.access import About, Line, Need
from bot.rights.grants import demand
from bot.rights.holders import sight_of
from bot.ways_back import subject_of_pipeline
from engine import commands as c
from engine.errors import Refused
from engine.freezes import Freeze, FreezeId, Plea
from engine.locks import LONGEST_REASON
from engine.model import Json, Override, Run, RunId, StageState
from engine.standstill import frozen, subject_of
from storage.book import SqlBook
from storage.grants import Right

PATIENCE = timedelta(hours=1)
"""How long a plea waits for its second person, and a confirmed one for its start."""


@dataclass(frozen=True, slots=True)
class Freezing:
    """Freezes, unfreezes, lets through."""

    acting: Acting
    ask: Ask

    async def freeze(self, incoming: Incoming, said: Said) -> list[Answer]:
        """Let nothing begin in a window. What has begun to release goes on."""
        now = self.acting.clock.now()
        when, reason = read_window(said.words[1:], now)

        def work(book: SqlBook) -> Card:
            scope = scope_of(book, said.words[0])
            check_scope(book, incoming, "freeze", scope)
            for old in book.freezes.all():
                if old.is_over(now):
                    book.freezes.remove(old.id)
            name = FreezeId(book.freezes.next_id("f"))
            made = Freeze(name, scope, when, reason[:LONGEST_REASON], incoming.person, now)
            book.freezes.put(made)
            return present_freeze(made, now, _what_goes_on(book, made))

        card = await self.acting.once(incoming, work)
        return [] if card is None else [Answer(card)]

    async def freezes(self, incoming: Incoming, _said: Said) -> list[Answer]:
        """List them, as far as the person may see them."""

        def seen(book: SqlBook) -> Card:
            sight = sight_of(book, incoming.person)
            found = [freeze for freeze in book.freezes.all() if sight.may_read(f"{freeze}")]
            pleas = [plea for plea in book.freezes.pleas() if sight.may_read(asked(plea))]
            return present_freezes(found, pleas, self.acting.clock.now())

        return [Answer(await self.acting.store.read(seen), private=True)]

    async def unfreeze(self, incoming: Incoming, said: Said) -> list[Answer]:
        """Ask whether it goes; or ask for a second person when it holds now and is somebody else's."""
        now = self.acting.clock.now()
        freeze = await self.acting.store.read(lambda book: _may_unfreeze(book, incoming, said.words[0]))
        reason = " ".join(said.words[1:])
        if freeze.open_at(now) is not None and freeze.by != incoming.person:
            hint = f"It is {freeze.by}'s, and holds now: write `unfreeze {freeze.id} REASON`."
            return await self._plead(incoming, "unfreeze", lambda _book: freeze.id, reason, hint)
        fields = (Field("Because", reason),) if reason else ()
        text = f"{freeze}\n{next_of(freeze, now)}\nWhat was turned away is not started by itself; what waits goes on."
        card = Card(f"Take {freeze.id} away?", Tone.ASKING, text, fields=fields)
        what = {"verb": "unfreeze", "freeze": freeze.id, "reason": reason}
        return await self.ask(incoming, card, "yes", what, "Unfreeze")

    async def override(self, incoming: Incoming, said: Said) -> list[Answer]:
        """Ask that a run goes on, or that one run of a pipeline may begin, in spite of what freezes it."""
        name, reason = said.words[0], " ".join(said.words[1:])
        run = await self._run_meant(name)
        if run is not None:
            return await self._plead(incoming, "run", lambda book: self._frozen_run(book, run.id), reason, "")
        return await self._plead(incoming, "start", lambda book: self._frozen_pipeline(book, name), reason, "")

    async def _run_meant(self, name: str) -> Run | None:
        """The run of this name, or the one active run of the pipeline of this name; None when none goes on."""
        found = await self.acting.store.read(lambda book: book.runs.find(RunId(name)))
        active = [] if found else await self.acting.store.read(lambda book: book.runs.active(name))
        return found or (await self.acting.meant(name) if active else None)

    def _frozen_run(self, book: SqlBook, name: RunId) -> str:
        run = book.runs.load(name)
        if run.state.is_over:
            raise Refused(f"Run {run.id} is over.", f"`override {run.pipeline} REASON` lets another one begin.")
        if frozen(book, run, self.acting.clock.now()) is None:
            raise Refused(f"Nothing freezes {run.id} now.", "`freezes` shows what does when.")
        return run.id

    def _frozen_pipeline(self, book: SqlBook, name: str) -> str:
        stored = book.pipelines.load(name)
        subject = subject_of_pipeline(book, stored)
        now = self.acting.clock.now()
        if not any(freeze.scope.covers(subject) and freeze.open_at(now) for freeze in book.freezes.all()):
            raise Refused(f"Nothing freezes {stored.name} now.", f"`run {stored.name}` starts it.")
        return stored.name

    async def _plead(
        self,
        incoming: Incoming,
        kind: Literal["run", "start", "unfreeze"],
        about: Callable[[SqlBook], str],
        reason: str,
        hint: str,
    ) -> list[Answer]:
        """Keep what is asked for until somebody else confirms it."""
        if not reason.strip():
            raise Refused("That needs a reason, and somebody else to confirm it.", hint)
        now = self.acting.clock.now()

        def work(book: SqlBook) -> Card:
            named = about(book)
            for old in book.freezes.pleas():
                if old.expires_at <= now:
                    book.freezes.drop_plea(old.id)
                elif (old.kind, old.about) == (kind, named):
                    raise _asked_already(old)
            plea = Plea(
                book.freezes.next_id("o"),
                kind,
                named,
                incoming.person,
                now,
                reason[:LONGEST_REASON],
                incoming.room,
                now + PATIENCE,
            )
            book.freezes.keep_plea(plea)
            return present_plea(plea)

        card = await self.acting.once(incoming, work)
        return [] if card is None else [Answer(card)]

    async def confirm(self, incoming: Incoming, said: Said) -> list[Answer]:
        """Do what somebody else has asked for."""
        card = await self.acting.once(incoming, lambda book: self._confirmed(book, incoming, said.words[0]))
        return [] if card is None else [Answer(card)]

    def _confirmed(self, book: SqlBook, incoming: Incoming, name: str) -> Card:
        now = self.acting.clock.now()
        plea = next((one for one in book.freezes.pleas(firmly=True) if one.id == name.lower()), None)
        if plea is None or now >= plea.expires_at:
            raise Refused(f"Nobody asks for {name} now; it was answered, or is too old.", "`freezes` shows what waits.")
        if plea.confirmed_by:
            raise Refused(f"{plea.confirmed_by} has confirmed {name} already.", f"`run {plea.about}` starts it.")
        if plea.by == incoming.person:
            raise Refused(f"You asked for {name} yourself; somebody else has to confirm it.")
        _check_second(book, incoming, plea)
        return self._let_through(book, replace(plea, confirmed_by=incoming.person))

    def _let_through(self, book: SqlBook, plea: Plea) -> Card:
        now, who = self.acting.clock.now(), f"{plea.by} asked for it, {plea.confirmed_by} has confirmed it"
        match plea.kind:
            case "run":
                self._frozen_run(book, RunId(plea.about))
                override = Override(plea.by, plea.confirmed_by, plea.reason, now)
                overrule = c.OverruleFreezes(run=RunId(plea.about), by=plea.confirmed_by, override=override)
                self.acting.control.apply(book, overrule)
            case "unfreeze":
                _remove(self.acting, book, FreezeId(plea.about))
            case "start":
                self._frozen_pipeline(book, plea.about)
                until = now + PATIENCE
                book.freezes.keep_plea(replace(plea, expires_at=until))
                text = f"{who}: {plea.reason}\nOne run of it may begin before {until:%H:%M} UTC: `run {plea.about}`."
                return Card(f"{plea.about} may be started once.", Tone.GOOD, text)
        book.freezes.drop_plea(plea.id)
        done = f"{plea.about} is let through." if plea.kind == "run" else f"{plea.about} is taken away."
        return Card(done, Tone.GOOD, f"{who}: {plea.reason}")


def unfrozen(acting: Acting, book: SqlBook, incoming: Incoming, what: Json) -> Card:
    """Take a freeze away, inside the transaction that uses the question up."""
    freeze = _may_unfreeze(book, incoming, what["freeze"])
    if freeze.open_at(acting.clock.now()) is not None and freeze.by != incoming.person:
        raise Refused(f"{freeze.id} holds now, and is {freeze.by}'s.", f"Say `unfreeze {freeze.id} REASON` again.")
    _remove(acting, book, freeze.id)
    return Card(f"{freeze.id} is taken away.", Tone.GOOD, what["reason"])


def make_freezing(acting: Acting, ask: Ask) -> Feature:
    """Offer the verbs of freezes."""
    one = Freezing(acting, ask)
    says = {
        "freeze": one.freeze,
        "unfreeze": one.unfreeze,
        "freezes": one.freezes,
        "override": one.override,
        "confirm": one.confirm,
    }
    return Feature(says, {"unfreeze": unfrozen})


def _may_unfreeze(book: SqlBook, incoming: Incoming, name: str) -> Freeze:
    freeze = freeze_of(book, name)
    check_scope(book, incoming, "unfreeze", freeze.scope)
    return freeze


def _check_second(book: SqlBook, incoming: Incoming, plea: Plea) -> None:
    """Refuse a second person who may not do alone what would be let through."""
    if plea.kind == "unfreeze":
        _may_unfreeze(book, incoming, plea.about)
        return
    about = About.RUN if plea.kind == "run" else About.PIPELINE
    demand(book, incoming.person, Line("confirm", (plea.about,)), Need(about, Right.EDIT))


def _remove(acting: Acting, book: SqlBook, name: FreezeId) -> None:
    if book.freezes.find(name) is None:
        raise Refused(f"There is no freeze {name} any more.", "`freezes` shows them.")
    book.freezes.remove(name)
    acting.control.thaw(book)


def _what_goes_on(book: SqlBook, freeze: Freeze) -> str:
    """Name the runs that have begun and are covered: what becomes of them."""
    active = [run for run in book.runs.active() if run.stage.state is not StageState.FROZEN]
    covered = [run.id for run in active if freeze.scope.covers(subject_of(book, run))]
    if not covered:
        return ""
    return f"{' and '.join(covered)} began before; inside it no gray and no official stage of it begins."


def _asked_already(plea: Plea) -> Refused:
    if plea.confirmed_by:
        return Refused(
            f"{plea.by} has asked for that, and {plea.confirmed_by} has confirmed it.", f"`run {plea.about}`"
        )
    return Refused(f"{plea.by} has asked for that already.", f"Somebody else says `confirm {plea.id}`.")
