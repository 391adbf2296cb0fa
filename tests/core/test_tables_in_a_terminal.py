"""Tables in a terminal: as wide as there is room, and never with a word cut in two."""

from io import StringIO

from rich.console import Console

from bot.cards import Card, Table
from bot.terminal.render import render

WIDE = Table(
    ("Instance", "Status", "Latest event", "Version", "For", "Address"),
    (
        ("hello.stable.3", "ready", "serves", "demo/hello:v1", "1 min 17 s", "127.0.0.1:22915"),
        ("hello.gray.1", "starting", "", "demo/hello:v2", "2 s", "127.0.0.1:30403"),
    ),
)


def printed(table: Table, width: int) -> str:
    out = StringIO()
    Console(file=out, width=width).print(render(Card("Instances", table=table)))
    return out.getvalue()


def test_a_table_that_fits_has_its_heads_once() -> None:
    said = printed(WIDE, 100)
    assert said.count("Address") == 1
    assert "127.0.0.1:22915" in said


def test_a_table_that_is_too_wide_becomes_a_few_lines_for_each_row() -> None:
    said = printed(WIDE, 60)
    for word in (cell for row in WIDE.rows for cell in row):
        assert all(part in said for part in word.split())
    assert said.count("Address 127.0.0.1:") == 2
    assert said.count("Latest event") == 1  # nothing is said of an empty cell


def test_a_table_of_long_sentences_folds_them_and_stays_a_table() -> None:
    said = printed(Table(("Say", "To"), (("status", "see what runs and what waits for somebody " * 4),)), 60)
    assert said.count("To") == 1
