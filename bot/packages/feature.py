"""What people say about packages: listed, shown, made, put there, fetched, deleted; tokens for machines.

A file arrives in two steps, see `bot.packages.carrying`: `package upload PATH` says whether it may come, and where the
same line names a draft, that is what came. Both may be repeated: a draft is used up once, and the same content at the
same path is there already.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from bot.acting import Acting, deed_of
from bot.cards import Card, Field, Tone
from bot.chat import Answer, Enclosure, Incoming
from bot.feature import Ask, Feature
from bot.grammar import DELETE, Said
from bot.packages import cards
from bot.packages.carrying import CARRIED, FETCHED
from bot.packages.naming import users
from bot.packages.saying import expect, path_in
from bot.packages.tokens import TokenTalk
from bot.reach import Reach
from bot.rights.grants import check
from bot.rights.holders import holder_of
from bot.rights.packages import may
from engine.errors import Refused
from engine.model import Json, PersonId
from engine.packages import PackagePath, parse
from storage.book import SqlBook
from storage.package_refusals import NoPackage, size_of
from storage.package_shelf import PackageShelf, deleted
from storage.package_tokens import Right
from storage.packages import PackageFile

MOST_VERSIONS = 200
MOST_LISTED = 10_000
_DRAFT = re.compile(r"[0-9a-f]{32}")
_TOLD = 9
Part = Callable[[Incoming, Sequence[str]], Awaitable[list[Answer]]]
"""Does one of the things that `package` is for, with the words behind it."""


@dataclass(frozen=True, slots=True)
class PackageTalk:
    """Answers `packages` and `package`. `reach` tells where machines reach them."""

    acting: Acting
    ask: Ask
    shelf: PackageShelf
    reach: Callable[[], Reach]

    def feature(self) -> Feature:
        """What is said about packages, and what a yes does."""
        return Feature({"packages": self.packages, "package": self.package}, {"delete_package": _delete})

    async def packages(self, incoming: Incoming, said: Said) -> list[Answer]:
        """List packages, or those that match."""
        words = " ".join(said.words)
        holder = await self.acting.store.read(lambda book: holder_of(book, incoming.person))
        most = MOST_LISTED if holder.closed else cards.PAGE + 1
        found = await self.acting.store.read(lambda book: book.packages.search(words, most))
        seen = [one for one in found if may(holder, one.path.organization, Right.READ)]
        return [Answer(cards.listed(seen, words), private=True)]

    async def package(self, incoming: Incoming, said: Said) -> list[Answer]:
        """Take the first word for what to do; without one of these it is a path, which is shown."""
        tokens = TokenTalk(self.acting, self.reach)
        first, *words = said.words or ("",)
        acts: Mapping[str, Part] = {
            "create": self._create,
            "upload": self._upload,
            "get": self._get,
            "delete": self._ask_to_delete,
            "token": tokens.make,
            "tokens": tokens.tell,
            "revoke": tokens.revoke,
        }
        if first in acts:
            return await acts[first](incoming, words)
        card = await self._shown(incoming, path_in(said.words)) if said.words else cards.how_to()
        return [Answer(card, private=True)]

    async def _shown(self, incoming: Incoming, path: PackagePath) -> Card:
        read = self.acting.store.read
        if path.file:
            file, _ = await self.shelf.find(path)
            return cards.file_shown(file, self.reach(), is_carried=_chat(incoming) in CARRIED)
        files = await read(lambda book: book.packages.files(path))
        if path.version:
            version = await read(lambda book: book.packages.version(path))
            if version is None or not files or version.path != path:
                raise NoPackage(path)
            return cards.version_shown(version, files)
        package = await read(lambda book: book.packages.find(path))
        if package is None:
            raise NoPackage(path)
        versions = await read(lambda book: book.packages.versions(path, MOST_VERSIONS))
        return cards.shown(package, versions, files)

    async def _create(self, incoming: Incoming, words: Sequence[str]) -> list[Answer]:
        path, now = path_in(words[:1], 3, 3), self.acting.clock.now()
        description = " ".join(words[1:])

        def create(book: SqlBook) -> Card:
            if book.packages.create(path, incoming.person, now, description):
                return Card(f"{path} is there now, without any version.", Tone.GOOD, description)
            if not description:
                raise Refused(f"{path} is there already.", f"`package {path}` shows it.")
            book.packages.describe(path, description)
            return Card(f"{path} is described anew.", Tone.GOOD, description)

        card = await self.acting.once(incoming, create)
        return [] if card is None else [Answer(card)]

    async def _upload(self, incoming: Incoming, words: Sequence[str]) -> list[Answer]:
        """Say whether a file may come, and how; or take the one that came."""
        path, *draft = expect(words, 1, 2)
        if draft:
            return await self._came(incoming, parse(path, 5, 5), draft[0])
        wanted = parse(path, 4, 5)
        await self.shelf.may_take(wanted, 0)
        return [Answer(cards.send_along(wanted, self.reach(), _carries(incoming)), private=True)]

    async def _came(self, incoming: Incoming, path: PackagePath, draft: str) -> list[Answer]:
        if _DRAFT.fullmatch(draft) is None:
            raise Refused(f"{draft[:40]!a} is no file that came.", "Say it without that, with the file.")
        if not await asyncio.to_thread(self.shelf.files.draft(draft).exists):
            return [Answer(cards.kept(await self._was_kept(path, incoming.person), is_new=False))]
        now = self.acting.clock.now()

        def note(book: SqlBook, _is_new: bool) -> None:  # noqa: FBT001 - the shelf's own signature
            check(book, incoming)
            book.audit.add(deed_of(incoming, now, "done", f"{path} is kept."))

        file, is_new = await self.shelf.take(draft, path, incoming.person, note=note)
        return [Answer(cards.kept(file, is_new=is_new))]

    async def _was_kept(self, path: PackagePath, person: PersonId) -> PackageFile:
        """Return the file that was kept before somebody could be told of it."""
        file = await self.acting.store.read(lambda book: book.packages.file(path))
        if file is None or file.by != person or file.path != path:
            raise Refused("The file that came with this is not there any more.", "Send it again, with the same line.")
        return file

    async def _get(self, incoming: Incoming, words: Sequence[str]) -> list[Answer]:
        wanted = path_in(words, 4, 5)
        file, place = await self.shelf.find(await self.shelf.only_file(wanted))
        card = cards.file_shown(file, self.reach(), is_carried=False)
        most = CARRIED.get(_chat(incoming))
        enclosure = None
        if most is not None and file.size <= most:
            enclosure = Enclosure(file.path.file, str(place))
        elif most is not None:
            large = Field("Too large to be sent here", f"{size_of(file.size)}, and {size_of(most)} is the most")
            card = replace(card, fields=(large, *card.fields), table=None)
        return [Answer(replace(card, buttons=()), private=True, encloses=enclosure)]

    async def _ask_to_delete(self, incoming: Incoming, words: Sequence[str]) -> list[Answer]:
        path = path_in(words)
        gone, package, used_by = await self.acting.store.read(
            lambda book: (book.packages.files(path), book.packages.find(path), users(book, path))
        )
        if not gone and (path.version or package is None):
            raise NoPackage(path)
        told = used_by[:_TOLD] if len(used_by) <= _TOLD else [*used_by[:_TOLD], "more"]
        card = cards.about_to_delete(path, gone, told, DELETE)
        return await self.ask(incoming, card, DELETE, {"verb": "delete_package", "path": str(path)}, "")


def _delete(acting: Acting, book: SqlBook, incoming: Incoming, what: Json) -> Card:
    """Delete, inside the transaction that uses the question up."""
    path = parse(what["path"])
    gone = deleted(book, path, incoming.person, acting.clock.now())
    return Card(f"{path} is deleted.", Tone.STOPPED, f"{size_of(sum(one.size for one in gone))} in {len(gone)} files.")


def _chat(incoming: Incoming) -> str:
    return incoming.room.partition(":")[0]


def _carries(incoming: Incoming) -> str:
    chat = _chat(incoming)
    most = FETCHED.get(chat)
    return (
        f"From {chat.capitalize()} I fetch {size_of(most)} at most; larger ones go by the ways below." if most else ""
    )
