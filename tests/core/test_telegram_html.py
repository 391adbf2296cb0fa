"""The tests' reader of Telegram's HTML refuses what Telegram refuses, and finds what Telegram would make a link of."""

import pytest

from tests.support.telegram_html import CannotParse, parse_html
from tests.support.telegram_links import links_in

BROKEN = {
    "<b>never closed": "Can't find end tag corresponding to start tag b",
    "<b><i>crossed</b></i>": 'Unmatched end tag at byte offset 13, expected "</i>", found "</b>"',
    "closed only</b>": "Unexpected end tag at byte offset 11",
    "<script>x</script>": 'Unsupported start tag "script" at byte offset 0',
    "a < b": "Unclosed start tag at byte offset 2",
    "é<1>": 'Unsupported start tag "1" at byte offset 2',
    '<b onclick="x">y</b>': 'Unexpected attribute in the tag "b" at byte offset 0',
    "&#55357;": "Text contains invalid Unicode characters after decoding HTML entities",
    "\ud83d": "strings must be encoded in UTF-8",
}
LINKS = {
    "hey @all, look": ("mention", "@all"),
    "(@ann_b)": ("mention", "@ann_b"),
    "say /stop now": ("bot_command", "/stop"),
    "/stop@sluice_bot": ("bot_command", "/stop@sluice_bot"),
    "see example.com": ("url", "example.com"),
    "see https://localhost/x": ("url", "https://localhost"),
    "see пример.рф": ("url", "пример.рф"),
    "exam\u200dple.com": ("url", "exam\u200dple.com"),
    "tg://resolve?domain=x": ("url", "tg://resolve"),
    "at 10.0.0.1:80": ("ip_address", "10.0.0.1"),
    "write ann@example.com": ("email", "ann@example.com"),
    "it is #urgent": ("hashtag", "#urgent"),
    "buy $USD": ("cashtag", "$USD"),
    "call +49 170 123-45-67": ("phone_number", "+49 170 123-45-67"),
    "pay 4111 1111 1111 1111": ("phone_number", "4111 1111 1111 1111"),
}
HARMLESS = (
    "plain words, and a stop. Then more",
    "20 % wanted, 19.4 % seen",
    "version 1.2.3",
    "either/or",
    "issue #12",
    "price $5",
    "a @ b",
    "28 November, 04:15 UTC",
)


@pytest.mark.parametrize("source", BROKEN)
def test_broken_markup_is_refused_in_the_words_of_the_server(source: str) -> None:
    with pytest.raises(CannotParse) as refused:
        parse_html(source)
    assert str(refused.value) == BROKEN[source]


def test_markup_is_not_counted_and_emoji_count_twice() -> None:
    read = parse_html("<b>👩</b> &lt;b&gt; <code>x</code>")
    assert read.text == "👩 <b> x"
    assert read.length == 8
    assert [(one.type, one.offset, one.length) for one in read.entities] == [("bold", 0, 2), ("code", 7, 1)]


def test_what_telegram_takes_out_of_a_message_is_gone_before_links_are_looked_for() -> None:
    assert [link.target for link in parse_html("@\u202aeve\u202cryone").links] == ["@everyone"]


def test_white_space_around_a_message_is_no_part_of_it() -> None:
    read = parse_html(" \n <b> x </b>\n")
    assert (read.text, read.entities[0].offset, read.entities[0].length) == ("x", 0, 1)


def test_formatting_after_the_hundredth_piece_is_dropped_and_makes_links_of_its_code() -> None:
    read = parse_html("<code>@all</code> " * 101)
    assert len(read.entities) == 100
    assert [link.target for link in read.links] == ["@all"]


def test_formatting_inside_code_is_dropped() -> None:
    assert [one.type for one in parse_html("<code>a<b>b</b></code>").dropped] == ["bold"]


def test_code_in_a_quotation_that_folds_is_kept() -> None:
    read = parse_html("<blockquote expandable><code>@all</code></blockquote>")
    assert [one.as_json()["type"] for one in read.entities] == ["expandable_blockquote", "code"]
    assert read.links == ()


@pytest.mark.parametrize("said", LINKS)
def test_what_can_be_pressed_is_found(said: str) -> None:
    assert LINKS[said] in [(link.kind, link.target) for link in links_in(said)]


@pytest.mark.parametrize("said", LINKS)
def test_nothing_in_code_can_be_pressed(said: str) -> None:
    escaped = said.replace("&", "&amp;")
    assert parse_html(f"<code>{escaped}</code>").links == ()
    assert parse_html(f"<b>{escaped}</b>").links != ()


@pytest.mark.parametrize("said", HARMLESS)
def test_words_that_lead_nowhere_are_left_alone(said: str) -> None:
    assert links_in(said) == ()


def test_a_written_link_is_one_wherever_it_leads() -> None:
    assert [link.target for link in parse_html('<a href="tg://user?id=1">bank</a>').links] == ["tg://user?id=1"]
