"""Logs, definitions, plans: code in a message, as much of it as a phone can bear."""

from bot.telegram.markup import folded, preformatted
from bot.telegram.page import Page
from bot.telegram.plain import clean, cut, units

_SHORT = 15
"""Lines that are shown at once; more of them are folded."""
_HEAD, _TAIL = 3, 12
"""Of what is too long, so many first and last lines are shown: what it is, and how it ended."""
_LINE = 80


def add_code(page: Page, text: str) -> bool:
    """Add code to a page; returns whether all of it is there."""
    whole = clean(text).strip("\n")
    lines = whole.split("\n")
    block = preformatted(whole) if len(lines) <= _SHORT else folded(whole)
    if block.units <= page.room:
        return page.add(block)
    page.add(preformatted(_excerpt(lines, page.room)))
    return False


def _excerpt(lines: list[str], room: int) -> str:
    """Return the first and the last lines, with a line between that says how many are missing; fewer if they must."""
    first = [cut(one, _LINE) for one in lines[:_HEAD]]
    last = [cut(one, _LINE) for one in lines[_HEAD:][-_TAIL:]]
    while True:
        missing = len(lines) - len(first) - len(last)
        between = [f"⋯ {missing} lines left out"] if missing else []
        text = "\n".join([*first, *between, *last])
        if units(text) <= room or not (first or last):
            return text
        first, last = (first, last[1:]) if last else (first[:-1], last)
