"""A card as a Telegram message. Pure.

Made to be read on a phone by somebody who was just woken up: the first line says what it is and how bad it is, a stage
has a line, the split is a bar, then who is asked. Every text on a card is from anywhere: `markup` keeps it text.

Each part has room of its own, so that a long reason never pushes out who is asked. What is shortened says so, and says
where the rest is.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice

from bot.cards import Ballot, Button, Card, Field, Split, Stop, Tone
from bot.presenters import elapsed
from bot.telegram.code import add_code
from bot.telegram.keyboard import MOST, Row, keyboard
from bot.telegram.markup import Block, Part, bold, italic, line, preformatted, spoken, stacked
from bot.telegram.page import Page
from bot.telegram.plain import clean, cut, one_line
from bot.telegram.tables import add_table, as_text

_TONES = {
    Tone.PLAIN: "",
    Tone.BUSY: "⏳ ",
    Tone.ASKING: "✋ ",
    Tone.GOOD: "✅ ",
    Tone.BAD: "❌ ",
    Tone.STOPPED: "⏹ ",
}
_MARKS = {
    "succeeded": "✅",
    "running": "⏳",
    "awaiting_review": "✋",
    "awaiting_trigger": "✋",
    "held": "⏸",
    "frozen": "❄️",
    "failed": "❌",
    "rejected": "❌",
    "ignored": "⚠️",
    "rolled_back": "↩️",
    "cancelled": "⏹",
}
_PENDING = "▫️"
_QUIET = frozenset({"succeeded", "pending"})
"""States that their mark says well enough."""
_NOW = frozenset({"running", "awaiting_review", "awaiting_trigger", "held", "frozen", "failed", "rejected"})
_BAR = 14
_ALONE = 2_000
"""Units for a card's text where little else is on the card."""
_BESIDE, _STOPS, _PEOPLE, _FIELDS = 700, 800, 600, 600
"""Units for the parts of a card that has many."""
_TITLE, _LONG, _DETAIL, _NAME, _TRACK = 160, 160, 70, 40, 10
"""Units for single texts."""
_AGES = 1e9


@dataclass(frozen=True, slots=True)
class Message:
    """What goes to Telegram. `text` is its HTML, `overflow` what was too long for it and goes as a file."""

    text: str
    keyboard: tuple[Row, ...] = ()
    overflow: str | None = None


def render(card: Card, data: Callable[[Button], str]) -> Message:
    """Return a card as a message. `data` gives the token that a button sends, at most 64 bytes."""
    page = Page()
    page.add(_title(card))
    left = _add_text(page, card)
    page.add_list(map(_stop, card.topology), len(card.topology), _STOPS, "stages")
    if card.split:
        page.add(_split(card.split))
    if card.ballot:
        ballot = card.ballot
        page.add_list(_voters(ballot), _count(ballot), _PEOPLE, "people", head=_needed(ballot))
    page.add_list((_field(page, one) for one in card.fields), len(card.fields), _FIELDS, "values")
    left += _add_long_parts(page, card)
    page.shortened |= len(card.buttons) > MOST
    text = page.finished(card.key, has_file=bool(left))
    return Message(text, keyboard(card.buttons, data), _sound("\n\n".join(left)) or None)


def _title(card: Card) -> Block:
    title, badge = _short(card.title, _TITLE) or "·", _short(card.badge, _NAME)
    return line(_TONES[card.tone], bold(title), *((" · ", italic(badge)) if badge else ()))


def _add_text(page: Page, card: Card) -> list[str]:
    """Add the card's text; returns all of it when it was cut and nobody could look it up by the run's name."""
    whole = clean(card.text).strip()
    shown = cut(whole, _BESIDE if card.topology or card.split or card.ballot else _ALONE)
    page.add(spoken(shown))
    if shown == whole:
        return []
    page.shortened = True
    return [] if card.key else [card.text]


