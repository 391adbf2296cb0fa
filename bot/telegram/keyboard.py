"""The buttons under a message, for a thumb.

What the card mostly asks for stands alone on top, so that it is the widest. What destroys stands at the bottom, in rows
of its own and with a warning sign, so that it is never where another button was expected.
"""

from collections.abc import Callable, Iterator

from bot.cards import Button
from bot.telegram.plain import cut, one_line, units
from engine.errors import InvariantViolation

Row = tuple[tuple[str, str], ...]
"""Buttons side by side: what each shows, and what it sends."""

MOST = 30
"""Buttons under one message; Telegram takes 100, a person fewer."""
DATA = 64
"""The most bytes that a button may send."""
_IN_A_ROW = 3
_ROW_UNITS = 26
_TEXT = 40
_WARNING = "⚠️ "


def keyboard(buttons: tuple[Button, ...], data: Callable[[Button], str]) -> tuple[Row, ...]:
    """Return rows of buttons, at most `MOST` of them. `data` gives what each sends: 1 to 64 bytes."""
    some = sorted(buttons[:MOST], key=_place)
    alone = [one for one in some if one.primary]
    plain = [one for one in some if not one.primary and not one.danger]
    danger = [one for one in some if one.danger and not one.primary]
    rows = [*([one] for one in alone), *_rows(plain), *_rows(danger)]
    return tuple(tuple((_shown(one), _sent(one, data)) for one in row) for row in rows)


def _place(button: Button) -> bool:
    """Harmless ones first, in the card's order."""
    return button.danger


def _rows(buttons: list[Button]) -> Iterator[list[Button]]:
    row: list[Button] = []
    for button in buttons:
        wide = sum(units(_shown(one)) for one in (*row, button))
        if row and (len(row) == _IN_A_ROW or wide > _ROW_UNITS):
            yield row
            row = []
        row = [*row, button]
    if row:
        yield row


def _shown(button: Button) -> str:
    text = cut(one_line(button.text), _TEXT) or "·"
    return _WARNING + text if button.danger else text


def _sent(button: Button, data: Callable[[Button], str]) -> str:
    token = data(button)
    if not 1 <= len(token.encode()) <= DATA:
        raise InvariantViolation(f"A button's token has {len(token.encode())} bytes; Telegram takes 1 to {DATA}.")
    return token
