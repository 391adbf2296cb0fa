"""Text for a Telegram message: cut where nobody sees a wound, and marked up so that it stays text."""

import pytest

from bot.cards import Button, Card, Table
from bot.telegram.keyboard import keyboard
from bot.telegram.markup import bold, code, line, spoken
from bot.telegram.plain import clean, cut
from bot.telegram.render import render
from engine.errors import InvariantViolation
from tests.support.telegram_html import parse_html

WHOLE = ("👩‍👩‍👧", "🇩🇪", "👍🏽", "e\u0301", "क्षि", "🏳️\u200d🌈")


@pytest.mark.parametrize("whole", WHOLE)
@pytest.mark.parametrize("limit", range(2, 14))
def test_what_people_see_as_one_character_is_kept_whole_or_not_at_all(whole: str, limit: int) -> None:
    kept = cut(whole * 20, limit).removesuffix("…")
    assert kept.replace(whole, "") == ""


def test_a_text_that_fits_is_not_touched() -> None:
    assert cut("four", 4) == "four"
    assert cut("fives", 4) == "fiv…"


def test_direction_marks_and_control_characters_are_gone_and_line_ends_are_one_kind() -> None:
    assert clean("a\u202eb\x00c\x1b[0m\r\nd\u2028e\tf") == "ab c [0m\nd\ne   f"


def test_a_word_that_would_be_a_link_is_code_without_the_brackets_around_it() -> None:
    assert line(bold("see (evil.example), ann")).html == "<b>see (</b><code>evil.example</code><b>), ann</b>"


@pytest.mark.parametrize(
    "said",
    [
        "call 0301234567",
        "call \u0660\u0663\u0660\u0661\u0662\u0663\u0664\u0665\u0666\u0667",
        "000000\U000118e0",
        "at \u0661\u0660.\u0660.\u0660.\u0661",
    ],
)
def test_figures_that_would_be_a_link_are_code_in_anybody_s_digits(said: str) -> None:
    assert parse_html(line(said).html).links == ()


def test_what_follows_code_without_a_space_is_looked_at_as_if_a_word_began() -> None:
    assert parse_html(line(code("a"), "/stop").html).links == ()
    assert line(code("a"), "/stop").text == "a/stop"


def test_ordinary_words_need_no_code() -> None:
    said = "Took 3.5 s, e.g. 20 % and/or 5 of 7; issue #12 costs $5. Then 1.2.3 was next."
    assert line(said.replace("#12", "12")).entities == 0


def test_what_people_may_type_can_be_copied_with_a_tap() -> None:
    assert spoken("`define` makes one.").html == "<code>define</code> makes one."


def test_a_line_with_many_links_is_one_piece_of_code() -> None:
    assert line(" x ".join(["@all"] * 9)).entities == 1


def test_parts_that_are_code_stay_code_beside_a_link() -> None:
    assert line(code("logs"), " @all ", code("x")).html == "<code>logs</code> <code>@all</code> <code>x</code>"


def test_a_token_that_telegram_would_refuse_is_our_own_fault() -> None:
    with pytest.raises(InvariantViolation, match="65 bytes"):
        keyboard((Button("Go", "yes"),), lambda _button: "x" * 65)


def test_a_table_that_is_too_long_is_begun_and_all_of_it_goes_as_a_file() -> None:
    rows = tuple((f"run-{number}", "waits for a review, since yesterday", "ann") for number in range(200))
    message = render(Card("Latest runs", table=Table(("Run", "State", "By"), rows)), lambda _button: "t")
    shown = parse_html(message.text).text
    assert "run-0\n" in shown
    assert "run-199" not in shown
    assert " more." in shown
    assert message.overflow is not None
    assert "run-199" in message.overflow
