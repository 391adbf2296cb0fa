"""The parts of a card as blocks: what a tired person on a phone looks for first stands first and needs no scrolling.

Stages stand one below the other, each with a mark of its colour and, unless it is done or still to come, its state in
words: colour alone says nothing to one in twelve men. The traffic is two bars of one length, seen over wanted, so a
drift shows before any figure is read; below them the counts of each track in columns.
"""

import math
from collections.abc import Iterator, Sequence
from datetime import timedelta

from bot.cards import Ballot, Button, Field, Split, Stop
from bot.presenters import elapsed
from bot.slack.blocks import Block, Piece, actions, button, context, fixed, piece, rich, section
from bot.slack.room import Room
from bot.slack.text import cut, line, pad

_MARKS = {
    "succeeded": "✅",
    "running": "🔵",
    "awaiting_review": "🟡",
    "awaiting_trigger": "🟡",
    "held": "🔴",
    "frozen": "🧊",
    "failed": "❌",
    "rejected": "❌",
    "ignored": "🟠",
    "rolled_back": "🟣",
    "cancelled": "🟣",
}
_WORDS = {
    "succeeded": "",
    "pending": "",
    "awaiting_review": "waits for review",
    "awaiting_trigger": "waits for a trigger",
}
_SETTLED = frozenset({"succeeded", "pending", "skipped"})
_CELLS = 24
_TRACKS = 6
_NAME = 40
_LONGEST = 10.0**8


def topology(stops: Sequence[Stop], room: Room) -> list[Block]:
    """Return the stages; details only of those that are neither done nor to come."""
    first = _window(stops, room.stops)
    shown = stops[first : first + room.stops]
    left = len(stops) - first - len(shown)
    lines = [_stop(one, room) for one in shown]
    if first:
        lines.insert(0, [piece(f"… {first} before", italic=True)])
    if left:
        lines.append([piece(f"… {left} more", italic=True)])
    return rich(section(lines))


def span(seconds: float | None) -> str:
    """Return a length of time for people; empty when there is none to tell."""
    if seconds is None or not math.isfinite(seconds) or seconds < 1:
        return ""
    return elapsed(timedelta(seconds=min(seconds, _LONGEST)))


def state_of(stop: Stop) -> str:
    """Return a stage's state in words; empty for one that is done or to come."""
    return _WORDS.get(stop.state, line(stop.state.replace("_", " "), _NAME))


def share(value: float | None) -> str:
    """Return a share in percent: ``19.4 %``; empty before there is one."""
    if value is None or not math.isfinite(value):
        return ""
    return f"{value:.1f}".removesuffix(".0") + " %"


def gray(split: Split) -> str:
    """Return the words before gray's share."""
    return "Gray had" if split.is_over else "Gray gets"


def split(split: Split, room: Room) -> list[Block]:
    """Return the traffic: wanted and observed, the counts of each track, the instances, the rules."""
    seen = share(split.observed)
    head = [piece(f"{gray(split)} "), piece(seen or "nothing yet", bold=True), piece(f", wanted {split.wanted} %")]
    named = [("gray", split.gray), ("stable", split.stable)]
    below = [[piece(f"{name} is "), piece(line(what, room.value), code=True)] for name, what in named if what.strip()]
    if split.earlier.strip():
        below.append([piece(line(split.earlier, room.value))])
    if split.instances.strip():
        below.append([piece(f"instances: {line(split.instances, room.value)}")])
    if split.rules.strip():
        below.append([piece("and by content: "), piece(line(split.rules, room.value))])
    return rich(section([head]), fixed("\n".join(_figures(split))), section(below))


def ballot(ballot: Ballot, room: Room) -> list[Block]:
    """Return who decides: needed, until, passed, refused, with what they said, missing."""
    until = f" until {line(ballot.until, _NAME)}" if ballot.until.strip() else ""
    lines = [[piece(line(ballot.needed, room.value), bold=True), piece(until)]]
    lines += _people("✅", [(name, f" passed{_because(reason, room)}") for name, reason in ballot.passed], room)
    lines += _people("❌", [(name, f" refused{_because(reason, room)}") for name, reason in ballot.refused], room)
    lines += _people("🟡", [(name, " not yet") for name in ballot.missing], room)
    return rich(section(lines))


