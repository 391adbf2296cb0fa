"""Whatever a card says, Telegram takes its message, and nothing in it can be pressed but the buttons."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.cards import Ballot, Button, Card, Field, Split, Stop, Table, Tone
from bot.telegram.markup import Part, Style, line, spoken
from bot.telegram.plain import clean, cut, units
from bot.telegram.render import Message, render
from tests.support.telegram_html import parse_html, utf16

HOSTILE = (
    "@all",
    "@channel",
    "@ann_b",
    "https://evil.example/x?y=1&z=2",
    "evil.example",
    "t.me/joinchat",
    "tg://resolve?domain=evil",
    "пример.рф",
    "http://интранет",
    "ann@example.com",
    "10.0.0.1:8080",
    "#prod",
    "$USD",
    "/stop",
    "/stop@sluice_bot",
    "+49 170 123-45-67",
    "4111 1111 1111 1111",
    "\u0660\u0663\u0660\u0661\u0662\u0663\u0664\u0665\u0666\u0667",
    "<b>",
    "</code>",
    "</pre>",
    "<a href='tg://user?id=1'>x</a>",
    "<blockquote expandable>",
    "&lt;",
    "&#64;all",
    "&",
    "`",
    "\u202e",
    "\u2028",
    "@\u202aall",
    "exam\u200dple.com",
    "ev\u00adil.com",
    "a\u0333",
    "e\u0301",
    "👩‍👩‍👧",
    "🇩🇪",
    "\ud83d",
    "\x00",
    "\x1b[31m",
    "\t",
    "\r\n",
    "\n",
    " ",
    ".",
    "1",
    "12345",
    "\u00a0",
    "مرحبا",
    "…",
)
hostile = st.lists(st.one_of(st.sampled_from(HOSTILE), st.text(max_size=6)), max_size=8).map("".join)
long = st.tuples(hostile, st.sampled_from((1, 7, 900))).map(lambda both: both[0] * both[1])
text = st.one_of(hostile, st.text(max_size=30), long)
names = st.one_of(st.sampled_from(("gray", "stable")), hostile)
states = st.one_of(st.sampled_from(("succeeded", "running", "held", "pending", "awaiting_review")), hostile)
numbers = st.one_of(st.floats(), st.floats(min_value=0, max_value=1e5), st.none())
counts = st.dictionaries(names, st.integers(min_value=0), max_size=5)
stops = st.builds(Stop, name=text, kind=hostile, state=states, seconds=numbers, detail=text)
splits = st.builds(
    Split, st.integers(), numbers, requests=counts, failed=counts, rules=text, gray=text, stable=text, instances=text
)
people = st.lists(text, max_size=12).map(tuple)
votes = st.lists(st.tuples(text, text), max_size=12).map(tuple)
ballots = st.builds(
    Ballot,
    needed=text,
    passed=votes,
    refused=votes,
    missing=people,
    until=text,
)
rows = st.lists(st.lists(text, max_size=4).map(tuple), max_size=40).map(tuple)
tables = st.builds(Table, head=st.lists(text, max_size=4).map(tuple), rows=rows)
buttons = st.builds(Button, text=text, line=text, primary=st.booleans(), danger=st.booleans())
cards = st.builds(
    Card,
    title=text,
    tone=st.sampled_from(Tone),
    text=text,
    topology=st.lists(stops, max_size=15).map(tuple),
    split=st.none() | splits,
    ballot=st.none() | ballots,
    fields=st.lists(st.builds(Field, text, text), max_size=12).map(tuple),
    table=st.none() | tables,
    code=text,
    buttons=st.lists(buttons, max_size=40).map(tuple),
    key=text,
    badge=text,
)
everything = Card(
    " ".join(HOSTILE) * 9,
    text=" ".join(HOSTILE) * 99,
    topology=(Stop("@all " * 99, "gray", "held", 3.0, "evil.example, /stop, " * 9),) * 99,
    split=Split(20, 19, {"evil.example": 3, "@all": 10**400}, {"gray": 1}, "@all " * 99, *("@all a@b.de",) * 4),
    ballot=Ballot(
        "@all", (("@ann", "/stop x"),) * 99, (("@bob", "evil.example @all /stop $USD"),) * 99, ("@cleo",) * 99, "@all"
    ),
    fields=(Field("@all", "#prod x /stop y $USD z @all"),) * 99,
    table=Table(("@all", "evil.example"), (("@all x /stop y #prod z $USD", "evil.example"),) * 99),
    code="@all\n" * 2000,
    buttons=(Button("@all", "yes", primary=True, danger=True),) * 99,
    key="@all",
)


def token(_button: Button) -> str:
    return "0123456789abcdef"


def shown(card: Card) -> Message:
    return render(card, token)


@settings(max_examples=300)
@given(cards)
@example(everything)
def test_telegram_takes_every_message_and_finds_nothing_to_press_in_it(card: Card) -> None:
    message = shown(card)
    read = parse_html(message.text)
    assert 1 <= read.length <= 4096
    assert read.dropped == ()
    assert read.links == ()


@settings(max_examples=100)
@given(cards)
@example(everything)
def test_every_keyboard_is_one_that_telegram_takes(card: Card) -> None:
    keyboard = shown(card).keyboard
    pressed = [button for row in keyboard for button in row]
    assert len(pressed) == min(30, len(card.buttons))
    assert all(1 <= len(row) <= 3 for row in keyboard)
    assert all(said.strip() and "\n" not in said and utf16(said) <= 64 for said, _ in pressed)
    assert all(len(data.encode()) <= 64 for _, data in pressed)


@settings(max_examples=100)
@given(st.builds(Card, title=text, code=text, table=st.none() | tables, text=text))
def test_what_does_not_fit_goes_as_a_file_that_can_be_written(card: Card) -> None:
    message = shown(card)
    if message.overflow is not None:
        assert message.overflow.encode()
        assert "file" in parse_html(message.text).text


@settings(max_examples=300)
@given(st.lists(st.builds(Part, hostile.map(clean), st.sampled_from(Style)), max_size=5))
@example([Part("evil"), Part(".", Style.BOLD), Part("example", Style.CODE), Part(".com")])
@example([Part("a", Style.CODE), Part("/stop")])
@example([Part("555 12"), Part("34", Style.BOLD), Part("567 8")])
def test_a_link_cannot_be_put_together_from_harmless_parts(parts: list[Part]) -> None:
    read = parse_html(line(*parts).html)
    assert read.links == ()
    assert read.dropped == ()
    assert read.text == "".join(part.text for part in parts).strip()


@given(hostile.map(clean))
def test_a_line_of_prose_reads_as_it_was_written_but_for_its_backticks(said: str) -> None:
    read = parse_html(spoken(said).html)
    assert read.links == ()
    assert read.text.replace("`", "").strip() == said.replace("`", "").strip()


@given(text.map(clean), st.integers(min_value=1, max_value=60))
def test_a_cut_text_is_within_its_limit_and_ends_in_an_ellipsis(said: str, limit: int) -> None:
    short = cut(said, limit)
    assert units(short) == utf16(short) <= limit
    assert short == said or (short.endswith("…") and said.startswith(short[:-1]))


@given(text)
def test_cleaning_twice_is_cleaning_once(said: str) -> None:
    assert clean(clean(said)) == clean(said)
