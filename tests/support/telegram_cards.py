"""Cards for the golden files of Telegram: those of every chat, and some that only Telegram could misread."""

from bot.cards import Ballot, Button, Card, Field, Stop, Table, Tone
from bot.grammar import help_rows
from tests.support.slack_cards import CARDS as OF_EVERY_CHAT

PULLING = (
    "@all @ann_b see evil.example, (https://evil.example/x?a=1&b=2) or tg://resolve?domain=evil; mail ann@example.com, "
    "call +49 170 123 45 67, pay 4111 1111 1111 1111 #urgent $USD /stop@sluice_bot </code><b>not bold &lt; &#64;all"
)


def pulling() -> Card:
    """Return a card in which everything would be a link."""
    return Card(
        "shop-api-42 · version=@all",
        Tone.STOPPED,
        PULLING,
        topology=(Stop("@code", "source", "succeeded", 3.2, PULLING), Stop("/stop", "gray", "held", 4.0)),
        ballot=Ballot("Ask @ann", (("@ann", PULLING),), (("bob", PULLING),), ("evil.example",)),
        fields=(Field("Commit", PULLING),),
        table=Table(("Variable", "Value"), (("host", "10.0.0.1:8080"), ("mail", "ann@example.com"))),
        buttons=(Button("@all evil.example", "no"),),
    )


def crowded() -> Card:
    """Return a card with more of everything than a message holds."""
    people = tuple(f"reviewer number {number}" for number in range(40))
    stops = tuple(Stop(f"region-{number}", "gray", "succeeded", 61.0 * number) for number in range(60))
    return Card(
        "shop-api-42",
        Tone.ASKING,
        "The migration is not reversible. " * 60,
        topology=stops,
        ballot=Ballot("Everybody must pass", (), (), people),
        fields=tuple(Field(f"VARIABLE_{number}", "value " * 20) for number in range(30)),
        buttons=tuple(Button(f"Gray {number} %", f"split shop-api-42 {number}") for number in range(1, 8)),
        key="shop-api-42",
    )


def definition() -> Card:
    """Return code that fits, folded."""
    stages = "".join(f"  - name: stage-{number}\n    script: |\n      make\n" for number in range(8))
    return Card("shop-api, version 3", code=f"pipeline: shop-api\nstages:\n{stages}")


def known_words() -> Card:
    """Return the help: a table too wide for columns."""
    rows = help_rows()[:6]
    return Card("What you can say", table=Table(("Say", "To"), tuple(rows)))


CARDS = OF_EVERY_CHAT | {made.__name__: made() for made in (pulling, crowded, definition, known_words)}
