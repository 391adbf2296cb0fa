"""Groups, and what people are granted in them: shown, granted, taken away.

The danger is a group that nobody can get into any more, or one that everybody can since the last right in it was taken
away. So a closed group keeps somebody who manages it, and stays closed; and whoever runs Sluice can repair it in a
terminal on its machine.
"""

import difflib
from dataclasses import dataclass
from datetime import datetime

from bot.acting import Acting
from bot.cards import Card, Field, Table, Tone
from bot.chat import Answer, Incoming
from bot.feature import Ask, Feature
from bot.grammar import BY_NAME, DELETE, Said
from bot.naming import a_name
from bot.presenters import clock_time
from bot.rights.grants import is_repair
from bot.rights.holders import Holder, holder_of, no_group, seen_groups
from engine.errors import Refused
from engine.model import Json, PersonId
from engine.rewriting import with_value
from storage.book import SqlBook
from storage.grants import GRANTABLE, Grant, Right

_RIGHTS = {str(right): right for right in GRANTABLE}
_MEANS = {
    Right.READ: "see everything in it, start runs and see them through, lock, and ask for an override",
    Right.EDIT: (
        "also make pipelines in it, keep templates, change splits, settle what others changed, give up a way back, "
        "unlock, freeze, confirm, redeploy at once, see to its webhooks for pushes, and put packages"
    ),
    Right.MANAGE: (
        "also change and delete its pipelines, set their secrets, see and change the addresses of their hooks, "
        "retire workloads, delete packages, and grant"
    ),
}
_PARTS = ("create", "delete")


@dataclass(frozen=True, slots=True)
class Groups:
    """Answers `groups`, `group`, `grant` and `revoke`."""

    acting: Acting
    ask: Ask

    def feature(self) -> Feature:
        """What is said about groups, and what a yes does."""
        says = {"groups": self.groups, "group": self.group, "grant": self.grant, "revoke": self.revoke}
        return Feature(says, {"close": _close, "revoke": _revoke, "delete_group": _delete})

    async def groups(self, incoming: Incoming, _said: Said) -> list[Answer]:
        """List the groups that the person sees; all of them for whoever repairs."""
        rows = await self.acting.store.read(lambda book: _rows(book, incoming))
        if not rows:
            return [
                Answer(Card("No groups", text="`group create NAME` makes one, and so does a pipeline."), private=True)
            ]
        table = Table(("Group", "You", "Managed by", "Pipelines"), rows)
        return [Answer(Card("Groups", table=table), private=True)]

    async def group(self, incoming: Incoming, said: Said) -> list[Answer]:
        """Show a group, make one, delete one."""
        match said.words:
            case ["create", name]:
                return await self._create(incoming, a_name(name))
            case ["delete", name]:
                return await self._ask_to_delete(incoming, name, "")
            case ["delete", name, "to", other]:
                return await self._ask_to_delete(incoming, name, other)
            case [name] if name not in _PARTS:
                card = await self.acting.store.read(lambda book: _shown(book, incoming, name))
                return [Answer(card, private=True)]
        raise Refused("That is not how group is said.", f"Write `{BY_NAME['group'].form}`.")

    async def _create(self, incoming: Incoming, name: str) -> list[Answer]:
        now = self.acting.clock.now()
        card = await self.acting.once(incoming, lambda book: _made(book, incoming, name, now))
        return [] if card is None else [Answer(card)]

    async def _ask_to_delete(self, incoming: Incoming, name: str, to: str) -> list[Answer]:
        moved = await self.acting.store.read(lambda book: _to_move(book, incoming, name, to))
        text = f"To {to} go: {', '.join(moved)}. " if moved else "It is empty. "
        text += f"What was granted in {name} ends."
        card = Card(f"Delete the group {name}?", Tone.ASKING, text, fields=(Field("To do it, type", DELETE),))
        return await self.ask(incoming, card, DELETE, {"verb": "delete_group", "group": name, "to": to}, "")

    async def grant(self, incoming: Incoming, said: Said) -> list[Answer]:
        """Grant a right. The first one in a group closes it, which is asked about."""
        person, word, on, group = said.words
        right = _RIGHTS.get(word.lower())
        if right is None or on.lower() != "on":
            raise Refused("That is not how grant is said.", f"Write `{BY_NAME['grant'].form}`.")
        is_closed = await self.acting.store.read(lambda book: _may_be_granted(book, incoming, PersonId(person), group))
        if not is_closed:
            return await self._ask_to_close(incoming, PersonId(person), right, group)
        new = Grant(group, PersonId(person), right, incoming.person, self.acting.clock.now())
        card = await self.acting.once(incoming, lambda book: _granted(book, new))
        return [] if card is None else [Answer(card)]

    async def _ask_to_close(self, incoming: Incoming, person: PersonId, right: Right, group: str) -> list[Answer]:
        others = f", and {person} may {right}" if person != incoming.person else ""
        text = (
            f"Until now everybody whom Sluice knows may do everything in {group}. From now on nobody sees it but those "
            f"who were granted something: you manage it{others}. Reviewers go on seeing what they are asked about."
        )
        card = Card(f"Close {group}?", Tone.ASKING, text)
        what = {"verb": "close", "group": group, "person": person, "right": str(right)}
        return await self.ask(incoming, card, "yes", what, "Close it")

    async def revoke(self, incoming: Incoming, said: Said) -> list[Answer]:
        """Ask for DELETE to be typed before a right is taken away."""
        person, on, group = said.words
        if on.lower() != "on":
            raise Refused("That is not how revoke is said.", f"Write `{BY_NAME['revoke'].form}`.")
        right = await self.acting.store.read(lambda book: _revocable(book, incoming.person, PersonId(person), group))
        text = f"{person} has {right} there. Runs that {person} started go on."
        card = Card(
            f"Take {person}'s right in {group} away?", Tone.ASKING, text, fields=(Field("To do it, type", DELETE),)
        )
        what = {"verb": "revoke", "group": group, "person": person}
        return await self.ask(incoming, card, DELETE, what, "")


