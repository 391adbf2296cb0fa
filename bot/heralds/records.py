"""What was told and what was called, to be looked at; and the hooks, whose addresses are shown to few and alone."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from bot.acting import Acting, deed_of
from bot.cards import Card, Field, Table, Tone
from bot.chat import Answer, Incoming
from bot.feature import Feature
from bot.grammar import BY_NAME, Said
from bot.presenters import clock_time, elapsed
from bot.reach import Reach
from bot.rights.holders import holder_of, right_on, sight_of
from bot.wiring import SECRET, TOKEN, hooks_in, rewire, rotate
from engine.calls import SIGNATURE_HEADER, TIMESTAMP_HEADER
from engine.errors import Refused
from engine.model import Run, RunId
from engine.pipeline import resolve
from engine.ports import StoredPipeline
from engine.triggers import hooks_of
from storage.book import SqlBook
from storage.grants import Right
from storage.hooks import StoredHook, Trigger
from storage.outbox import Parcel
from storage.vault import Vault

LATEST = 20
_ALONE = "Say `hooks {}` to me in a direct chat to see the addresses."
_PLACES = {"start": "pipeline", "stage": "stage"}


@dataclass(frozen=True, slots=True)
class Records:
    """Shows. `reach` tells what hooks' addresses begin with."""

    acting: Acting
    vault: Vault
    reach: Callable[[], Reach]

    def feature(self) -> Feature:
        """Give what is said about it."""
        return Feature(
            {
                "hooks": self.hooks,
                "hook": self.hook,
                "triggers": self.triggers,
                "notifications": self.notifications,
            }
        )

    async def hooks(self, incoming: Incoming, said: Said) -> list[Answer]:
        """List a pipeline's hooks."""
        stored = await self.acting.store.read(lambda book: book.pipelines.load(said.words[0]))
        found, is_manager = await self.acting.store.transact(lambda book: self._found(book, incoming, stored))
        if not found:
            hint = "`webhook:` under `starts` or under a stage's `conditions` makes one."
            return [Answer(Card(f"{stored.name} has no hooks", text=hint), private=True)]
        rows = tuple((hook.name, _does(hook), _called(hook)) for hook in found)
        table = Table(("Hook", "Does", "Last call"), rows)
        if not is_manager:
            return [Answer(Card(f"Hooks of {stored.name}", table=table), private=True)]
        if not incoming.is_alone:
            return [Answer(Card(f"Hooks of {stored.name}", text=_ALONE.format(stored.name), table=table), private=True)]
        reach = self.reach()
        text = f"Who has an address can use it: give each to those only who call it. {reach.note}".strip()
        code = "\n\n".join(self._address(hook, stored, reach) for hook in found)
        return [Answer(Card(f"Hooks of {stored.name}", text=text, table=table, code=code), private=True)]

    def _found(self, book: SqlBook, incoming: Incoming, stored: StoredPipeline) -> tuple[list[StoredHook], bool]:
        """The hooks, and whether the person manages them; that they are shown is written down before they are."""
        rewire(book, self.vault)
        found, is_manager = _hooks(book, stored), _manages(book, incoming, stored.name)
        if found and is_manager and incoming.is_alone:
            said = f"The addresses of {stored.name}'s hooks were shown."
            book.audit.add(deed_of(incoming, self.acting.clock.now(), "done", said))
        return found, is_manager

    async def hook(self, incoming: Incoming, said: Said) -> list[Answer]:
        """Give a hook another address."""
        what, name, hook = said.words
        if what != "rotate":
            verb = BY_NAME["hook"]
            raise Refused(
                f"That is not how {verb.name} is said.", f"Write `{verb.form}`, for example `{verb.example}`."
            )
        if not incoming.is_alone:
            raise Refused("The new address is for you alone, and others read along here.", "Say it in a direct chat.")
        stored = await self.acting.store.read(lambda book: book.pipelines.load(name))
        done = await self.acting.once(
            incoming, lambda book: self._rotated(book, stored, hook), f"{name}: {hook} has a new address."
        )
        if done is None:
            return []
        reach = self.reach()
        code = "\n\n".join(self._address(one, stored, reach) for one in done)
        text = f"The old one is good for nothing now. {reach.note}".strip()
        card = Card(f"{hook} of {name} has a new address", Tone.GOOD, text, code=code)
        return [Answer(card, private=True)]

    def _rotated(self, book: SqlBook, stored: StoredPipeline, name: str) -> list[StoredHook]:
        rewire(book, self.vault)
        found = [hook for hook in _hooks(book, stored) if hook.name == name]
        if not found:
            raise Refused(f"{stored.name} has no hook {name}.", f"`hooks {stored.name}` lists them.")
        return [rotate(book, hook, self.vault) for hook in found]

    def _address(self, hook: StoredHook, stored: StoredPipeline, reach: Reach) -> str:
        token = self.vault.token(TOKEN, hook.about)
        address = f"{hook.name}: POST {reach.address}/hooks/{_PLACES[hook.scope]}/{token}"
        if not _is_signed(hook, stored):
            return address
        secret = self.vault.token(SECRET, hook.about)
        how = f"{SIGNATURE_HEADER}: sha256=HMAC(secret, TIMESTAMP \\n QUERY \\n BODY), {TIMESTAMP_HEADER}: unix seconds"
        return f"{address}\nsecret: {secret}\n{how}"

    async def triggers(self, incoming: Incoming, said: Said) -> list[Answer]:
        """Show the latest calls of hooks and channels."""
        name = said.words[0] if said.words else None
        if name is not None:
            await self.acting.store.read(lambda book: book.pipelines.load(name))
        found, sight = await self.acting.store.read(lambda book: (_calls(book, name), sight_of(book, incoming.person)))
        shown = [one for one in found if one.pipeline not in sight.hidden and sight.may_read(one.source)][:LATEST]
        title = f"Triggers of {name}" if name else "Latest triggers"
        if not shown:
            return [Answer(Card(title, text="Nothing was called yet."), private=True)]
        rows = tuple(_trigger_row(one, self.acting.clock.now()) for one in shown)
        card = Card(title, fields=_refusals(shown), table=Table(("What", "From", "Came of it", "When"), rows))
        return [Answer(card, private=True)]

    async def notifications(self, incoming: Incoming, said: Said) -> list[Answer]:
        """Show the latest messages to others."""
        name = said.words[0] if said.words else None
        found, sight = await self.acting.store.read(
            lambda book: (_messages(book, name), sight_of(book, incoming.person))
        )
        shown = [one for one in found if one.pipeline not in sight.hidden][:LATEST]
        title = f"Notifications of {name}" if name else "Latest notifications"
        if not shown:
            return [Answer(Card(title, text="Nobody was told anything yet."), private=True)]
        now = self.acting.clock.now()
        rows = tuple(_message_row(one, now) for one in shown)
        card = Card(title, fields=_troubles(shown, now), table=Table(("Run", "To", "State", "When"), rows))
        return [Answer(card, private=True)]


