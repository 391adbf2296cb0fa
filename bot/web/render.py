"""Cards and messages as HTML. Every text is escaped by the templates; what is decided about a card is decided here."""

import math
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bot.cards import Button, Card, Split
from bot.grammar import VERBS, asks_by_itself
from bot.web.said import Line, Shown

HERE = Path(__file__).parent
_RUN = re.compile(r"[a-z0-9][a-z0-9-]{0,80}-\d{1,9}\Z")
_PIPELINE = re.compile(r"[a-z0-9][a-z0-9-]{0,80}\Z")
FAILED = frozenset({"failed", "rejected", "cancelled", "rolled_back", "held"})
LONG_LINE = 6


def two_taps(button: Button) -> bool:
    """Whether the button asks for a second tap in place: what is answered with a question needs none."""
    return button.danger and not asks_by_itself(button.line)


def span(seconds: float | None) -> str:
    """Return a length of time for people: 4 s, 2 m 10 s, 3 h 05 m."""
    if seconds is None or not math.isfinite(seconds) or seconds < 0:
        return ""
    whole = int(seconds)
    if whole < 60:  # noqa: PLR2004  seconds in a minute
        return f"{whole} s"
    if whole < 3600:  # noqa: PLR2004  seconds in an hour
        return f"{whole // 60} m {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} m"


def share(value: float | None) -> str:
    """Return a share for people, in percent: 19.4, 20, or a dash before there is one."""
    return "\N{EN DASH}" if value is None else f"{value:.1f}".removesuffix(".0")


def percent(value: float | None) -> str:
    """Return a share as an SVG length; nothing outside 0 to 100."""
    return f"{min(100.0, max(0.0, value or 0.0)):.2f}%"


def count(value: int) -> str:
    """Return a count with thin spaces between the thousands."""
    return f"{value:,}".replace(",", "\N{THIN SPACE}")


def words(state: str) -> str:
    """Return a state's name as words."""
    return state.replace("_", " ")


def phase(state: str) -> str:
    """How a stage looks: settled, ignored, failed, asking, running or pending, which one that was skipped is, too."""
    if state in FAILED:
        return "failed"
    waits = dict.fromkeys(("awaiting_review", "awaiting_trigger", "frozen"), "asking")
    return {"succeeded": "settled", "ignored": "ignored", "running": "running", **waits}.get(state, "pending")


def run_path(key: str) -> str:
    """Return the page of the run; empty when `key` is no run's id."""
    return f"/r/{key}" if _RUN.match(key) else ""


def cell_path(head: str, cell: str) -> str:
    """Where a table's cell leads to, by the name of its column."""
    column = head.strip().lower()
    if column in ("run", "last run", "last"):
        return run_path(cell)
    if column in ("package", "package version", "package file"):
        return f"/packages/{cell}"
    return f"/p/{cell}" if column == "pipeline" and _PIPELINE.match(cell) else ""


def tracks(split: Split) -> list[dict[str, Any]]:
    """Return the split's tracks, the new version first: name, release, requests, failures."""
    named = {"gray": split.gray, "stable": split.stable}
    others = sorted({*split.requests, *split.failed} - set(named))
    return [
        {
            "name": name,
            "release": named.get(name, ""),
            "requests": split.requests.get(name, 0),
            "failed": split.failed.get(name, 0),
        }
        for name in (*named, *others)
    ]


def moment(at: datetime) -> str:
    """Hour and minute, UTC: what is shown until the browser has put its own in."""
    return f"{at.astimezone(UTC):%H:%M}"


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        span=span, share=share, percent=percent, count=count, words=words, phase=phase, moment=moment, path=quote
    )
    environment.globals.update(
        two_taps=two_taps,
        run_path=run_path,
        cell_path=cell_path,
        tracks=tracks,
        is_line=lambda document: isinstance(document, Line),
        verbs=VERBS,
        long_line=LONG_LINE,
    )
    return environment


_ENVIRONMENT = _environment()


def render(page: str, **values: Any) -> str:
    """Return a page, or a part of one, from `pages/`."""
    return _ENVIRONMENT.get_template(page).render(**values)


def render_card(card: Card) -> str:
    """One card, as in the room but without the message around it."""
    return render("one_card.html", card=card)


def render_message(shown: Shown) -> str:
    """One message of the room."""
    return render("message.html", shown=shown)


def render_private(card: Card) -> str:
    """Return a card that only the asker sees."""
    return render("private.html", card=card)


def render_live(live: list[Shown]) -> str:
    """Return the list of what is going on."""
    return render("live.html", live=live)