def make_groups(acting: Acting, ask: Ask) -> Feature:
    """Make the feature."""
    return Groups(acting, ask).feature()


def _rows(book: SqlBook, incoming: Incoming) -> tuple[tuple[str, ...], ...]:
    holder = holder_of(book, incoming.person)
    seen = seen_groups(book, holder)
    if is_repair(incoming.room, "groups"):
        seen = sorted({*book.grants.made(), *book.grants.used()})
    return tuple(_row(book, holder, group) for group in seen)


def _row(book: SqlBook, holder: Holder, group: str) -> tuple[str, ...]:
    count = len(book.grants.pipelines_in(group))
    if group not in holder.closed:
        return (group, "everything: it is open", "everybody", str(count))
    managers = [one.person for one in book.grants.of_group(group) if one.right is Right.MANAGE]
    right = holder.on(group)
    return (group, "nothing" if right is Right.NONE else str(right), ", ".join(managers) or "nobody", str(count))


def _shown(book: SqlBook, incoming: Incoming, group: str) -> Card:
    holder = _holder_who_sees(book, incoming, group)
    pipelines = ", ".join(book.grants.pipelines_in(group)) or "none"
    kept = ", ".join(one.name for one in book.templates.all() if one.group == group)
    fields = (Field("Pipelines", pipelines), *((Field("Templates", kept),) if kept else ()))
    if group not in holder.closed:
        text = f"It is open: everybody whom Sluice knows may do everything in it. `{BY_NAME['grant'].form}` closes it."
        return Card(group, text=text, fields=fields)
    rows = tuple(
        (one.person, str(one.right), _MEANS[one.right], f"{one.by}, {clock_time(one.at)}")
        for one in book.grants.of_group(group)
    )
    return Card(group, fields=fields, table=Table(("Person", "Right", "May", "Granted by"), rows))


def _holder_who_sees(book: SqlBook, incoming: Incoming, group: str) -> Holder:
    """The person's rights; refused when there is no such group."""
    holder = holder_of(book, incoming.person)
    if group not in {*book.grants.made(), *book.grants.used()}:
        raise no_group(book, holder, group)
    return holder


def _made(book: SqlBook, incoming: Incoming, name: str, now: datetime) -> Card:
    if name in _PARTS:
        raise Refused(f"{name} is a word of the command.", "Choose another name.")
    if name in {*book.grants.made(), *book.grants.used()}:
        raise Refused(f"The name {name} is taken.", "`groups` lists the groups that you see.")
    book.grants.put(Grant(name, incoming.person, Right.MANAGE, incoming.person, now))
    text = f"You manage it, and nobody else sees it. `{BY_NAME['grant'].form}` lets others in."
    return Card(f"The group {name} is there", Tone.GOOD, text)


