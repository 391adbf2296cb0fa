"""One matter that people can talk about beside pipelines and runs: what is said about it, and what a yes does.

A feature is made of what acting needs and of a way to ask; `bot.dispatch` joins what all of them offer.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bot.acting import Acting
from bot.cards import Card
from bot.cards import Field as CardField
from bot.chat import Answer, Incoming
from bot.grammar import Said
from engine.model import Json, PersonId
from engine.source import Source
from storage.book import SqlBook

Doing = Callable[[Incoming, Said], Awaitable[list[Answer]]]
"""Answers a line of one verb."""
Confirmed = Callable[[Acting, SqlBook, Incoming, Json], Card]
"""Does what was asked about, inside the transaction that uses the question up."""
CheckSources = Callable[[SqlBook, PersonId, tuple[Source, ...], tuple[Source, ...]], None]
"""Raises `Refused` when a person may not define these sources; the last ones are those of the definition before."""
Follow = Callable[[str], Awaitable[Sequence[CardField]]]
"""What follows from the definition of the pipeline of this name, as fields of the answer. Takes a second or two."""
Pressed = Callable[[Incoming], Awaitable[list[Answer]]]
"""Answers a button whose line begins with ``press `` and one word of the feature's."""
Hears = Callable[[Incoming], Awaitable[list[Answer] | None]]
"""Answers what is said if it is meant for the feature; None when it is not."""
Ask = Callable[[Incoming, Card, str, Json, str], Awaitable[list[Answer]]]
"""Keeps a question: the card, what has to be said to confirm it, what is done then, and what its button says.

What is done is a JSON object whose ``verb`` names a `Confirmed`.
"""


@dataclass(frozen=True, slots=True)
class Feature:
    """`says` answers lines by their verb; `confirms` does what was confirmed, by the ``verb`` of the question.

    `checks` may refuse a definition before it is kept; `follows` is what is done, and said, when it was. `presses`
    answers buttons by their first word, `hears` what is no command, `leaves` a ``no`` when nothing is asked.
    """

    says: Mapping[str, Doing]
    confirms: Mapping[str, Confirmed] = field(default_factory=dict)
    checks: Sequence[CheckSources] = ()
    follows: Sequence[Follow] = ()
    presses: Mapping[str, Pressed] = field(default_factory=dict)
    hears: Hears | None = None
    leaves: Hears | None = None


MakeFeature = Callable[[Acting, Ask], Feature]
"""Makes a feature once there is something to act and ask with."""
