"""Rows and long texts, for a phone.

A table that is narrow enough stands in columns. A wider one would be broken in the middle of its lines, so each row
becomes a short paragraph: its first cell in bold, the others below. Slack's own `table` block is not used: it scrolls
sideways on a phone, may stand only once in a message and is not shown in the App Home.

Of a long text the beginning and the end are shown, the end more: in a log that is where it went wrong. The whole is for
a file.
"""

from itertools import zip_longest

from bot.cards import Table
from bot.slack.blocks import Block, Piece, fixed, piece, rich, section
from bot.slack.room import COLUMNS, Room
from bot.slack.text import clean, columns, cut, length, line, pad

_GAP = "  "
_FIRST = 3
"""One line in so many is of the beginning."""
_LONG_LINE = 160


def table(table: Table, room: Room, where: str = "all of them in the file") -> list[Block]:
    """Return as many rows as fit, and how many do not and `where` they are."""
    shown = [tuple(line(cell, room.cell) for cell in row) for row in (table.head, *table.rows[: room.rows])]
    lines = _aligned(shown)
    left = len(table.rows) - room.rows
    more = section([[piece(f"… {left} more rows, {where}", italic=True)]] if left > 0 else [])
    if all(columns(one) <= COLUMNS for one in lines):
        return rich(fixed("\n".join(lines)), more)
    head, *rows = shown
    legend = [[piece(_joined(head, room), italic=True)]]
    return rich(section([*legend, *(part for row in rows for part in _paragraph(row, room))]), more)


def code(text: str, room: Room) -> list[Block]:
    """Return a text as it is, or its beginning and its end."""
    return rich(fixed(_excerpt(clean(text).rstrip("\n"), room)))


def rest(table: Table | None, text: str, room: Room) -> str | None:
    """Return what has to go into a file, whole: a table with too many rows or too long cells, a long text."""
    whole = []
    if table is not None and (len(table.rows) > room.rows or any(_is_long(cell, room) for cell in _cells(table))):
        rows = [tuple(" ".join(clean(cell).split()) for cell in row) for row in (table.head, *table.rows)]
        whole.append("\n".join(_aligned(rows)))
    said = clean(text).rstrip("\n")
    if _excerpt(said, room) != said:
        whole.append(said)
    return "\n\n".join(whole) + "\n" if whole else None


def _cells(table: Table) -> list[str]:
    return [cell for row in (table.head, *table.rows) for cell in row]


def _is_long(cell: str, room: Room) -> bool:
    return line(cell, room.cell) != " ".join(clean(cell).split())


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(columns, cells)) for cells in zip_longest(*rows, fillvalue="")]
    return [_GAP.join(pad(cell, width) for cell, width in zip(row, widths, strict=False)).rstrip() for row in rows]


def _paragraph(row: tuple[str, ...], room: Room) -> list[list[Piece]]:
    first = row[0] if row else ""
    return [[piece(first, bold=True)], [piece(_joined(row[1:], room))]]


def _joined(cells: tuple[str, ...], room: Room) -> str:
    return cut(" · ".join(cell for cell in cells if cell), room.value)


def _excerpt(text: str, room: Room) -> str:
    lines = text.split("\n")
    if length(text) <= room.code:
        return text if len(lines) <= room.code_lines else _ends(lines, room.code_lines)
    most = min(room.code_lines, room.code // _LONG_LINE)
    if len(lines) > most:
        return _ends(lines, most)
    return "\n".join(
        [*(cut(one, room.code // len(lines)) for one in lines), "… its long lines are whole in the file …"]
    )


def _ends(lines: list[str], most: int) -> str:
    first = most // _FIRST
    last = len(lines) - (most - first)
    left = f"… {last - first} lines more, all of them in the file …"
    return "\n".join(
        [*(cut(one, _LONG_LINE) for one in lines[:first]), left, *(cut(one, _LONG_LINE) for one in lines[last:])]
    )
