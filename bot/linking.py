"""One person, several accounts: a code is given where the person is known and typed where they are not yet.

Whoever reads over a shoulder has ten minutes, and a code is good once. Wrong codes are counted for each account, and
after a few of them it has to wait, so nobody guesses.
"""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.acting import Acting, deed_of
from bot.cards import Card, Field, Tone
from bot.chat import Answer, Incoming, Update
from bot.grammar import Said
from bot.secrecy.codes import ALPHABET
from engine.errors import Refused
from engine.model import PersonId, RoomId
from storage.accounts import Account, Tries
from storage.book import SqlBook

GOOD_FOR = timedelta(minutes=10)
WRONG_CODES = 5
WAIT = timedelta(minutes=15)


class WrongCode(Refused):
    """The code is not known, too old, or used up. The try has been counted."""

    def __init__(self) -> None:
        super().__init__("That code is not known here, is used up or is too old.", "`link`, where Sluice knows you.")


@dataclass(frozen=True, slots=True)
class Linking:
    """Gives codes, takes codes. `left` hear of each account that is nobody's any more."""

    acting: Acting
    left: list[Callable[[str], None]] = field(default_factory=list)

    async def link(self, incoming: Incoming, said: Said) -> list[Answer]:
        """Give a code to a person who is known."""
        if said.words:
            where = f"It is {incoming.person}'s already" if incoming.account else "There is no account to link here"
            raise Refused(
                f"{where}; the code is not used up.", "Type it in the chat where Sluice does not know you yet."
            )
        if not incoming.is_alone:
            raise Refused("A code is for you alone, and others read along here.", "Say `link` to me in a direct chat.")
        code = "".join(secrets.choice(ALPHABET) for _ in range(8))
        until = self.acting.clock.now() + GOOD_FOR
        given = await self.acting.once(incoming, lambda book: _offer(book, incoming.person, code, until))
        if given is None:
            return []
        text = "Type this in the other chat, within ten minutes. It is good once; show it to nobody."
        line = f"link {code[:4]}-{code[4:]}"
        return [Answer(Card(f"A code for {incoming.person}", Tone.PLAIN, text, code=line), private=True)]

    async def unlink(self, incoming: Incoming, said: Said) -> list[Answer]:
        """Take an account of one's own away: this one, or the one named."""
        account = said.words[0] if said.words else incoming.account
        if not account:
            raise Refused("Which account?", "`whoami` lists yours.")

        def leave(book: SqlBook) -> str:
            found = book.accounts.find(account)
            if found is None or found.person != incoming.person:
                raise Refused(f"{account} is not yours.", "`whoami` lists yours.")
            book.accounts.unlink(account)
            return found.name

        name = await self.acting.once(incoming, leave)
        if name is not None:
            self.leave(account)
        done = Card(f"{account} is nobody's now.", text=f"It was {name}." if name else "")
        return [] if name is None else [Answer(done, private=True)]

    def leave(self, account: str) -> None:
        """Tell that an account is nobody's now."""
        for hear in self.left:
            hear(account)

    async def join(self, update: Update, code: str) -> Answer:
        """An account that nobody here knows has typed a code. Raises `Refused`."""
        outcome = await self.acting.store.transact(lambda book: self._join(book, update, code))
        if isinstance(outcome, Refused):
            raise outcome
        fields = (Field("To begin", "`help`"),)
        return Answer(
            Card(f"Welcome, {outcome}.", Tone.GOOD, "This account is yours now.", fields=fields), private=True
        )

    def _join(self, book: SqlBook, update: Update, code: str) -> PersonId | Refused:
        """The person who is joined; what is refused is returned, so that the try stays counted."""
        now = self.acting.clock.now()
        known = book.accounts.find(update.account)
        if known is not None:
            return known.person
        tries = book.accounts.tries(update.account)
        if tries is None or now - tries.since > WAIT:
            tries = Tries(0, now)
        if tries.count >= WRONG_CODES:
            minutes = max(1, round((tries.since + WAIT - now) / timedelta(minutes=1)))
            return Refused("Too many wrong codes came from this account.", f"Wait {minutes} min, then get a new one.")
        person = book.accounts.take(_hash(code), now)
        if person is None or book.people.find(person) is None:
            book.accounts.tried(update.account, Tries(tries.count + 1, tries.since))
            return WrongCode()
        direct = update.room if update.is_alone else RoomId("")
        book.accounts.link(Account(update.account, person, update.name, direct, now))
        said = Incoming(update.room, person, update.line, update.key, update.account)
        book.audit.add(deed_of(said, now, "done", f"{update.account} is {person}'s."))
        return person


def remove(book: SqlBook, person: PersonId) -> bool:
    """Know a person no more, in no chat, and with no right; False when nobody did."""
    book.grants.leave(person)
    book.accounts.leave(person)
    return book.people.remove(person)


def _offer(book: SqlBook, person: PersonId, code: str, until: datetime) -> bool:
    book.accounts.offer(person, _hash(code), until)
    return True


def _hash(code: str) -> str:
    plain = "".join(sign for sign in code.upper() if sign.isalnum())
    return hashlib.sha256(plain.encode()).hexdigest()
