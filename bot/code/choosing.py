"""What a code account can see at its forge: repositories, branches and tags, in pages, for people to choose from."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from bot.acting import Acting
from bot.cards import Button, Card, Field, Table
from bot.chat import Answer, Incoming
from bot.feature import Feature
from bot.grammar import Said
from bot.keyring import Keyring, may_use, usable
from engine.errors import Interrupted, Refused
from engine.forges.hosting import CodeHost, Namespace, Page, Ref, Repository
from engine.model import PersonId
from storage.book import SqlBook

T = TypeVar("T")
_NAMESPACES = 30
_MOST_PAGES = 10


@dataclass(frozen=True, slots=True)
class Choosing:
    """Asks the forge, and shows what it lists."""

    acting: Acting
    keyring: Keyring

    def feature(self) -> Feature:
        """What can be looked at."""
        return Feature(says={"repositories": self.repositories, "branches": self.branches, "tags": self.tags})

    async def repositories(self, incoming: Incoming, said: Said) -> list[Answer]:
        """List repositories, of all namespaces or of one; with the namespaces there are."""
        name = await self._account(incoming.person, said.words[0] if said.words else "")
        namespace, page = _namespace_and_page(said.words[1:])
        host = await self.keyring.host(name)
        found = await _asked(lambda: some_repositories(host, namespace, page))
        fields = () if namespace or page else await self._namespaces(host, name)
        rows = tuple((one.path, one.default_branch, _about(one)) for one in found.items)
        more = f"repositories {name} {namespace} ".rstrip() + f" {found.next}"
        none = "There is none on these pages; More looks at the next ones." if found.next else "There is none here."
        on = (Button("More", more),) if found.next else ()
        card = Card(
            f"Repositories that {name} sees{f' in {namespace}' if namespace else ''}",
            text="A button shows a repository's branches and tags." if rows else none,
            fields=fields,
            table=Table(("Repository", "Default branch", ""), rows) if rows else None,
            buttons=(*on, *(Button(one.path, f"branches {name} {one.path}") for one in found.items)),
        )
        return [Answer(card, private=True)]

    async def branches(self, incoming: Incoming, said: Said) -> list[Answer]:
        """List branches."""
        return await self._refs(incoming, said, "branches")

    async def tags(self, incoming: Incoming, said: Said) -> list[Answer]:
        """List tags."""
        return await self._refs(incoming, said, "tags")

    async def _refs(self, incoming: Incoming, said: Said, kind: str) -> list[Answer]:
        name, repository = await self._account(incoming.person, said.words[0]), said.words[1]
        page = said.words[2] if len(said.words) > 2 else ""  # noqa: PLR2004 - the third word
        host = await self.keyring.host(name)
        ask: Callable[[str, str], Awaitable[Page[Ref]]] = host.branches if kind == "branches" else host.tags
        found = await _asked(lambda: ask(repository, page))
        rows = tuple((one.name, one.sha[:12]) for one in found.items)
        on = (Button("More", f"{kind} {name} {repository} {found.next}"),) if found.next else ()
        other = "tags" if kind == "branches" else "branches"
        card = Card(
            f"The {kind} of {repository}",
            text="" if rows else "There is none.",
            table=Table(("Name", "Commit"), rows) if rows else None,
            buttons=(*on, Button(other.capitalize(), f"{other} {name} {repository}")),
        )
        return [Answer(card, private=True)]

    async def _namespaces(self, host: CodeHost, name: str) -> tuple[Field, ...]:
        found: Page[Namespace] = await _asked(host.namespaces)
        if not found.items:
            return ()
        listed = ", ".join(one.path for one in found.items[:_NAMESPACES])
        return (Field("Namespaces", f"{listed} (`repositories {name} NAMESPACE`)"),)

    async def _account(self, person: PersonId, name: str) -> str:
        return await self.acting.store.read(lambda book: _meant(book, person, name))


async def some_repositories(host: CodeHost, namespace: str, page: str) -> Page[Repository]:
    """A page with something on it, or the last of as many as one looks at: some forges filter what a page has."""
    found = await host.repositories(namespace, page)
    for _ in range(_MOST_PAGES - 1):
        if found.items or not found.next:
            break
        found = await host.repositories(namespace, found.next)
    return found


def _meant(book: SqlBook, person: PersonId, name: str) -> str:
    """The account of this name, or the only one."""
    if name:
        return usable(book, person, name).name
    own: Sequence[str] = [one.name for one in book.code_accounts.all() if may_use(one, person)]
    if len(own) == 1:
        return own[0]
    if not own:
        raise Refused("You have no code account.", "`account bind github` binds one, alone with me.")
    raise Refused(f"You have {len(own)} code accounts: {', '.join(own)}.", "Say which of them.")


async def _asked(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask. What passes is refused: a person waits, and can say it again."""
    try:
        return await ask()
    except Interrupted as error:
        raise Refused(str(error), "Say it again in a while.") from error


def _namespace_and_page(words: Sequence[str]) -> tuple[str, str]:
    """Read ``[NAMESPACE] [PAGE]``; a number alone is a page."""
    if len(words) == 1 and words[0].isdigit():
        return "", words[0]
    return (words[0] if words else ""), (words[1] if len(words) > 1 else "")


def _about(one: Repository) -> str:
    return " · ".join(filter(None, ("private" if one.is_private else "public", one.description[:80])))
