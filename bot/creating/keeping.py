"""Templates of one's own: exported from a pipeline, shown, taken away. They belong to the pipeline's group."""

from dataclasses import dataclass
from datetime import datetime

from bot.acting import Acting
from bot.cards import Button, Card, Field, Table, Tone
from bot.chat import Answer, Incoming
from bot.creating.shelf import Template, generalized, seen_templates, shipped, template_of
from bot.feature import Ask, Feature
from bot.grammar import BY_NAME, Said
from bot.naming import a_name
from bot.rights.holders import holder_of, no_template
from engine.errors import Refused
from engine.model import Json
from storage.book import SqlBook
from storage.grants import Right
from storage.templates import KeptTemplate

_PARTS = ("export", "delete")


@dataclass(frozen=True, slots=True)
class Keeping:
    """Answers `templates` and `template`."""

    acting: Acting
    ask: Ask

    def feature(self) -> Feature:
        """What is said about templates, and what a yes does."""
        return Feature({"templates": self.templates, "template": self.template}, {"delete_template": _delete})

    async def templates(self, incoming: Incoming, _said: Said) -> list[Answer]:
        """List the templates that the person sees."""
        shown = await self.acting.store.read(lambda book: seen_templates(book, holder_of(book, incoming.person)))
        rows = tuple((one.name, one.about, one.group or "ships with Sluice", one.by) for one in shown)
        table = Table(("Template", "For", "Group", "Kept by"), rows)
        text = "`create TEMPLATE` asks what it needs and makes a pipeline of it."
        return [Answer(Card("Templates", text=text, table=table), private=True)]

    async def template(self, incoming: Incoming, said: Said) -> list[Answer]:
        """Show one, keep one, take one away."""
        match said.words:
            case ["export", pipeline, name]:
                return await self._export(incoming, pipeline, a_name(name))
            case ["delete", name]:
                return await self._ask_to_delete(incoming, name)
            case [name] if name not in _PARTS:
                holder = incoming.person
                found = await self.acting.store.read(lambda book: template_of(book, holder_of(book, holder), name))
                return [Answer(_shown(found), private=True)]
        raise Refused("That is not how template is said.", f"Write `{BY_NAME['template'].form}`.")

    async def _export(self, incoming: Incoming, pipeline: str, name: str) -> list[Answer]:
        now = self.acting.clock.now()
        card = await self.acting.once(incoming, lambda book: _exported(book, incoming, pipeline, name, now))
        return [] if card is None else [Answer(card)]

    async def _ask_to_delete(self, incoming: Incoming, name: str) -> list[Answer]:
        found = await self.acting.store.read(lambda book: template_of(book, holder_of(book, incoming.person), name))
        if not found.group:
            raise Refused(f"{name} ships with Sluice; it stays.", "`templates` shows which are yours.")
        card = Card(f"Delete the template {name}?", Tone.ASKING, "Pipelines that were made from it stay as they are.")
        return await self.ask(incoming, card, "yes", {"verb": "delete_template", "template": name}, "Delete")


def _shown(found: Template) -> Card:
    fields = (Field("Group", found.group), Field("Kept by", found.by)) if found.group else ()
    button = Button("Create from it", f"create {found.name}", primary=True)
    return Card(found.name, text=found.about, fields=fields, code=found.text, buttons=(button,))


def _exported(book: SqlBook, incoming: Incoming, pipeline: str, name: str, now: datetime) -> Card:
    if name in _PARTS or any(one.name == name for one in shipped()):
        raise Refused(f"The name {name} is taken.", "Choose another one.")
    before = book.templates.find(name)
    stored = book.pipelines.load(pipeline)
    if before is not None and holder_of(book, incoming.person).on(before.group) < Right.EDIT:
        raise Refused(f"The name {name} is taken.", "Choose another one.")
    book.templates.keep(KeptTemplate(name, stored.group, generalized(stored.text), incoming.person, now))
    text = f"Whoever may read {stored.group} makes pipelines of it: `create {name}`."
    return Card(f"The template {name} is {'kept' if before is None else 'replaced'}", Tone.GOOD, text)


def _delete(_acting: Acting, book: SqlBook, _incoming: Incoming, what: Json) -> Card:
    if not book.templates.delete(what["template"]):
        raise no_template(what["template"])
    return Card(f"The template {what['template']} is deleted.", Tone.STOPPED)


def make_keeping(acting: Acting, ask: Ask) -> Feature:
    """Make the feature."""
    return Keeping(acting, ask).feature()
