"""Cards as Telegram is given them, compared with files in `telegram/` to the letter.

When a change of the looks is wanted: ``SLUICE_GOLDEN=write make test ARGS=tests/golden`` writes the files anew; read
the difference before you commit it.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.cards import Button
from bot.telegram.render import Message, render
from tests.support.telegram_cards import CARDS, PULLING
from tests.support.telegram_html import parse_html

FILES = Path(__file__).parent / "telegram"
FIRST_LINES = 3


def token(button: Button) -> str:
    return f"token of {button.line[:20]}"


def on_paper(message: Message) -> str:
    return "\n".join(_sections(message)) + "\n"


def _sections(message: Message) -> Iterator[str]:
    yield message.text
    if message.keyboard:
        yield "━━ keyboard"
        yield from (" ".join(f"[{said}]({data!a})" for said, data in row) for row in message.keyboard)
    if message.overflow is not None:
        lines = message.overflow.splitlines()
        yield f"━━ file of {len(lines)} lines"
        yield from lines[:FIRST_LINES]


@pytest.mark.parametrize("name", CARDS)
def test_a_card_is_shown_as_agreed(name: str) -> None:
    written = on_paper(render(CARDS[name], token if name != "hostile" else lambda _button: "token"))
    path = FILES / f"{name}.txt"
    if os.environ.get("SLUICE_GOLDEN") == "write":
        path.write_text(written)
    assert written == path.read_text()


@pytest.mark.parametrize("name", CARDS)
def test_telegram_takes_every_card(name: str) -> None:
    read = parse_html(render(CARDS[name], lambda _button: "token").text)
    assert (read.length <= 4096, read.links, read.dropped) == (True, (), ())


def test_a_card_full_of_links_still_reads_as_it_was_written() -> None:
    assert PULLING in parse_html(render(CARDS["pulling"], token).text).text


def test_the_whole_log_goes_as_a_file_and_its_end_is_in_the_message() -> None:
    card = CARDS["log"]
    message = render(card, token)
    assert message.overflow == card.code
    assert card.code.splitlines()[-1] in parse_html(message.text).text


def test_what_a_card_mostly_asks_for_is_alone_on_top_and_what_destroys_is_below_with_a_warning() -> None:
    rows = render(CARDS["review"], token).keyboard
    assert [[said for said, _ in row] for row in rows] == [["Approve"], ["⚠️ Reject", "⚠️ Roll back"]]


def test_every_golden_file_is_of_something() -> None:
    assert {path.stem for path in FILES.glob("*.txt")} == set(CARDS)