def _hooks(book: SqlBook, stored: StoredPipeline) -> list[StoredHook]:
    """The hooks that the newest definition has."""
    found = [book.hooks.find(stored.name, scope, name) for scope, name in hooks_in(resolve(stored.text, {}))]
    return [hook for hook in found if hook is not None]


def _manages(book: SqlBook, incoming: Incoming, pipeline: str) -> bool:
    return right_on(book, holder_of(book, incoming.person), pipeline) is Right.MANAGE


def _is_signed(hook: StoredHook, stored: StoredPipeline) -> bool:
    pipeline = resolve(stored.text, {})
    starts = [start for start in pipeline.starts if start.webhook == hook.name]
    places = starts if hook.scope == "start" else hooks_of(pipeline, f"webhook:{hook.name}")
    return any(place.signature == "hmac" for place in places)


def _does(hook: StoredHook) -> str:
    return "starts it" if hook.scope == "start" else "meets a condition"


def _called(hook: StoredHook) -> str:
    return f"{hook.outcome}, {clock_time(hook.called_at)}" if hook.called_at else "never called"


def _calls(book: SqlBook, name: str | None) -> list[Trigger]:
    """The calls of hooks and channels, and the starts that people, the clock and pushes have made; newest first."""
    called = book.hooks.latest(name, LATEST * (1 if name else 5))
    known = {one.run for one in called}
    started = [_start(run) for run in book.runs.latest(name, LATEST) if run.id not in known]
    return sorted([*called, *started], key=lambda one: one.at, reverse=True)


def _start(run: Run) -> Trigger:
    return Trigger(run.created_at, run.pipeline, "run", "", run.requested_by, run.id, "started")


def _messages(book: SqlBook, name: str | None) -> list[Parcel]:
    """Those of a run, of a pipeline, or the latest of all. Raises `Refused` for a name that is neither."""
    if name is None:
        return book.outbox.latest(LATEST * 5)
    if book.runs.find(RunId(name)) is not None:
        return book.outbox.latest(LATEST, run=RunId(name))
    return book.outbox.latest(LATEST, pipeline=book.pipelines.load(name).name)


def _trigger_row(one: Trigger, now: datetime) -> tuple[str, ...]:
    came = f"{one.run} {one.outcome}".strip() if one.run else one.outcome
    return (f"{one.way} {one.name}".strip(), one.source, came, _ago(one.at, now))


def _refusals(shown: list[Trigger]) -> tuple[Field, ...]:
    """Why the latest ones did not work, each reason once."""
    said = dict.fromkeys((one.name, one.said) for one in shown if one.said)
    return tuple(Field(name, words) for name, words in list(said)[:5])


def _message_row(one: Parcel, now: datetime) -> tuple[str, ...]:
    tries = f" after {one.attempts} tries" if one.attempts > 1 else ""
    return (f"{one.run} {_brief(one)}".strip(), f"{one.way}: {one.shown}", f"{one.status}{tries}", _ago(one.at, now))


def _brief(one: Parcel) -> str:
    """What it was about, without the run's name, which stands before it."""
    return one.about.removeprefix(one.run).strip()


def _troubles(shown: list[Parcel], now: datetime) -> tuple[Field, ...]:
    """What came of those that did more, or less, than to arrive."""
    found = []
    for one in shown:
        again = f" Next try in {elapsed(one.due_at - now)}." if one.status == "waiting" and one.due_at else ""
        if one.error:
            found.append(Field(f"{one.way}: {one.shown}", one.error + again))
    return tuple(dict.fromkeys(found))[:5]


def _ago(then: datetime, now: datetime) -> str:
    return f"{elapsed(now - then)} ago"
