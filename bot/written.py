"""Updates and their answers as JSON, as they are kept until they have been given.

A form is not kept: whoever is answered after a restart gets the card that comes with it.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from bot.cards import Card
from bot.chat import Answer, Update
from engine.model import RoomId
from storage.codec import dump, load


def update(said: Update, answers: Sequence[Answer] | None = None) -> str:
    """Write an update, with its answers once it has been carried out."""
    written: dict[str, Any] = {"update": asdict(said)}
    if answers is not None:
        written["answers"] = [{"card": json.loads(dump(one.card)), "private": one.private} for one in answers]
    return json.dumps(written)


def read(document: str) -> tuple[Update, list[Answer] | None]:
    """Read what was written; no answers: it has not been carried out."""
    found = json.loads(document)
    said = Update(**{**found["update"], "room": RoomId(found["update"]["room"])})
    if "answers" not in found:
        return said, None
    return said, [Answer(load(Card, json.dumps(one["card"])), one["private"]) for one in found["answers"]]