def _stop(stop: Stop) -> Block:
    name, detail = _short(stop.name, _NAME) or "·", _short(stop.detail, _DETAIL)
    words: list[Part | str] = [f"{_MARKS.get(stop.state, _PENDING)} ", bold(name) if stop.state in _NOW else name]
    state = "" if stop.state in _QUIET else _short(stop.state.replace("_", " "), _NAME)
    words += [f" · {word}" for word in (state, _span(stop.seconds)) if word]
    first = line(*words)
    return stacked([first, line("      ", italic(detail))]) if detail else first


def _span(seconds: float | None) -> str:
    """Return how long a stage took; empty when there is nothing to tell."""
    if seconds is None or not 1 <= seconds < _AGES:
        return ""
    return elapsed(timedelta(seconds=seconds))


def _split(split: Split) -> Block:
    others = islice(sorted({*split.requests, *split.failed} - {"gray", "stable"}), 3)
    rows = ["gray had" if split.is_over else "", _bar("wanted", split.wanted), _bar("seen", split.observed)]
    rows += [_counts(split, name) for name in ("gray", "stable", *others)]
    blocks = [preformatted("\n".join(filter(None, rows)))]
    images = (("gray", split.gray), ("stable", split.stable))
    blocks += [line(f"{name}: ", _short(image, _DETAIL)) for name, image in images if one_line(image)]
    if one_line(split.earlier):
        blocks.append(line(_short(split.earlier, _LONG)))
    if one_line(split.instances):
        blocks.append(line("instances: ", _short(split.instances, _DETAIL)))
    if one_line(split.rules):
        blocks.append(line("and ", _short(split.rules, _LONG)))
    return stacked(blocks)


def _bar(name: str, share: float | None) -> str:
    if share is None or not math.isfinite(share):
        return f"{name:<6} no request yet"
    sure = min(100.0, max(0.0, share))
    filled = round(_BAR * sure / 100)
    number = f"{sure:.1f}".removesuffix(".0")
    return f"{name:<6} {'█' * filled}{'░' * (_BAR - filled)} {number} %"


def _counts(split: Split, name: str) -> str:
    """Return a track's line; two lines would not be worth it, so `!` is the alarm when requests failed."""
    if name not in split.requests and name not in split.failed:
        return ""
    failed = split.failed.get(name, 0)
    numbers = f"{_number(split.requests.get(name, 0))} requests, {_number(failed)} failed"
    return f"{_short(name, _TRACK):<6} {numbers}{' !' if failed else ''}"


def _number(count: int) -> str:
    return f"{count:,}" if count < _AGES else f"{float(min(count, 10**300)):.1e}"


def _needed(ballot: Ballot) -> Block:
    until = _short(ballot.until, _NAME)
    return line(bold(_short(ballot.needed, _DETAIL) or "·"), *((f" until {until}",) if until else ()))


def _voters(ballot: Ballot) -> Iterator[Block]:
    """Return a line for each person: those who refused first, then those who are missing."""
    yield from (_voter("❌", *each) for each in ballot.refused)
    yield from (line("⏳ ", _short(name, _NAME), " has not voted") for name in ballot.missing)
    yield from (_voter("✅", *each) for each in ballot.passed)


def _voter(mark: str, name: str, reason: str) -> Block:
    because = _short(reason, _LONG)
    return line(f"{mark} ", _short(name, _NAME), *((": ", italic(because)) if because else ()))


def _count(ballot: Ballot) -> int:
    return len(ballot.passed) + len(ballot.refused) + len(ballot.missing)


def _field(page: Page, field: Field) -> Block:
    value = _short(field.value, _LONG)
    page.shortened |= value != one_line(field.value)
    return line(italic(_short(field.label, _NAME) + ":"), f" {value}")


def _short(text: str, limit: int) -> str:
    return cut(one_line(text), limit)


def _add_long_parts(page: Page, card: Card) -> list[str]:
    """Add the table and the code; returns as text what did not fit."""
    left = []
    if card.table and not add_table(page, card.table):
        left.append(as_text(card.table))
    if card.code.strip() and not add_code(page, card.code):
        left.append(card.code)
    return left


def _sound(text: str) -> str:
    """Return text that can be written to a file: half of a surrogate pair cannot."""
    return text.encode(errors="replace").decode()