def fields(found: Sequence[Field], room: Room) -> list[Block]:
    """Return labelled values, one a line."""
    shown = found[: room.fields]
    lines = [[piece(f"{line(one.label, _NAME)}: ", bold=True), piece(line(one.value, room.value))] for one in shown]
    if len(found) > len(shown):
        lines.append([piece(f"… {len(found) - len(shown)} more", italic=True)])
    return rich(section(lines))


def buttons(found: Sequence[Button], values: Sequence[str], room: Room, action: str) -> list[Block]:
    """Return the buttons; those that endanger something in a row of their own, away from the thumb's first tap.

    No native confirmation is used: on some phones it does not work, and the question asked instead works everywhere.
    """
    made = [
        button(one.text, value, f"{action}:{number}", "danger" if one.danger else "primary" if one.primary else "")
        for number, (one, value) in enumerate(zip(found, values, strict=True))
    ][: room.buttons]
    safe = sorted((one for one in made if one.get("style") != "danger"), key=lambda one: "style" not in one)
    rows = actions(safe) + actions(one for one in made if one.get("style") == "danger")
    left = len(found) - len(made)
    return [*rows, context(f"{left} more can be typed: `help` tells how.")] if left else rows


def _window(stops: Sequence[Stop], most: int) -> int:
    """Return where to begin, so that what goes on now is shown."""
    at = next((number for number, one in enumerate(stops) if one.state != "succeeded"), len(stops))
    return max(0, min(at - 2, len(stops) - most))


def _stop(stop: Stop, room: Room) -> list[Piece]:
    now = stop.state not in _SETTLED
    said = [part for part in (state_of(stop), span(stop.seconds)) if part]
    pieces = [piece(f"{_MARKS.get(stop.state, '⚪')} "), piece(line(stop.name, _NAME) or "?", bold=now)]
    if said:
        pieces.append(piece(f" · {', '.join(said)}"))
    if stop.detail.strip() and now:
        pieces.append(piece(f" · {line(stop.detail, room.detail)}", italic=True))
    return pieces


def _figures(split: Split) -> Iterator[str]:
    yield f"seen   {_bar(split.observed)}"
    yield f"wanted {_bar(split.wanted)}"
    names = list(dict.fromkeys(["gray", "stable", *split.requests, *split.failed]))
    if not split.requests and not split.failed:
        return
    yield f"\n{'':8}{'requests':>12}{'failed':>10}"
    for name in names[:_TRACKS]:
        failed = split.failed.get(name, 0)
        counts = f"{split.requests.get(name, 0):>12,}{failed:>10,}"
        yield f"{pad(line(name, 7), 8)}{counts}{' !' if failed else ''}"


def _bar(percent: float | None) -> str:
    """Return a bar. Only nothing is empty and only all is full: 1 % is seen, and so is the last 1 %."""
    value = percent if percent is not None and math.isfinite(percent) else 0.0
    filled = round(_CELLS * min(100.0, max(0.0, value)) / 100)
    filled = max(filled, 1) if value > 0 else 0
    filled = min(filled, _CELLS - 1) if value < 100 else filled  # noqa: PLR2004 - percent
    return "█" * filled + "░" * (_CELLS - filled)


def _people(mark: str, found: list[tuple[str, str]], room: Room) -> list[list[Piece]]:
    shown = found[: room.people]
    lines = [[piece(f"{mark} "), piece(line(name, _NAME) or "?", bold=True), piece(said)] for name, said in shown]
    if len(found) > len(shown):
        lines.append([piece(f"{mark} and {len(found) - len(shown)} more")])
    return lines


def _because(reason: str, room: Room) -> str:
    said = line(reason, room.detail)
    return cut(f": “{said}”", room.detail + 4) if said else ""
