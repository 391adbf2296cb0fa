"""The blocks of Block Kit that Sluice uses, as Slack wants them.

All text goes into `rich_text` and `plain_text`: Slack reads no markup in either, so a branch called ``<!channel>`` is
seven letters and two brackets, calls nobody and links nowhere. `mrkdwn` is not used at all.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from bot.slack.text import cut, line

Block = dict[str, Any]
Piece = dict[str, Any]

HEADER = 150
BUTTON = 75
CONTEXT = 2000


def piece(text: str, *, bold: bool = False, italic: bool = False, code: bool = False) -> Piece:
    """Return a piece of a line. An empty one is left out by `rich`: Slack refuses it."""
    style = {name: True for name, wanted in (("bold", bold), ("italic", italic), ("code", code)) if wanted}
    return {"type": "text", "text": text, **({"style": style} if style else {})}


def section(lines: Iterable[Sequence[Piece]]) -> Block:
    """Return lines as a part of `rich`."""
    pieces: list[Piece] = []
    for one in lines:
        shown = [part for part in one if part["text"]]
        if shown and pieces:
            pieces[-1:] = _ended(pieces[-1])
        pieces += shown
    return {"type": "rich_text_section", "elements": pieces}


def fixed(text: str) -> Block:
    """Return text in a fixed-width font, as a part of `rich`."""
    return {"type": "rich_text_preformatted", "elements": [piece(text)]}


def rich(*parts: Block) -> list[Block]:
    """Return one block of the parts that are not empty; none when all are."""
    shown = [part for part in parts if any(one["text"] for one in part["elements"])]
    return [{"type": "rich_text", "elements": shown}] if shown else []


def header(text: str) -> Block:
    """Return a title."""
    return {"type": "header", "text": plain(text, HEADER)}


def context(text: str) -> Block:
    """Return something said in a low voice."""
    return {"type": "context", "elements": [plain(text, CONTEXT)]}


def divider() -> Block:
    """Return a line across."""
    return {"type": "divider"}


def actions(buttons: Iterable[Block]) -> list[Block]:
    """Return a row of buttons; none when there is none."""
    shown = list(buttons)
    return [{"type": "actions", "elements": shown}] if shown else []


def button(text: str, value: str, action: str, style: str = "") -> Block:
    """Return a button. `action` is unique in its message; `style` is ``primary`` or ``danger``."""
    made = {"type": "button", "action_id": action, "text": plain(line(text, BUTTON) or "…", BUTTON), "value": value}
    return {**made, "style": style} if style else made


def _ended(last: Piece) -> list[Piece]:
    """Return the piece with a line end: in the piece itself, which is shorter, unless that would colour it."""
    if "code" in last.get("style", {}):
        return [last, piece("\n")]
    return [{**last, "text": last["text"] + "\n"}]


def plain(text: str, limit: int) -> Block:
    """Return a text in which nothing is read, not even ``:names:`` of emoji."""
    return {"type": "plain_text", "text": cut(text, limit), "emoji": False}