def _may_be_granted(book: SqlBook, incoming: Incoming, person: PersonId, group: str) -> bool:
    """Whether the group is closed already. Refuses people and groups that there are not."""
    holder = _holder_who_sees(book, incoming, group)
    names = book.people.names()
    if person not in names:
        near = difflib.get_close_matches(person, names, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"On this machine: `sluice person add {person}`."
        raise Refused(f"Nobody here knows {person}.", hint)
    return group in holder.closed


def _granted(book: SqlBook, new: Grant) -> Card:
    if new.right is not Right.MANAGE:
        _must_be_managed(book, new.group, without=new.person)
    book.grants.put(new)
    return Card(f"{new.person} has {new.right} on {new.group}", Tone.GOOD, f"{new.person} may {_MEANS[new.right]}.")


def _must_be_managed(book: SqlBook, group: str, *, without: PersonId) -> None:
    """Refuse what would leave a group with nobody who manages it."""
    has = {one.person: one.right for one in book.grants.of_group(group)}
    known = set(book.people.names())
    others = [who for who, right in has.items() if right is Right.MANAGE and who != without and who in known]
    if has.get(without) is Right.MANAGE and not others:
        raise Refused(
            f"{without} is the last who manages {group}.", f"First `grant PERSON manage on {group}` to somebody else."
        )


def _revocable(book: SqlBook, by: PersonId, person: PersonId, group: str) -> Right:
    has = {one.person: one.right for one in book.grants.of_group(group)}
    if group not in {*book.grants.made(), *book.grants.used()}:
        raise no_group(book, holder_of(book, by), group)
    if person not in has:
        raise Refused(f"{person} was granted nothing in {group}.", f"`group {group}` shows who was.")
    _must_be_managed(book, group, without=person)
    return has[person]


def _to_move(book: SqlBook, incoming: Incoming, group: str, to: str) -> list[str]:
    """What goes to the other group: nothing is left without a group, and nothing is taken where one may not."""
    holder = _holder_who_sees(book, incoming, group)
    held = [*book.grants.pipelines_in(group), *(one.name for one in book.templates.all() if one.group == group)]
    if held and not to:
        line = f"group delete {group} to GROUP"
        raise Refused(f"{group} is not empty: {', '.join(held)}.", f"`{line}` moves them first.")
    if not held:
        return []
    if a_name(to) == group:
        raise Refused(f"They are in {group} already.", "Name another group.")
    if holder.on(to) is Right.NONE:
        raise no_group(book, holder, to)
    if holder.on(to) < Right.EDIT:
        raise Refused(
            f"You may not make pipelines in {to}.", "Choose a group where you have edit; `groups` lists yours."
        )
    return held


def _close(acting: Acting, book: SqlBook, incoming: Incoming, what: Json) -> Card:
    group, person, right, now = what["group"], PersonId(what["person"]), _RIGHTS[what["right"]], acting.clock.now()
    if group in book.grants.closed():
        raise Refused(f"{group} was closed meanwhile; nothing was done.", f"`group {group}`")
    _may_be_granted(book, incoming, person, group)
    book.grants.put(Grant(group, person, right, incoming.person, now))
    book.grants.put(Grant(group, incoming.person, Right.MANAGE, incoming.person, now))
    also = f", {person} has {right}" if person != incoming.person else ""
    return Card(f"{group} is closed", Tone.GOOD, f"{incoming.person} manages it{also}.")


def _revoke(_acting: Acting, book: SqlBook, incoming: Incoming, what: Json) -> Card:
    group, person = what["group"], PersonId(what["person"])
    _revocable(book, incoming.person, person, group)
    book.grants.drop(group, person)
    return Card(f"{person} has no right in {group} any more", Tone.STOPPED)


def _delete(acting: Acting, book: SqlBook, incoming: Incoming, what: Json) -> Card:
    group, to, now = what["group"], what["to"], acting.clock.now()
    moved = _to_move(book, incoming, group, to)
    for name in book.grants.pipelines_in(group):
        text = with_value(book.pipelines.load(name).text, ("group",), to)
        book.pipelines.save(name, to, text, incoming.person, now)
    book.templates.move(group, to)
    if book.grants.texts_in(frozenset((group,))):
        book.grants.empty(group)  # what was deleted in it has a history, which is not for everybody now
    else:
        book.grants.forget(group)
    return Card(f"The group {group} is deleted.", Tone.STOPPED, f"In {to} now: {', '.join(moved)}." if moved else "")
