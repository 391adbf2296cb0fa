"""Cards for a terminal."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.panel import Panel
from rich.table import Table as Grid
from rich.text import Text

from bot.cards import Ballot, Card, Split, Stop, Table, Tone
from bot.grammar import ANSWERS, PRESS

_COLOURS = {
    Tone.PLAIN: "white",
    Tone.BUSY: "cyan",
    Tone.ASKING: "yellow",
    Tone.GOOD: "green",
    Tone.BAD: "red",
    Tone.STOPPED: "magenta",
}
_MARKS = {
    "succeeded": ("✓", "green"),
    "running": ("▶", "cyan"),
    "awaiting_review": ("?", "yellow"),
    "awaiting_trigger": ("?", "yellow"),
    "held": ("!", "red"),
    "frozen": ("*", "blue"),
    "failed": ("✗", "red"),
    "rejected": ("✗", "red"),
    "ignored": ("~", "yellow"),
    "rolled_back": ("↩", "magenta"),
    "cancelled": ("■", "magenta"),
}
BAR = 30
_ENDLESS = 10_000
_TITLE = 60
"""A longer title would be cut off in the frame of a narrow terminal."""


def render(card: Card) -> RenderableType:
    """Return a card as something rich prints. All text is plain: nothing in it is read as markup."""
    title = Text(card.title, style="bold")
    if card.badge:
        title.append(f"  {card.badge}", style=_COLOURS[card.tone])
    parts = list(_parts(card))
    if not parts:
        return Text.assemble(("● ", _COLOURS[card.tone]), title)
    frame = partial(Panel, border_style=_COLOURS[card.tone], padding=(0, 1))
    if len(title) > _TITLE:
        return frame(Group(title, *parts))
    return frame(Group(*parts), title=title, title_align="left")


def show(console: Console, card: Card, *, alone: bool = False) -> None:
    """Print a card. Its code comes out unchanged and unframed, so it can be copied or piped.

    With `alone` it is the whole answer: if it is nothing but code and is piped, its title goes to the standard error.
    """
    is_piped = alone and card.code and not console.is_terminal and not any(_parts(card))
    (Console(stderr=True) if is_piped else console).print(render(card))
    if card.code:
        console.print(Text(card.code.rstrip("\n")), soft_wrap=True, highlight=False)


def _parts(card: Card) -> Iterator[RenderableType]:
    if card.text:
        yield Text(card.text)
    if card.topology:
        yield _topology(card.topology)
    if card.split:
        yield from _split(card.split)
    if card.ballot:
        yield _ballot(card.ballot)
    for field in card.fields:
        yield Text.assemble((f"{field.label}: ", "dim"), field.value)
    if card.table:
        yield _Rows(card.table)
    if card.buttons:
        typed = ((button.text, _typed(button.line)) for button in card.buttons)
        yield Text("  ".join(f"[{text}] {line}" for text, line in typed if line), style="dim")


def _typed(line: str) -> str:
    """What is typed in a button's place; empty: nothing is."""
    if not line.startswith(ANSWERS):
        return _unpressed(line.split()) if line.startswith(PRESS) else line
    match shlex.split(line.removeprefix(ANSWERS)):
        case [_, "say", _, *words]:
            return f"answer {' '.join(words)}"
        case [_, "back", *_]:
            return "answer back"
        case [_, "leave"]:
            return "cancel"
    return line


def _unpressed(words: list[str]) -> str:
    """What says the same as a button that carries what it was made for; the run refuses what does not hold any more."""
    match words[1:]:
        case ["approve" | "reject" | "retry" | "stop" as verb, run, *_]:
            return f"{verb} {run}"
        case ["split", run, *_, percent]:
            return f"split {run} {percent}"
    return ""


def _topology(stops: tuple[Stop, ...]) -> Text:
    line = Text()
    for number, stop in enumerate(stops):
        mark, colour = _MARKS.get(stop.state, ("○", "dim"))
        line.append(" → " if number else "", style="dim")
        line.append(f"{mark} {stop.name}", style=colour)
        if stop.seconds is not None and stop.seconds >= 1:
            line.append(f" {stop.seconds:.0f}s", style="dim")
    return line


def _split(split: Split) -> Iterator[Text]:
    share = split.observed if split.observed is not None else 0.0
    filled = round(BAR * share / 100)
    seen = "no request yet" if split.observed is None else f"{split.observed:g} % seen"
    bar = Text.assemble(
        "gray had " if split.is_over else "gray ",
        ("█" * filled, "yellow"),
        ("░" * (BAR - filled), "dim"),
        f" {split.wanted} % wanted, {seen}",
    )
    yield bar
    for track in ("gray", "stable"):
        if track in split.requests:
            count, failed = split.requests[track], split.failed.get(track, 0)
            yield Text(f"  {track}: {count} requests, {failed} failed", style="red" if failed else "dim")
    if split.rules:
        yield Text(f"  and {split.rules}", style="dim")
    if split.earlier:
        yield Text(f"  {split.earlier}", style="dim")
    if split.instances:
        yield Text(f"  instances: {split.instances}", style="dim")


def _ballot(ballot: Ballot) -> Text:
    said = Text(f"{ballot.needed}. ")
    for person, reason in ballot.passed:
        said.append(f"✓ {f'{person} {reason}'.rstrip()}  ", style="green")
    for person, reason in ballot.refused:
        said.append(f"✗ {f'{person} {reason}'.rstrip()}  ", style="red")
    for person in ballot.missing:
        said.append(f"… {person}  ", style="yellow")
    return said


@dataclass(frozen=True)
class _Rows:
    """A table; where a column would be too narrow for its words, each row is a few lines of its own."""

    table: Table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Print it as wide as there is room."""
        grid = Grid(box=None, pad_edge=False)
        for head in self.table.head:
            grid.add_column(Text(head, style="dim"), overflow="fold")
        for row in self.table.rows:
            grid.add_row(*(Text(cell) for cell in row))
        needed = Measurement.get(console, options.update(max_width=_ENDLESS), grid).minimum
        if needed <= options.max_width:
            yield grid
        else:
            yield from (_record(self.table.head, row) for row in self.table.rows)


def _record(head: Sequence[str], row: Sequence[str]) -> Text:
    """A row as its first cell and, below, the others that say something, each with its head."""
    first, *others = row
    said = [
        Text.assemble((f"{name} " if name else "", "dim"), cell)
        for name, cell in zip(head[1:], others, strict=True)
        if cell
    ]
    return Text("\n  ").join([Text(first, style="bold"), Text(" · ", style="dim").join(said)])
