"""A table on a narrow screen: in columns where they fit, else a paragraph for each row."""

import unicodedata
from collections.abc import Iterator

from bot.cards import Table
from bot.telegram.markup import Block, Part, bold, line, preformatted, stacked
from bot.telegram.page import Page
from bot.telegram.plain import cut, one_line

NARROW = 34
"""Letters of equal width in a line on a small phone."""
_CELL = 160
_GAP = "  "
_PAIR = 2


def add_table(page: Page, table: Table) -> bool:
    """Add a table to a page; returns whether all of it is there."""
    head = [one_line(cell) for cell in table.head]
    rows = [[one_line(cell) for cell in row] for row in table.rows]
    columns = _columns([head, *rows])
    if _width([head, *rows]) <= NARROW and columns.units <= page.room:
        return page.add(columns)
    return _add_rows(page, head, rows)


def as_text(table: Table) -> str:
    """Return all of a table as text, for a file."""
    return "\n".join(_aligned([[one_line(cell) for cell in row] for row in (table.head, *table.rows)]))


def _columns(rows: list[list[str]]) -> Block:
    return preformatted("\n".join(_aligned(rows)))


def _add_rows(page: Page, head: list[str], rows: list[list[str]]) -> bool:
    """Add as many rows as fit, and a line that tells how many did not."""
    shown: list[Block] = []
    room, entities = page.room - _CELL, page.entities_left
    cut_short = False
    for row in rows:
        block = _paragraph(head, row)
        room, entities = room - block.units - 2, entities - block.entities
        if room < 0 or entities < 0:
            break
        shown.append(block)
        cut_short |= any(cut(cell, _CELL) != cell for cell in row)
    left = len(rows) - len(shown)
    between = "\n" if all("\n" not in block.text for block in shown) else "\n\n"
    if shown:
        page.blocks.append(stacked(shown, between))
    if left:
        page.add(line(f"… and {left} more."))
    return not left and not cut_short


def _paragraph(head: list[str], row: list[str]) -> Block:
    """Return a row: its first cell stands out, the others follow with what they are."""
    cells = [cut(cell, _CELL) for cell in row]
    first = line(bold(cells[0])) if cells else line("")
    rest = list(_said(head, cells))
    return stacked([first, line(*rest)]) if rest else first


def _said(head: list[str], cells: list[str]) -> Iterator[Part | str]:
    between = ""
    for number, cell in enumerate(cells[1:], 1):
        if cell:
            name = head[number] if number < len(head) and len(head) > _PAIR else ""
            yield between + (f"{cut(name, _CELL)}: " if name else "") + cell
            between = " · "


def _aligned(rows: list[list[str]]) -> Iterator[str]:
    widths = _widths(rows)
    for row in rows:
        cells = (cell + " " * (width - _columns_of(cell)) for cell, width in zip(row, widths, strict=False))
        yield _GAP.join(cells).rstrip()


def _widths(rows: list[list[str]]) -> list[int]:
    count = max((len(row) for row in rows), default=0)
    return [max((_columns_of(row[column]) for row in rows if column < len(row)), default=0) for column in range(count)]


def _width(rows: list[list[str]]) -> int:
    widths = _widths(rows)
    return sum(widths) + len(_GAP) * max(0, len(widths) - 1)


def _columns_of(text: str) -> int:
    """Return how many columns a text takes where letters are equally wide: East Asian ones take two."""
    wide = sum(unicodedata.east_asian_width(one) in "WF" for one in text)
    marks = sum(unicodedata.category(one) in ("Mn", "Me") for one in text)
    return len(text) + wide - marks
