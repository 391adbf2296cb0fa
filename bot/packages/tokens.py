"""Tokens for machines, as people speak of them: made in a direct chat, shown once, listed, revoked."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from bot.acting import Acting
from bot.cards import Card, Tone
from bot.chat import Answer, Incoming
from bot.packages import cards
from bot.packages.access import new_token
from bot.packages.saying import expect
from bot.reach import Reach
from bot.rights.holders import holder_of
from bot.rights.packages import may
from engine.errors import Refused
from engine.packages import checked
from storage.book import SqlBook
from storage.package_tokens import PackageToken, Right

GOOD_FOR = timedelta(days=365)
"""How long a token is good when nothing is said."""
_DAYS = re.compile(r"[1-9][0-9]{0,3}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class TokenTalk:
    """Makes tokens and takes them back. `reach` tells where they are good."""

    acting: Acting
    reach: Callable[[], Reach]

    async def make(self, incoming: Incoming, words: Sequence[str]) -> list[Answer]:
        """``NAME ORGANIZATION [read|write|delete] [DAYS]``: nobody gives more than they have themselves."""
        name, organization, *more = expect(words, 2, 4)
        organization = checked("organization", organization)
        if not incoming.is_alone:
            raise Refused("A token is for you alone, and others read along here.", "Say it to me in a direct chat.")
        if _NAME.fullmatch(name) is None:
            raise Refused(f"{name[:40]!a} is no name for a token.", "Write letters and digits, for example ci.")
        right, good_for = _wanted(more)
        now = self.acting.clock.now()
        made = new_token(name, incoming.person, organization=organization, right=right, now=now, good_for=good_for)

        def keep(book: SqlBook) -> bool:
            if not may(holder_of(book, incoming.person), organization, right):
                raise Refused(f"You may not {right.value} in {organization} yourself.", "`groups` says what you may.")
            book.packages.tokens.add(made.kept)
            return True

        said = f"The token {made.kept.id} ({name}) may {right.value} in {organization}."
        if await self.acting.once(incoming, keep, said) is None:
            return []
        return [Answer(cards.token_made(made, self.reach()), private=True)]

    async def tell(self, incoming: Incoming, words: Sequence[str]) -> list[Answer]:
        """List the person's own."""
        expect(words, 0, 0)
        found = await self.acting.store.read(lambda book: book.packages.tokens.of(incoming.person))
        return [Answer(cards.tokens(found, self.acting.clock.now()), private=True)]

    async def revoke(self, incoming: Incoming, words: Sequence[str]) -> list[Answer]:
        """Let a token open nothing any more, at once."""
        [name], now = expect(words, 1, 1), self.acting.clock.now()

        def revoke(book: SqlBook) -> Card:
            found = _one_of(book.packages.tokens.of(incoming.person), name)
            book.packages.tokens.revoke(found.id, now)
            return Card(f"The token {found.id} ({found.name}) opens nothing any more.", Tone.STOPPED)

        card = await self.acting.once(incoming, revoke)
        return [] if card is None else [Answer(card, private=True)]


def _wanted(more: Sequence[str]) -> tuple[Right, timedelta]:
    """Read ``[read|write|delete] [DAYS]``: reading, for a year, when nothing is said."""
    right, days = Right.READ, GOOD_FOR
    for word in more:
        if word in list(Right):
            right = Right(word)
        elif _DAYS.fullmatch(word):
            days = timedelta(days=int(word))
        else:
            raise Refused(f"{word[:40]!a} is neither a right nor a number of days.", "For example `write 90`.")
    return right, days


def _one_of(found: Sequence[PackageToken], name: str) -> PackageToken:
    meant = [one for one in found if name in (one.id, one.name)]
    if len(meant) != 1:
        several = f"You have {len(meant)} tokens named {name[:40]!a}." if meant else f"You have no token {name[:40]!a}."
        raise Refused(several, "`package tokens` lists yours; say it by its first column.")
    return meant[0]
