"""What is said about secret variables: giving them values, listing them, taking them away.

The danger is the value: it must not stand in a room, a log or the audit. So it is taken only where nobody else reads
along, arrives here sealed (`bot.secrecy.lines`), and is kept sealed. Nothing shows it again: it can only be set anew.
"""

from dataclasses import dataclass

from bot.acting import Acting
from bot.cards import Card, Field, Table, Tone
from bot.chat import Answer, Incoming
from bot.feature import Ask, Feature
from bot.forms import SecretForm
from bot.grammar import Said, typed_words
from bot.presenters import clock_time
from bot.secrecy.kept import KeptSecrets
from bot.secrecy.lines import SEALED, Whispered, conceal, reveal
from engine.errors import Refused
from engine.model import Json
from engine.pipeline import parse
from engine.secret_variables import check_value
from storage.book import SqlBook
from storage.secrets import Secret, sealed

_HOW = "Write `secret list PIPELINE`, `secret set PIPELINE NAME` or `secret remove PIPELINE NAME`."
_WORDS = 3
"""What is done, the pipeline, and the variable."""


@dataclass(frozen=True, slots=True)
class SecretsSaid:
    """Sets, lists and removes."""

    acting: Acting
    ask: Ask
    kept: KeptSecrets

    def feature(self) -> Feature:
        """Return what `bot.dispatch` joins."""
        return Feature({"secret": self.secret}, {"remove secret": _removed})

    async def secret(self, incoming: Incoming, said: Said) -> list[Answer]:
        """Take the first word for what to do."""
        what, pipeline = said.words[0].lower(), said.words[1]
        if what == "list" and len(said.words) < _WORDS:
            return [Answer(await self.acting.store.read(lambda book: _listed(book, pipeline)), private=True)]
        if len(said.words) < _WORDS or what not in ("set", "remove"):
            raise Refused("That is not how secret is said.", _HOW)
        name = said.words[2]
        if what == "remove":
            return await self._remove(incoming, pipeline, name)
        return await self._set(incoming, said)

    async def _set(self, incoming: Incoming, said: Said) -> list[Answer]:
        pipeline, name = said.words[1], said.words[2]
        description = await self.acting.store.read(lambda book: _declared(book, pipeline, name))
        heard = self._heard(incoming, said)
        if heard is None:
            return [Answer(_how_to(pipeline, name, description), private=True, form=SecretForm(pipeline, name))]
        if not heard.alone:
            raise Refused(
                "Others read along here, so that value is not taken, and is not secret any more: make another one.",
                f"Say `secret set {pipeline} {name}` to me in a direct chat.",
            )
        for problem in check_value(heard.secret):
            raise Refused(
                f"That cannot be a secret's value: {problem}.", "Choose a longer one, as a generator makes it."
            )
        self.kept.redaction.add(heard.secret)
        value = sealed(self.kept.vault, pipeline, name, heard.secret)
        secret = Secret(pipeline, name, incoming.person, self.acting.clock.now(), sealed=value)
        card = await self.acting.once(incoming, lambda book: _kept(book, secret))
        return [] if card is None else [Answer(card, private=True)]

    def _heard(self, incoming: Incoming, said: Said) -> Whispered | None:
        """The value, if there is one in the line: sealed already where it came from a chat."""
        line = conceal(self.kept.vault, f"secret {said.text}", alone=incoming.is_alone)
        last = line.rpartition(" ")[2]
        if not last.startswith(SEALED):
            return None
        heard = reveal(self.kept.vault, last)
        if typed_words(heard.head)[-2:] != said.words[1:3]:
            raise Refused("That was sealed for something else.", "Say the value itself.")
        return heard

    async def _remove(self, incoming: Incoming, pipeline: str, name: str) -> list[Answer]:
        secret = await self.acting.store.read(lambda book: _standing(book, pipeline, name))
        text = f"{secret.by} set it on {clock_time(secret.at)} UTC. What needs it fails until it is set again."
        what = {"verb": "remove secret", "pipeline": pipeline, "name": name, "version": secret.version}
        card = Card(f"Take away the secret {name} of {pipeline}?", Tone.ASKING, text)
        return await self.ask(incoming, card, "yes", what, "Take away")


def _declared(book: SqlBook, pipeline: str, name: str) -> str:
    """The description of a variable that the definition says is secret."""
    variables = parse(book.pipelines.load(pipeline).text).pipeline.variables
    variable = variables.get(name)
    if variable is None or not variable.secret:
        known = ", ".join(one for one, found in variables.items() if found.secret)
        hint = f"It has {known}." if known else f"Write `{name}: {{secret: true}}` under variables first."
        raise Refused(f"{pipeline} has no secret variable {name}.", hint)
    return variable.description


def _standing(book: SqlBook, pipeline: str, name: str) -> Secret:
    found = book.secrets.find(pipeline, name)
    if found is None:
        raise Refused(
            f"The secret {name} of {pipeline} has no value.", f"`secret list {pipeline}` shows which have one."
        )
    return found


def _kept(book: SqlBook, secret: Secret) -> Card:
    _declared(book, secret.pipeline, secret.name)
    times = book.secrets.put(secret)
    title = f"The secret {secret.name} of {secret.pipeline} is {'set' if times == 1 else 'set anew'}."
    return Card(
        title, Tone.GOOD, "It is shown to nobody again, and used from now on. Delete your message, if I could not."
    )


def _removed(_acting: Acting, book: SqlBook, _incoming: Incoming, what: Json) -> Card:
    """Take it away, inside the transaction that uses the question up."""
    pipeline, name = what["pipeline"], what["name"]
    if _standing(book, pipeline, name).version != what["version"]:
        raise Refused(f"The secret {name} of {pipeline} was set anew since you were asked.", "Say it again.")
    book.secrets.remove(pipeline, name)
    return Card(f"The secret {name} of {pipeline} is taken away.", Tone.STOPPED)


def _listed(book: SqlBook, pipeline: str) -> Card:
    variables = parse(book.pipelines.load(pipeline).text).pipeline.variables
    wanted = {name: one.description for name, one in variables.items() if one.secret}
    kept = {one.name: one for one in book.secrets.of(pipeline)}
    if not wanted and not kept:
        gives = f"`secret set {pipeline} NAME` gives it a value"
        text = f"Write `NAME: {{secret: true}}` under variables, then {gives}."
        return Card(f"{pipeline} has no secret variables", text=text)
    rows = tuple(_row(name, kept.get(name), wanted.get(name)) for name in dict.fromkeys([*wanted, *kept]))
    return Card(f"Secrets of {pipeline}", table=Table(("Name", "Set by", "When (UTC)", "Times", "For"), rows))


def _row(name: str, kept: Secret | None, description: str | None) -> tuple[str, ...]:
    about = "not in the definition any more" if description is None else description
    if kept is None:
        return (name, "has no value", "", "0", about)
    return (name, kept.by, clock_time(kept.at), str(kept.version), about)


def _how_to(pipeline: str, name: str, description: str) -> Card:
    return Card(
        f"The value of {name}?",
        text=f"Send me, alone: `secret set {pipeline} {name}` and the value behind it. I keep it sealed and show it to "
        "nobody.",
        fields=(Field("For", description),) if description else (),
    )
