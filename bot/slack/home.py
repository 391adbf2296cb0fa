"""The App Home: what waits for me, what is running, my pipelines. Pure."""

from collections.abc import Callable, Sequence

from bot.cards import Button, Card, Table, Tone
from bot.slack import parts, tables
from bot.slack.blocks import Block, Piece, actions, button, context, divider, header, piece, plain, rich, section
from bot.slack.render import MARKS, render
from bot.slack.room import ROOMS
from bot.slack.text import line

DEFINE, RUN, LINK = "open:define", "open:run", "open:link"
"""The `action_id` of what opens a form: a button, a menu whose option is a pipeline's name, and a button again."""
_BLOCKS = 100
_WAITING = 10
_RUNNING = 10
_PIPELINES = 100
_HOW_TO_GET_IN = (
    "Say `link` in a chat where Sluice knows you (the console, the terminal); it gives you a code for here. "
    "If it knows you nowhere: whoever runs Sluice says `sluice person add YOU`."
)
_OPTION = 75
_OPTION_VALUE = 150
_ROOM = ROOMS[1]
_LINE = 160


def home(
    waiting: Sequence[Card],
    running: Sequence[Card],
    pipelines: Table,
    data: Callable[[Button], str],
    said: Card | None = None,
) -> Block:
    """Return the view. The first cell of a row of `pipelines` is its name; `said` is an answer, and stands first."""
    blocks: list[Block] = [] if said is None else [*render(said, data).blocks, divider()]
    blocks += _cards("Waits for you", waiting, _WAITING, data, "Nothing waits for you.")
    blocks += _cards("Running", running, _RUNNING, data, "Nothing is running.")
    blocks += [divider(), header("Your pipelines")]
    blocks += (
        tables.table(pipelines, ROOMS[0], "`list` shows them all")
        if pipelines.rows
        else [context("There are none yet.")]
    )
    blocks += actions([*_menu([row[0] for row in pipelines.rows if row]), button("Define a pipeline", "-", DEFINE)])
    return {"type": "home", "blocks": blocks[:_BLOCKS]}


def stranger(said: Card | None = None) -> Block:
    """Return the view of somebody who is not known: how to get in, and nothing else."""
    words = said or Card("Sluice does not know you yet", Tone.ASKING, _HOW_TO_GET_IN)
    return {"type": "home", "blocks": [*render(words, lambda _button: "-").blocks, *link_button()]}


def link_button() -> list[Block]:
    """Return the button that asks for a one-time code."""
    return actions([button("Link my account", "-", LINK, "primary")])


def _cards(title: str, cards: Sequence[Card], most: int, data: Callable[[Button], str], none: str) -> list[Block]:
    blocks: list[Block] = [header(title)]
    for number, card in enumerate(cards[:most]):
        blocks += _short(card)
        blocks += parts.buttons(card.buttons, [data(one) for one in card.buttons], _ROOM, f"press:{title}:{number}")
    if len(cards) > most:
        blocks.append(context(f"{len(cards) - most} more: `status` shows them all."))
    return blocks if cards else [*blocks, context(none)]


def _short(card: Card) -> list[Block]:
    """Return a card in a few lines: its name, where it is, how the traffic is split, who is missing."""
    mark, badge = MARKS[card.tone], line(card.badge, 60)
    first = [piece(mark), piece(line(card.title, _LINE) or "…", bold=True), piece(f" · {badge}" if badge else "")]
    return rich(section([first, *_below(card)]))


def _below(card: Card) -> list[list[Piece]]:
    lines = [[piece(line(card.text, _LINE))]]
    now = next((stop for stop in card.topology if stop.state not in ("succeeded", "pending", "skipped")), None)
    if now is not None:
        said = [part for part in (parts.state_of(now), parts.span(now.seconds)) if part]
        lines.append([piece(f"{line(now.name, 40)}: {', '.join(said)}")])
    if card.split is not None:
        seen = parts.share(card.split.observed) or "nothing yet"
        lines.append([piece(f"{parts.gray(card.split)} {seen}, wanted {card.split.wanted} %")])
    if card.ballot is not None and card.ballot.missing:
        lines.append([piece(line(f"Missing: {', '.join(card.ballot.missing)}", _LINE))])
    return lines


def _menu(names: Sequence[str]) -> list[Block]:
    """Return a menu that starts a run; a name too long for it has to be typed."""
    options = [
        {"text": plain(line(name, _OPTION), _OPTION), "value": name}
        for name in dict.fromkeys(names)
        if name and line(name, _OPTION_VALUE) == name
    ][:_PIPELINES]
    if not options:
        return []
    return [{"type": "static_select", "action_id": RUN, "placeholder": plain("Start a run", 75), "options": options}]
