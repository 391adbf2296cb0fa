"""What the console makes of a card, without a browser."""

import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest

from bot.cards import Button, Card, Split, Stop, Table
from bot.web.render import cell_path, percent, render_card, render_live, render_message, run_path, share, span, two_taps
from bot.web.said import Line, Moved, Shown, read, write
from engine.model import RoomId
from storage.chats import Message
from tests.support import console_cards as cards
from tests.support.console_cards import HOSTILE

CHECK, CROSS, GLOBE = "m5 12.5", "m6.5 6.5", "M3.5 12h17"
"""How these drawings begin."""
AT = datetime(2030, 1, 1, 3, 0, tzinfo=UTC)


class Elements(HTMLParser):
    """Every element with its attributes, and all the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.names: set[str] = set()
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.names |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize(
    "html",
    [
        render_card(cards.hostile()),
        render_message(Shown(1, AT, HOSTILE, cards.hostile())),
        render_message(Shown(2, AT, HOSTILE, Line(HOSTILE, HOSTILE))),
        render_message(Shown(3, AT, HOSTILE, Line("\n".join([HOSTILE] * 20)))),
        render_live([Shown(4, AT, HOSTILE, cards.hostile())]),
    ],
    ids=["card", "message", "press", "long line", "live"],
)
def test_hostile_text_stays_text(html: str) -> None:
    page = Elements(html)
    assert not {"script", "img"} & set(page.tags)
    assert not {name for name in page.names if name.startswith("on")}
    assert HOSTILE in page.text


@pytest.mark.parametrize(
    ("state", "look", "drawing"),
    [
        ("succeeded", "is-settled", CHECK),
        ("ignored", "is-ignored", CROSS),
        ("rolled_back", "is-failed", CROSS),
        ("skipped", "is-pending", GLOBE),
        ("pending", "is-pending", GLOBE),
    ],
)
def test_only_a_stage_that_has_succeeded_looks_so(state: str, look: str, drawing: str) -> None:
    html = render_card(Card("hello-4", topology=(Stop("official", "official", state),)))
    assert look in html
    assert drawing in html
    assert state.replace("_", " ") in html


def test_no_card_needs_an_inline_style() -> None:
    for card in (cards.gray_release(), cards.failed_promotion(), cards.pipelines(), cards.long_logs()):
        assert "style" not in Elements(render_card(card)).names


def test_the_split_shows_what_is_observed_and_marks_what_is_wanted() -> None:
    html = render_card(cards.gray_release(19.4, 20))
    assert 'class="bar-seen" x="0" y="7" width="19.40%"' in html
    assert 'class="bar-wanted" x="20.00%"' in html
    assert "19.4 percent observed, 20 percent wanted" in html


def test_a_split_before_the_first_request_is_empty_and_says_so() -> None:
    html = render_card(cards.gray_release(None, 20))
    assert 'class="bar-seen" x="0" y="7" width="0.00%"' in html
    assert "\N{EN DASH}" in html


def test_a_split_without_counts_shows_both_tracks() -> None:
    html = render_card(Card("x", split=Split(5, 5.0)))
    assert Elements(html).tags.count("dt") == 2


@pytest.mark.parametrize(
    ("line", "danger", "asked_twice"),
    [
        ("press reject shop-1 4", True, True),
        ("stop shop-1", True, True),
        ("rollback shop-1", True, False),
        ("redeploy shop 1 fast", True, False),
        ("unlock shop", True, False),
        ("delete shop", True, False),
        ("run shop", True, False),
        ("approve shop-1", False, False),
        ("", True, True),
    ],
)
def test_a_danger_button_asks_twice_unless_its_answer_asks(line: str, danger: bool, asked_twice: bool) -> None:  # noqa: FBT001
    assert two_taps(Button("x", line, danger=danger)) is asked_twice


def test_without_the_script_a_danger_button_leads_to_a_question() -> None:
    html = render_card(Card("x", buttons=(Button("Stop", "stop shop-1", danger=True), Button("Retry", "retry shop-1"))))
    assert re.findall(r'name="(\w+)" value="([^"]+)"', html) == [("danger", "stop shop-1"), ("line", "retry shop-1")]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, ""),
        (float("nan"), ""),
        (-1.0, ""),
        (0.0, "0 s"),
        (59.9, "59 s"),
        (134.0, "2 m 14 s"),
        (3900.0, "1 h 05 m"),
    ],
)
def test_lengths_of_time_are_words(seconds: float | None, words: str) -> None:
    assert span(seconds) == words


def test_shares_are_short_and_never_leave_the_bar() -> None:
    assert [share(value) for value in (None, 20.0, 19.44, 0.0)] == ["\N{EN DASH}", "20", "19.4", "0"]
    assert [percent(value) for value in (None, -3, 140.0, 12.345)] == ["0.00%", "0.00%", "100.00%", "12.35%"]


def test_runs_and_pipelines_in_tables_are_links_and_nothing_else_is() -> None:
    assert cell_path("Run", "shop-api-42") == "/r/shop-api-42"
    assert cell_path("Pipeline", "shop-api") == "/p/shop-api"
    assert [
        cell_path("Run", "../x-1"),
        cell_path("Pipeline", HOSTILE),
        cell_path("State", "shop"),
        run_path("shop"),
    ] == [""] * 4


def test_a_row_longer_than_its_head_is_shown_whole() -> None:
    assert "three" in render_card(Card("x", table=Table(("a",), (("one", "two", "three"),))))


@pytest.mark.parametrize(
    "document", [Line("list"), Line("press x", "Approve"), Moved("shop-1"), cards.gray_release(), cards.hostile()]
)
def test_a_stored_message_is_read_as_it_was_written(document: Line | Moved | Card) -> None:
    message = Message(7, RoomId("web:lobby"), AT, "ann", write(document))
    assert read(message) == Shown(7, AT, "ann", document)


def test_what_waits_for_somebody_is_under_way_and_what_is_over_is_not() -> None:
    shown = [
        Shown(1, AT, "sluice", card) for card in (cards.gray_release(), cards.failed_promotion(), cards.building())
    ]
    assert all(one.is_live for one in shown)
    assert not Shown(1, AT, "sluice", cards.finished_run()).is_live
    assert not Shown(1, AT, "ann", Line("list")).is_live


def test_moments_are_shown_in_utc_until_the_browser_knows_better() -> None:
    html = render_message(Shown(1, AT + timedelta(minutes=5), "ann", Line("list")))
    assert ">03:05</time>" in html
