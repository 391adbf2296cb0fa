"""Updates and their answers as JSON, as they are kept until they have been given.

A form is not kept: whoever is answered after a restart gets the card that comes with it.
"""

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from bot.cards import Card
from bot.chat import Answer, Enclosure, Update
from engine.model import RoomId
from storage.codec import dump, load
from storage.updates import Kept

_LOG = logging.getLogger(__name__)


def update(said: Update, answers: Sequence[Answer] | None = None) -> str:
    """Write an update, with its answers once it has been carried out."""
    written: dict[str, Any] = {"update": asdict(said)}
    if answers is not None:
        written["answers"] = [
            {
                "card": json.loads(dump(one.card)),
                "private": one.private,
                "encloses": asdict(one.encloses) if one.encloses else None,
            }
            for one in answers
        ]
    return json.dumps(written)


def readable(found: Iterable[Kept]) -> Iterator[tuple[Update, list[Answer] | None]]:
    """Read what can be read. The rest (an earlier version wrote it, it is damaged) must not keep the bot from starting.

    It is forgotten with its time.
    """
    for kept in found:
        try:
            yield read(kept.document)
        except (KeyError, TypeError, ValueError, AttributeError):
            _LOG.exception("What was delivered as %s cannot be read any more; it is not carried out", kept.key)


def read(document: str) -> tuple[Update, list[Answer] | None]:
    """Read what was written; no answers: it has not been carried out."""
    found = json.loads(document)
    said = Update(**{**found["update"], "room": RoomId(found["update"]["room"])})
    if "answers" not in found:
        return said, None
    return said, [_answer(one) for one in found["answers"]]


def _answer(kept: Mapping[str, Any]) -> Answer:
    encloses = kept.get("encloses")
    return Answer(
        load(Card, json.dumps(kept["card"])),
        kept["private"],
        encloses=Enclosure(**encloses) if encloses else None,
    )
