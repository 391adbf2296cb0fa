"""What runs, as a card that is read on a phone at night: each track in a line, what ails it below, then the copies.

300 copies are pages of rows, so those that are not ready stand on the first page, and many that have the same trouble
are said in one line. Pure.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.cards import Button, Card, Table, Tone
from bot.presenters import elapsed
from engine.errors import Refused
from engine.ports import Instance
from engine.rollout.fleet import ReleaseId

PAGE = 15
_TROUBLES = 6
_LONGEST = 160
_READY = "ready"
_ORDER = ("unready", "starting", "draining", "ended")
"""Who is shown first; the ready ones come last."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of it is looked at: a track, or all (empty), and which page, from 1."""

    track: str = ""
    page: int = 1


def wanted_of(words: Sequence[str]) -> Wanted:
    """Read ``[TRACK] [PAGE]``."""
    numbers = [word for word in words if word.isdecimal() and word.isascii() and len(word) < 5]  # noqa: PLR2004 - a page
    tracks = [word for word in words if word not in numbers]
    if len(numbers) > 1 or len(tracks) > 1 or numbers == ["0"]:
        raise Refused(f"{' '.join(words)!r} is no track and no page.", "`instances hello gray 2` shows a second page.")
    return Wanted(tracks[0] if tracks else "", int(numbers[0]) if numbers else 1)


def present_instances(
    name: str,
    workload: str,
    found: Sequence[Instance],
    *,
    images: Mapping[ReleaseId, str],
    wanted: Wanted,
    now: datetime,
) -> Card:
    """Return the card; `name` is the pipeline's, `images` what releases are called by people."""
    if not found:
        return Card(f"Nothing of {workload} runs")
    tracks = sorted({one.group for one in found}, key=lambda track: (track != "stable", track))
    if wanted.track and wanted.track not in tracks:
        raise Refused(f"{workload} has no instances in {wanted.track}.", f"It has some in {', '.join(tracks)}.")
    chosen = sorted((one for one in found if wanted.track in ("", one.group)), key=_rank)
    pages = -(-len(chosen) // PAGE)
    if wanted.page > pages:
        raise Refused(f"There are {pages} pages.", f"`instances {name}` shows the first.")
    shown = chosen[(wanted.page - 1) * PAGE : wanted.page * PAGE]
    lines = [line for track in tracks if wanted.track in ("", track) for line in _summary(track, chosen, images)]
    if pages > 1:
        lines.append(f"Page {wanted.page} of {pages}, {len(chosen)} in all; those that are not ready come first.")
    return Card(
        f"Instances of {workload}",
        Tone.PLAIN,
        "\n".join(lines),
        table=_table(shown, images, now),
        buttons=(*_adopt(name, found), *_buttons(name, tracks, wanted, pages)),
    )


def _rank(one: Instance) -> tuple[int, str, str]:
    order = _ORDER.index(one.status) if one.status in _ORDER else len(_ORDER)
    return order, one.group, one.name


def _summary(track: str, chosen: Sequence[Instance], images: Mapping[ReleaseId, str]) -> Iterator[str]:
    mine = [one for one in chosen if one.group == track]
    versions = Counter(_version(one, images) for one in mine)
    ready = sum(one.status == _READY for one in mine)
    what = " and ".join(f"{count} of {version}" for version, count in versions.most_common(3))
    yield f"{track}: {what}, {'all' if ready == len(mine) else ready} ready"
    ailing = Counter((one.status, _cut(one.event)) for one in mine if one.status != _READY)
    for (status, event), count in ailing.most_common(_TROUBLES):
        yield f"• {count} {status}{f': {event}' if event else ''}"
    if len(ailing) > _TROUBLES:
        yield f"• and {len(ailing) - _TROUBLES} other troubles"


def _version(one: Instance, images: Mapping[ReleaseId, str]) -> str:
    """What it runs: its release, unless somebody else has put another image there or nobody has released it."""
    if one.changed_by:
        return f"{one.image}, changed by {one.changed_by}"
    return images.get(one.release) or one.image or one.release


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


_COLUMNS: dict[str, Callable[[Instance, str, datetime], str]] = {
    "Instance": lambda one, _image, _now: one.name,
    "Status": lambda one, _image, _now: one.status,
    "Latest event": lambda one, _image, _now: one.event,
    "Track": lambda one, _image, _now: one.group,
    "Version": lambda _one, image, _now: image,
    "For": lambda one, _image, now: elapsed(now - one.started_at) if one.started_at else "",
    "CPU": lambda one, _image, _now: one.cpu,
    "Memory": lambda one, _image, _now: one.memory,
    "Node": lambda one, _image, _now: one.node,
    "Address": lambda one, _image, _now: one.address,
}


def _table(shown: Sequence[Instance], images: Mapping[ReleaseId, str], now: datetime) -> Table:
    """Return the rows; a column in which nothing stands is left out."""
    rows = [[cell(one, _version(one, images), now) for cell in _COLUMNS.values()] for one in shown]
    kept = [number for number in range(len(_COLUMNS)) if any(row[number] for row in rows)]
    head = list(_COLUMNS)
    return Table(tuple(head[number] for number in kept), tuple(tuple(row[number] for number in kept) for row in rows))


def _adopt(name: str, found: Sequence[Instance]) -> tuple[Button, ...]:
    """Offer to take as a version what somebody else has put there; it is asked about first."""
    return (Button("Adopt what runs", f"adopt {name}"),) if any(one.changed_by for one in found) else ()


def _buttons(name: str, tracks: Sequence[str], wanted: Wanted, pages: int) -> Iterator[Button]:
    of = f" {wanted.track}" if wanted.track else ""
    if wanted.page < pages:
        yield Button("More", f"instances {name}{of} {wanted.page + 1}")
    if pages > 1 and not wanted.track:
        yield from (Button(f"Only {track}", f"instances {name} {track}") for track in tracks if len(tracks) > 1)
