"""From an entry of the journal to what it leads to: inside the transaction that moves the cursor past it."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from bot.heralds.parcels import ACCOUNT, CHANNEL, EMAIL, GATEWAY, PHONE, ROOM, WEBHOOK, Note, Request, sealed
from bot.heralds.report import report
from bot.wiring import rewire
from engine.definition import Recipient
from engine.errors import Refused
from engine.model import Person, PersonId, Run
from engine.notifications import Happened, Telling, happened, outcome_of, recipients, tellings, values_of
from engine.ports import Clock
from engine.stages.rollout import placed_release
from engine.triggers import Effect, Message, Triggers, group_of
from engine.web_call import host_of, web_call
from storage.book import SqlBook
from storage.hooks import Trigger
from storage.outbox import News, Parcel, Status
from storage.vault import Vault

_DONE = ("started", "met")
_UNREACHABLE = (
    "No chat account, no e-mail address and no phone number. "
    "`sluice person add {0} --email ADDRESS --phone NUMBER` names them; `link` makes a chat account theirs."
)


@dataclass(frozen=True, slots=True)
class Address:
    """A way, where it leads (empty: nowhere), and what people are shown of it."""

    way: str
    to: str
    shown: str


@dataclass(frozen=True, slots=True)
class Messages:
    """Makes messages. `console` is the public address of the console; empty: there is none. `gateways` are set up."""

    vault: Vault
    clock: Clock
    triggers: Triggers
    console: str = ""
    gateways: Collection[str] = ()

    def follow(self, book: SqlBook, news: News) -> tuple[str, ...]:
        """Do what follows from an entry. Gives the sentences that the rooms have to hear."""
        journal = [entry.event for entry in book.journal.of(news.run)][: news.n]
        seen = happened(journal, news.n)
        text = book.pipelines.load(seen.after.pipeline, seen.after.version).text
        cut: list[str] = []
        for telling in tellings(text, seen):
            cut += self._tell(book, seen, text, telling)
        for number, address in enumerate(self._addresses(book, recipients(text, seen))):
            self._note(book, seen, number, address)
        return tuple(cut)

    def _tell(self, book: SqlBook, seen: Happened, text: str, telling: Telling) -> list[str]:
        values = values_of(text, seen.after)
        key = f"{seen.after.id}:{seen.n}:tell-{telling.position}"
        about = f"{seen.after.stages[seen.event.stage].name}: {outcome_of(seen)}"  # type: ignore[attr-defined]
        if telling.tell.channel:
            sent = {name: values.get(variable, "") for name, variable in telling.tell.parameters.items()}
            by = seen.after.requested_by
            return self._relay(book, key, about, Message(telling.tell.channel, sent, seen.after, by))
        try:
            call = web_call(telling.raw, telling.tell, values)
        except Refused as error:
            shown = f"{telling.tell.method} {host_of(telling.tell.webhook or '')}"
            book.outbox.put(_refused(self._parcel(seen.after, key, about, Address(WEBHOOK, "", shown)), str(error)))
            return []
        content = sealed(self.vault, Request(call, seen.after.depth))
        address = Address(WEBHOOK, call.url, f"{call.method} {host_of(call.url)}")
        book.outbox.put(replace(self._parcel(seen.after, key, about, address), sealed=content))
        return []

    def _relay(self, book: SqlBook, key: str, about: str, message: Message) -> list[str]:
        """Tell a channel at once, and write down what came of it on both sides."""
        rewire(book, self.vault)
        effects = self.triggers.relay(book, message, book.hooks.wired("starts", message.channel))
        now = self.clock.now()
        for effect in effects:
            source = message.teller.id
            row = Trigger(
                now, effect.pipeline, CHANNEL, message.channel, source, effect.run, effect.outcome, effect.said
            )
            book.hooks.record(row)
        failed = " ".join(effect.said for effect in effects if effect.outcome not in _DONE)
        near = group_of(book, message.teller)
        said = (
            "; ".join(_came(book, effect, near) for effect in effects) or "Nobody waits for it, and it starts nothing."
        )
        status: Status = "refused" if failed and not any(effect.outcome in _DONE for effect in effects) else "sent"
        parcel = self._parcel(message.teller, key, about, Address(CHANNEL, message.channel, message.channel))
        book.outbox.put(replace(parcel, status=status, attempts=1, due_at=None, error=said, done_at=now))
        return [effect.said for effect in effects if effect.outcome == "cut"]

    def _note(self, book: SqlBook, seen: Happened, number: int, address: Address) -> None:
        run = seen.after
        placed = placed_release(run)
        card = report(seen, book.releases.find(placed) if placed else None, self.clock.now())
        parcel = self._parcel(run, f"{run.id}:{seen.n}:notify-{number}", card.title, address)
        if not address.to:
            book.outbox.put(_refused(parcel, _UNREACHABLE.format(address.shown)))
            return
        book.outbox.put(replace(parcel, sealed=sealed(self.vault, Note(address.to, card, self._link(run)))))

    def _addresses(self, book: SqlBook, told: tuple[Recipient, ...]) -> Iterator[Address]:
        """Give everybody's addresses, each once."""
        seen: set[tuple[str, str]] = set()
        for recipient in told:
            for address in _of(book, recipient, phones=PHONE in self.gateways):
                if (address.way, address.to) not in seen:
                    seen.add((address.way, address.to))
                    yield address

    def _link(self, run: Run) -> str:
        return f"{self.console.rstrip('/')}/r/{run.id}" if self.console else ""

    def _parcel(self, run: Run, key: str, about: str, address: Address) -> Parcel:
        now = self.clock.now()
        return Parcel(key, now, run.pipeline, run.id, about, address.way, address.shown, due_at=now)


