"""A card as a mail that people like to read, and as the few words that fit a telephone. Pure.

Everything in a card may come from anywhere (a commit's subject, a reason), so all of it is escaped in HTML, and nothing
of it makes a second line of a header.
"""

import html
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr

from bot.cards import Ballot, Card, Stop, Tone
from bot.presenters import elapsed

_UNSAID = re.compile("[^A-Za-z0-9.-]")
"""What a message's id does not hold."""
SHORT = 300
"""Characters of a short message."""
_LONGEST_SUBJECT = 150
_MARKS = {"succeeded": "✓", "ignored": "✓", "failed": "✗", "held": "✗", "rejected": "✗", "running": "…"}
_COLOURS = {Tone.GOOD: "#1a7f37", Tone.BAD: "#cf222e", Tone.STOPPED: "#9a6700"}


def letter(card: Card, link: str, *, key: str, sender: str, to: str, now: datetime) -> EmailMessage:
    """Write a mail. `key` names the message for ever: whoever receives it twice can tell."""
    mail = EmailMessage()
    mail["Subject"] = subject_of(card)
    mail["From"], mail["To"] = sender, to
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = f"<{_UNSAID.sub('.', key)}@{parseaddr(sender)[1].partition('@')[2] or 'localhost'}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Sluice-Notification"] = key
    mail.set_content("\n".join(_plain(card, link)) + "\n")
    mail.add_alternative(_html(card, link), subtype="html")
    return mail


def subject_of(card: Card) -> str:
    """Say the outcome in one line."""
    line = " ".join(card.title.split())
    return line if len(line) <= _LONGEST_SUBJECT else line[: _LONGEST_SUBJECT - 1] + "…"


def short_of(card: Card, link: str) -> str:
    """Say it in a few words."""
    words = " ".join(f"{card.title}. {card.text}".split())
    room = SHORT - len(link) - 1
    words = words if len(words) <= room else words[: room - 1] + "…"
    return f"{words} {link}".strip()


def _plain(card: Card, link: str) -> Iterator[str]:
    yield card.title
    if card.text:
        yield from ("", card.text)
    yield ""
    for label, value in _facts(card):
        yield f"{label + ':':<14} {value}"
    if card.topology:
        yield ""
        yield from (_stage(stop) for stop in card.topology)
    if link:
        yield from ("", link)


def _facts(card: Card) -> Iterator[tuple[str, str]]:
    for field in card.fields:
        yield field.label, field.value
    if card.ballot is not None:
        yield "Decided", _decided(card.ballot)


def _decided(ballot: Ballot) -> str:
    voted = [(f"{person} approved", reason) for person, reason in ballot.passed]
    voted += [(f"{person} refused", reason) for person, reason in ballot.refused]
    return ", ".join(f"{said} ({reason})" if reason else said for said, reason in voted) or "nobody"


def _stage(stop: Stop) -> str:
    took = f", {elapsed(timedelta(seconds=stop.seconds))}" if stop.seconds else ""
    detail = f"  {stop.detail}" if stop.detail else ""
    return f"{_MARKS.get(stop.state, '·')} {stop.name}: {stop.state.replace('_', ' ')}{took}{detail}"


def _html(card: Card, link: str) -> str:
    colour = _COLOURS.get(card.tone, "#57606a")
    rows = "".join(
        f'<tr><td style="color:#57606a;padding:2px 12px 2px 0;vertical-align:top">{html.escape(label)}</td>'
        f"<td>{html.escape(value)}</td></tr>"
        for label, value in _facts(card)
    )
    stages = "".join(f"<li>{html.escape(_stage(stop))}</li>" for stop in card.topology)
    text = f"<p>{html.escape(card.text)}</p>" if card.text else ""
    way = f'<p><a href="{html.escape(link)}">Look at it in Sluice</a></p>' if link else ""
    return (
        '<!doctype html><html><body style="font-family:sans-serif;max-width:40em">'
        f'<h2 style="border-left:6px solid {colour};padding-left:10px">{html.escape(card.title)}</h2>'
        f'{text}<table>{rows}</table><ul style="list-style:none;padding-left:0">{stages}</ul>{way}</body></html>'
    )
