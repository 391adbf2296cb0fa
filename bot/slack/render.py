"""Cards as Slack messages. Pure: a card and a way to name buttons in, blocks out.

The promise: whatever is in a card, the message is one that Slack takes, it calls nobody, and nothing in it became
markup. It holds because texts go only where Slack reads none (`bot.slack.blocks`) and because a card that is too large
is rendered again in less room (`bot.slack.room`) until it fits. What is missing is said where it is missing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bot.cards import Button, Card, Tone
from bot.slack import parts, tables
from bot.slack.blocks import Block, context, header, piece, rich, section
from bot.slack.room import ROOMS, Room, fits
from bot.slack.text import MORE, clean, cut, escape, length, line, paragraph

ACTION = "press"
"""What the `action_id` of every card's button begins with; its number follows after a colon."""
MARKS = {
    Tone.PLAIN: "",
    Tone.BUSY: "🔵 ",
    Tone.ASKING: "🟡 ",
    Tone.GOOD: "🟢 ",
    Tone.BAD: "🔴 ",
    Tone.STOPPED: "🟣 ",
}
_TITLE = 90
_SENTENCE = 400
_BADGE = 60
_NOTICE = 300


@dataclass(frozen=True, slots=True)
class Message:
    """What to post: `text` for notifications, `blocks` for people, `overflow` for a file below it when not None."""

    text: str
    blocks: tuple[Block, ...]
    overflow: str | None = None

    def arguments(self) -> dict[str, Any]:
        """Return it as arguments of `chat.postMessage`, `chat.update` and `chat.postEphemeral` alike."""
        return {"text": self.text, "blocks": list(self.blocks)}


def render(card: Card, data: Callable[[Button], str]) -> Message:
    """Return the card as a message. `data` gives each button's value: a short token, 2,000 characters at most."""
    values = [data(button) for button in card.buttons]
    room, blocks = _fitted(lambda room: _blocks(card, values, room))
    return Message(notice(card), tuple(blocks), tables.rest(card.table, card.code, room))


def overflow(card: Card) -> str | None:
    """Return the text that goes into a file below the card; None when the message holds everything."""
    return render(card, lambda _button: "-").overflow


def notice(card: Card) -> str:
    """Return the card as a notification shows it, escaped: the only text of a message in which Slack reads markup."""
    title = f"{MARKS[card.tone]}{line(card.title, _TITLE)}"
    said = [part for part in (title, line(card.badge, _BADGE), line(card.text, _NOTICE)) if part.strip()]
    return escape(cut(" · ".join(said), _NOTICE)) or MORE


def titled(card: Card, room: Room) -> list[Block]:
    """Return the title with the tone's mark, and the badge; one bold line when the card is a sentence and no more."""
    mark, title = MARKS[card.tone], line(card.title, _SENTENCE)
    badge = line(card.badge, _BADGE)
    text = paragraph(card.text, room.text)
    if _is_a_sentence(card):
        return rich(section([[piece(mark), piece(title, bold=True)], [piece(badge)], [piece(text)]]))
    if length(title) > _TITLE:
        head = rich(section([[piece(mark), piece(title, bold=True)]]))
    else:
        head = [header(f"{mark}{title}".strip() or MORE)]
    return [*head, *rich(section([[piece(badge, bold=True)], [piece(text)]])), *_cut_here(card, room)]


def _is_a_sentence(card: Card) -> bool:
    return not (card.key or card.topology or card.split or card.ballot or card.fields or card.table or card.code) and (
        length(card.text) <= _SENTENCE
    )


def _cut_here(card: Card, room: Room) -> list[Block]:
    if length(clean(card.text).strip()) <= room.text:
        return []
    return [context(f"Cut here; `logs {line(card.key, _BADGE)}` tells the rest." if card.key else "Cut here.")]


def _fitted(made: Callable[[Room], list[Block]]) -> tuple[Room, list[Block]]:
    """Return the first room in which what is made fits, and what is made in it."""
    for room in ROOMS:
        blocks = made(room)
        if fits(blocks):
            break
    return room, blocks


def _blocks(card: Card, values: Sequence[str], room: Room) -> list[Block]:
    blocks = titled(card, room)
    blocks += parts.topology(card.topology, room)
    blocks += parts.split(card.split, room) if card.split else []
    blocks += parts.ballot(card.ballot, room) if card.ballot else []
    blocks += parts.fields(card.fields, room)
    blocks += tables.table(card.table, room) if card.table else []
    blocks += tables.code(card.code, room) if card.code else []
    blocks += parts.buttons(card.buttons, values, room, ACTION)
    return blocks or [context(MORE)]
