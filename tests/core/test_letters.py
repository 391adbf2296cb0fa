"""Mails and short messages: what people read first, and nothing that somebody else has put in between."""

from email import message_from_bytes, policy

import pytest

from bot.cards import Ballot, Card, Field, Stop, Tone
from bot.heralds.letters import SHORT, letter, short_of, subject_of
from tests.support.store import T0

LINK = "https://sluice.example.com/r/shop-41"
CARD = Card(
    "shop-41 succeeded: shop/api:v7",
    Tone.GOOD,
    "All <b>is</b> well.",
    topology=(Stop("image", "build", "succeeded", 200.0, "shop/api:v7 0123456789ab"),),
    ballot=Ballot("One of them is enough", passed=(("ann", ""),), refused=(("bob", "too late"),)),
    fields=(Field("Released", "shop/api:v7 (0123456789ab)"), Field("Took", "3 min 20 s")),
)


def texts(card: Card) -> tuple[str, str]:
    """The plain text and the page of a mail, as a mail program gets them."""
    sent = letter(card, LINK, key="shop-41:9:notify-0", sender="s@example.com", to="team@example.com", now=T0)
    mail = message_from_bytes(sent.as_bytes(), policy=policy.default)
    plain, page = mail.get_body(("plain",)), mail.get_body(("html",))
    assert plain is not None
    assert page is not None
    return plain.get_content(), page.get_content()


def test_a_mail_says_what_was_released_who_decided_how_long_it_took_and_where_to_look() -> None:
    plain, page = texts(CARD)
    assert plain.splitlines() == [
        "shop-41 succeeded: shop/api:v7",
        "",
        "All <b>is</b> well.",
        "",
        "Released:      shop/api:v7 (0123456789ab)",
        "Took:          3 min 20 s",
        "Decided:       ann approved, bob refused (too late)",
        "",
        "✓ image: succeeded, 3 min 20 s  shop/api:v7 0123456789ab",
        "",
        LINK,
    ]
    assert "All &lt;b&gt;is&lt;/b&gt; well." in page
    assert f'<a href="{LINK}">' in page


@pytest.mark.parametrize("title", ["a\r\nBcc: evil@example.com", "a\nb", "a\x0bb", "x" * 500])
def test_a_title_from_anywhere_is_one_line_of_a_subject(title: str) -> None:
    sent = letter(Card(title), "", key="k", sender="s@example.com", to="team@example.com", now=T0)
    mail = message_from_bytes(sent.as_bytes(), policy=policy.default)
    assert mail["Bcc"] is None
    assert len(str(mail["Subject"])) <= 150
    assert "\n" not in subject_of(Card(title))


def test_an_address_of_two_lines_is_none() -> None:
    with pytest.raises(ValueError, match="linefeed"):
        letter(CARD, "", key="k", sender="s@example.com", to="a@example.com\nBcc: b@example.com", now=T0)


def test_a_short_message_fits_and_keeps_its_link() -> None:
    said = short_of(Card("shop-41 failed", text="word " * 200), LINK)
    assert len(said) <= SHORT
    assert said.endswith(f"… {LINK}")
    assert short_of(Card("shop-41 failed", text="It broke."), "") == "shop-41 failed. It broke."
