"""A line that a person says in the console: kept in the room, answered, private answers given to the asker alone.

A line that may change something is shown before it is answered, so the room reads in order. A line that only looks,
or that nobody understands, is shown only when something public is said to it: a slip of the finger is nobody else's
business.
"""

import hashlib
import secrets
from dataclasses import dataclass
from typing import Protocol

from bot.cards import Card, Tone
from bot.chat import Answer, Incoming
from bot.grammar import may_change
from bot.secrecy.codes import without_code
from bot.secrecy.lines import masked
from bot.web.room import LOBBY, WebChat
from bot.web.said import Line
from bot.web.sessions import Session
from engine.errors import SluiceError
from engine.model import PersonId

LONGEST_KEY = 64


class Dispatch(Protocol):
    """Lines in, cards out."""

    async def answer(self, incoming: Incoming) -> list[Answer]:
        """Do what the line says and say what came of it."""
        ...


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of a line: the cards that only the asker sees, and how many the room was shown."""

    private: tuple[Card, ...]
    public: int


@dataclass(frozen=True, slots=True)
class Spoken:
    """A line as the browser sent it. `key` is the browser's own name for this one press."""

    line: str
    key: str = ""
    is_press: bool = False


@dataclass(slots=True)
class Speech:
    """The console's way to dispatch."""

    dispatch: Dispatch
    chat: WebChat

    async def hear(self, session: Session, spoken: Spoken) -> Heard:
        """Say the line in the room as the session's person. What cannot be done is told to the asker."""
        try:
            return await self._hear(session, spoken)
        except SluiceError as error:
            return Heard((Card(str(error), Tone.BAD, error.hint),), 0)

    async def _hear(self, session: Session, spoken: Spoken) -> Heard:
        line = Line(
            without_code(masked(spoken.line)), await self.chat.pressed(LOBBY, spoken.line) if spoken.is_press else ""
        )
        shown_first = may_change(spoken.line)
        if shown_first:
            await self.chat.say(LOBBY, session.person, line)
        answers = await self._answer(Incoming(LOBBY, session.person, spoken.line, delivery(session, spoken)))
        public = [answer.card for answer in answers if not answer.private]
        if public and not shown_first:
            await self.chat.say(LOBBY, session.person, line)
        for card in public:
            await self.chat.post(LOBBY, card)
        return Heard(tuple(answer.card for answer in answers if answer.private), len(public))

    async def look(self, person: PersonId, line: str) -> list[Card]:
        """Answer a line that only looks, for a page; nothing is kept."""
        answers = await self._answer(Incoming(LOBBY, person, line, f"web:look:{secrets.token_hex(8)}", is_view=True))
        return [answer.card for answer in answers]

    async def _answer(self, incoming: Incoming) -> list[Answer]:
        try:
            return await self.dispatch.answer(incoming)
        except SluiceError as error:
            return [Answer(Card(str(error), Tone.BAD, error.hint), private=True)]


def delivery(session: Session, spoken: Spoken) -> str:
    """Name this delivery: the same press of the same session has one name, however often it arrives."""
    given = f"{spoken.key}\n{spoken.line}" if spoken.key else secrets.token_hex(16)
    return f"web:{session.name}:{hashlib.sha256(given.encode()).hexdigest()[:32]}"
