"""One matter that people can talk about beside pipelines and runs: what is said about it, and what a yes does.

A feature is made of what acting needs and of a way to ask; `bot.dispatch` joins what all of them offer.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from bot.acting import Acting
from bot.cards import Card
from bot.chat import Answer, Incoming
from bot.grammar import Said
from engine.model import Json
from storage.book import SqlBook

Doing = Callable[[Incoming, Said], Awaitable[list[Answer]]]
"""Answers a line of one verb."""
Confirmed = Callable[[Acting, SqlBook, Incoming, Json], Card]
"""Does what was asked about, inside the transaction that uses the question up."""
Ask = Callable[[Incoming, Card, str, Json, str], Awaitable[list[Answer]]]
"""Keeps a question: the card, what has to be said to confirm it, what is done then, and what its button says.

What is done is a JSON object whose ``verb`` names a `Confirmed`.
"""


@dataclass(frozen=True, slots=True)
class Feature:
    """`says` answers lines by their verb; `confirms` does what was confirmed, by the ``verb`` of the question."""

    says: Mapping[str, Doing]
    confirms: Mapping[str, Confirmed] = field(default_factory=dict)


MakeFeature = Callable[[Acting, Ask], Feature]
"""Makes a feature once there is something to act and ask with."""
