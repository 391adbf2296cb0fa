"""What the web room keeps: the JSON documents of its messages, and a message as it is shown.

A message is a line that somebody said, a card, or the trace of a card that has moved: a run has one card in the room,
so when it is shown anew further down, the place where it stood is left empty and edits follow the card.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from bot.cards import Card, Tone
from storage.chats import Message
from storage.codec import dump, load

OPEN = frozenset({"running", "awaiting_review", "awaiting_trigger", "held", "frozen"})
SLUICE = "sluice"
"""Whose messages the cards are."""


@dataclass(frozen=True, slots=True)
class Line:
    """What a person said; `pressed` is the text of the button when it was a press."""

    text: str
    pressed: str = ""


@dataclass(frozen=True, slots=True)
class Moved:
    """The card of this key is further down."""

    key: str


Document = Line | Card | Moved


@dataclass(frozen=True, slots=True)
class Shown:
    """One message of the room. `seq` orders the room and never changes."""

    seq: int
    at: datetime
    by: str
    document: Document

    @property
    def key(self) -> str:
        """What the message is about: a card's key, empty for others."""
        return self.document.key if isinstance(self.document, Card) else ""

    @property
    def words(self) -> str:
        """Everything that is written in it, a line each."""
        return "\n".join(_texts(asdict(self.document)))

    @property
    def is_live(self) -> bool:
        """Whether this is the card of something that is going on or waits for somebody."""
        if not isinstance(self.document, Card) or not self.key:
            return False
        return self.document.tone in (Tone.BUSY, Tone.ASKING) or any(
            stop.state in OPEN for stop in self.document.topology
        )


def write(document: Document) -> str:
    """Return the document as the JSON object that is stored."""
    match document:
        case Line(text, pressed):
            return json.dumps({"kind": "line", "text": text, "pressed": pressed})
        case Moved(key):
            return json.dumps({"kind": "moved", "key": key})
        case _:
            return f'{{"kind": "card", "card": {dump(document)}}}'


def read(message: Message) -> Shown:
    """Return the stored message."""
    stored = json.loads(message.document)
    return Shown(message.seq, message.at, message.by, _document(stored))


def _texts(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return _texts([*value, *value.values()])
    if isinstance(value, list | tuple):
        return [text for item in value for text in _texts(item)]
    return [value] if isinstance(value, str) else []


def _document(stored: dict[str, object]) -> Document:
    if stored["kind"] == "card":
        return load(Card, json.dumps(stored["card"]))
    if stored["kind"] == "moved":
        return Moved(str(stored["key"]))
    return Line(str(stored["text"]), str(stored.get("pressed", "")))
