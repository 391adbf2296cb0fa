"""How much of a card fits into one message.

Slack refuses a message whose blocks are too long together (`msg_blocks_too_long`) without saying what too long is.
What was measured in public: about 9,600 characters of text in 15,600 of JSON are taken, 11,300 in 17,700 are not, and
13,200 of Markdown alone is the end. So the JSON of a message stays under `WHOLE`. A card is rendered in the first of
`ROOMS` that keeps it there.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from bot.slack.blocks import Block
from bot.slack.text import length

WHOLE = 12_000
COLUMNS = 32
"""What a fixed-width line may take before a phone of 360 pixels breaks it."""


@dataclass(frozen=True, slots=True)
class Room:
    """Limits: characters of `text`, `code` and of single values; numbers of stops, people, fields, rows, buttons."""

    text: int
    stops: int
    detail: int
    people: int
    fields: int
    value: int
    rows: int
    cell: int
    code: int
    code_lines: int
    buttons: int


ROOMS = (
    Room(
        2000,
        stops=24,
        detail=160,
        people=20,
        fields=16,
        value=300,
        rows=60,
        cell=120,
        code=2800,
        code_lines=40,
        buttons=20,
    ),
    Room(
        800, stops=12, detail=80, people=8, fields=10, value=120, rows=24, cell=60, code=1200, code_lines=24, buttons=15
    ),
    Room(300, stops=8, detail=40, people=5, fields=6, value=60, rows=8, cell=30, code=500, code_lines=12, buttons=10),
    Room(150, stops=4, detail=20, people=3, fields=3, value=30, rows=4, cell=20, code=200, code_lines=6, buttons=8),
)
"""From ample to the least, in which everything fits, whatever it is."""


def fits(blocks: Sequence[Block]) -> bool:
    """Whether Slack takes the blocks in one message."""
    return length(json.dumps(blocks, ensure_ascii=False, separators=(",", ":"))) <= WHOLE
