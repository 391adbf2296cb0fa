"""Whatever is in a card: Slack takes the message, it calls nobody, and no text in it is read as markup."""

import json

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bot.cards import Ballot, Button, Card, Field, Split, Stop, Table, Tone
from bot.forms import Asked
from bot.slack import modals
from bot.slack.home import home
from bot.slack.render import Message, render
from bot.slack.text import clean, cut, length
from tests.support.slack_cards import HOSTILE
from tests.support.slack_limits import inputs, message_complaints, read_as_markup, units, view_complaints

BAITS = st.sampled_from(
    [
        "<!channel>",
        "<@U1>",
        "<http://x|y>",
        "<!date^1^{date}|x>",
        "&lt;!here&gt;",
        "```",
        "*_~`",
        ":boom:",
        "@here",
        "\u202eabc",
        "\u05d0\u05d1",
        "👩‍👩‍👧‍👦",
        "🏳️‍🌈",
        "e\u0301\u0301",
        "\x07\x1b[31m",
        "\ud800",
        "\r\n",
        "\t",
        "\n\n\n",
        '"\\',
        "\u2028",
        "",
        " ",
    ]
)
PIECES = st.one_of(BAITS, st.text(max_size=20))
TEXT = st.one_of(
    st.lists(PIECES, max_size=6).map("".join),
    st.tuples(BAITS, st.sampled_from([100, 1000, 6000])).map(lambda both: both[0] * both[1]),
)
STATES = ["pending", "running", "awaiting_review", "held", "succeeded", "failed", "skipped", "cancelled"]
SHARES = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True))
COUNTS = st.dictionaries(st.one_of(st.just("gray"), TEXT), st.integers(0, 10**14), max_size=4)
STOPS = st.builds(Stop, TEXT, TEXT, st.one_of(st.sampled_from(STATES), TEXT), SHARES, TEXT)
SPLITS = st.builds(Split, st.integers(0, 100), SHARES, COUNTS, COUNTS, TEXT, TEXT, TEXT)
PEOPLE = st.lists(TEXT, max_size=30).map(tuple)
VOTES = st.lists(st.tuples(TEXT, TEXT), max_size=30).map(tuple)
BALLOTS = st.builds(Ballot, TEXT, VOTES, VOTES, PEOPLE, TEXT)
ROWS = st.lists(TEXT, max_size=12).map(tuple)
TABLES = st.builds(Table, ROWS, st.lists(ROWS, max_size=70).map(tuple))
BUTTONS = st.builds(Button, TEXT, TEXT, st.booleans(), st.booleans())
CARDS = st.builds(
    Card,
    title=TEXT,
    tone=st.sampled_from(Tone),
    text=TEXT,
    topology=st.lists(STOPS, max_size=40).map(tuple),
    split=st.one_of(st.none(), SPLITS),
    ballot=st.one_of(st.none(), BALLOTS),
    fields=st.lists(st.builds(Field, TEXT, TEXT), max_size=30).map(tuple),
    table=st.one_of(st.none(), TABLES),
    code=TEXT,
    buttons=st.lists(BUTTONS, max_size=40).map(tuple),
    key=TEXT,
    badge=TEXT,
)
slow = settings(max_examples=60, suppress_health_check=list(HealthCheck))


def token(_button: Button) -> str:
    return "0123456789abcdef0123456789abcdef"


def longest() -> Card:
    """Return a card with more of everything than fits, all of it of the characters that take most room in JSON."""
    long = '"\\' * 4000
    stop, button = Stop(long, long, "held", 1e9, long), Button(long, long)
    names = (long,) * 40
    voted = ((long, long),) * 40
    return Card(
        long,
        Tone.BAD,
        long,
        (stop,) * 60,
        Split(5, 5.0, {long: 1}, {long: 1}, long, long, long, long, long),
        Ballot(long, voted, voted, names, long),
        (Field(long, long),) * 40,
        Table(names, (names,) * 100),
        "\n".join([long] * 50),
        (button,) * 40,
        long,
        long,
    )


def is_harmless(message: Message) -> None:
    assert message_complaints(message.blocks) == []
    assert read_as_markup(message.blocks) == []
    assert not {"<", ">"} & set(message.text)
    assert 0 < units(message.text) <= 3000
    json.dumps(message.arguments()).encode()


@slow
@given(CARDS)
@example(longest())
@example(Card(""))
@example(Card("", key="k"))
def test_slack_takes_every_card_and_reads_nothing_into_it(card: Card) -> None:
    is_harmless(render(card, token))


@slow
@given(st.lists(CARDS, max_size=3), TABLES, st.one_of(st.none(), CARDS))
def test_slack_takes_every_home_and_reads_nothing_into_it(
    cards: list[Card], pipelines: Table, said: Card | None
) -> None:
    view = home(cards, cards[::-1], pipelines, token, said)
    assert view_complaints(view) == []
    assert read_as_markup(view) == []


def test_a_home_of_more_than_fits_is_cut_and_says_so() -> None:
    pipelines = Table(("Pipeline",), tuple((f"p-{n}",) for n in range(300)))
    view = home([longest()] * 50, [longest()] * 50, pipelines, token, longest())
    assert view_complaints(view) == []
    assert "40 more: `status` shows them all." in json.dumps(view)
    assert "240 more rows, `list` shows them all" in json.dumps(view)


@given(TEXT, st.lists(st.builds(Asked, TEXT, TEXT, TEXT), max_size=5))
@slow
def test_slack_takes_every_form(text: str, asked: list[Asked]) -> None:
    named = [Asked(f"v{n}", one.value, one.description) for n, one in enumerate(asked)]
    for view in (
        modals.run_modal(text, 1, named, "{}"),
        modals.define_modal(text, text, "{}"),
        modals.reject_modal(text, "{}"),
        modals.link_modal("{}"),
    ):
        assert view_complaints(view) == []
        assert read_as_markup(view) == []


@given(TEXT)
@slow
def test_a_complaint_is_always_at_a_field_of_the_form(text: str) -> None:
    view = modals.run_modal("shop", 1, [Asked("a", ""), Asked("b", "")], "{}")
    answer = modals.complaints_at(view["blocks"], text)
    assert answer["errors"]
    assert set(answer["errors"]) <= set(inputs(view))
    assert all(0 < units(said) <= 300 for said in answer["errors"].values())


@given(TEXT, st.integers(1, 200))
@slow
def test_a_cut_keeps_the_limit_and_tears_nothing_apart(text: str, limit: int) -> None:
    whole = clean(text)
    shown = cut(whole, limit)
    assert units(shown) <= limit
    assert length(shown) == units(shown)
    if shown != whole:
        kept = shown.removesuffix("…")
        assert whole.startswith(kept)
        assert shown.endswith("…")
    shown.encode()


@pytest.mark.parametrize("text", ["👩‍👩‍👧‍👦 family", "e\u0301\u0301\u0301 accents"])
def test_an_emoji_and_an_accent_are_kept_whole_or_not_at_all(text: str) -> None:
    first = text.split(maxsplit=1)[0]
    assert {cut(text, limit) for limit in range(2, units(first) + 1)} == {"…"}


def test_a_text_that_turns_its_direction_is_straightened() -> None:
    assert "\u202e" not in json.dumps(render(Card(HOSTILE, key="k"), token).arguments(), ensure_ascii=False)