def _refused(parcel: Parcel, why: str) -> Parcel:
    """Say of a message that it is never sent."""
    return replace(parcel, status="refused", due_at=None, error=why, done_at=parcel.at)


def _of(book: SqlBook, recipient: Recipient, *, phones: bool) -> Iterator[Address]:
    if recipient.person:
        yield from _of_person(book, PersonId(recipient.person), phones=phones)
    elif recipient.room:
        yield Address(ROOM, recipient.room, recipient.room)
    elif recipient.email:
        yield Address(EMAIL, recipient.email, recipient.email)
    elif recipient.phone:
        yield Address(PHONE, recipient.phone, recipient.phone)
    elif recipient.gateway:
        yield Address(GATEWAY, recipient.gateway, recipient.gateway)


def _of_person(book: SqlBook, person: PersonId, *, phones: bool) -> Iterator[Address]:
    """Somebody is told in every chat where they are known, by mail, and by phone where `phones` can be told.

    Where they cannot, a phone is named if nothing else reaches them: then it is said what to set up.
    """
    known = book.people.find(person) or Person(person)
    ways = [(ACCOUNT, account.id, account.id.partition(":")[0]) for account in book.accounts.of(person)]
    ways += [(EMAIL, known.email, known.email)] if known.email else []
    ways += [(PHONE, known.phone, known.phone)] if known.phone and (phones or not ways) else []
    yield from (Address(way, to, f"{person}, {shown}") for way, to, shown in ways)
    if not ways:
        yield Address(EMAIL, "", person)


_FAR = {"started": "started", "met": "goes on", "refused": "takes it not", "cut": "is not started: too deep"}


def _came(book: SqlBook, effect: Effect, near: str) -> str:
    """Say what came of it. Of a pipeline in another group than `near` no more is said: not everybody sees it."""
    if book.grants.group_of(effect.pipeline) != near:
        return f"a pipeline of another group: {_FAR[effect.outcome]}"
    match effect.outcome:
        case "started":
            return f"{effect.run} started"
        case "met":
            return f"{effect.run} goes on"
        case _:
            return f"{effect.run or effect.pipeline}: {effect.said}"
