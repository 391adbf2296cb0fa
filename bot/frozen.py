"""Freezes as cards and as lines on other cards. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from bot.cards import Button, Card, Field, Table, Tone
from engine.freezes import Freeze, Plea, Standing, Subject, said_at, standing

_KINDS = {"run": "lets {} go on", "start": "lets one run of {} begin", "unfreeze": "takes {} away"}


def frozen_fields(freezes: Iterable[Freeze], subject: Subject, now: datetime) -> tuple[Field, ...]:
    """Return what freezes a subject now, and what will, as lines on another card."""
    covering = [freeze for freeze in freezes if freeze.scope.covers(subject) and not freeze.is_over(now)]
    still = standing(covering, subject, now)
    now_line = (Field("Frozen now", f"{still}"),) if still else ()
    to_come = [freeze for freeze in covering if freeze.open_at(now) is None]
    return (*now_line, *(Field("Freeze to come", f"{freeze} {next_of(freeze, now)}") for freeze in to_come))


def present_standing(still: Standing) -> Card:
    """Return what stands still now as a card of its own."""
    ways = "Ways back and stops are let through. `override NAME REASON` asks for more; somebody else confirms it."
    return Card(f"{still}", Tone.STOPPED, ways, buttons=(Button("Freezes", "freezes"),))


def present_freeze(freeze: Freeze, now: datetime, note: str = "") -> Card:
    """Return one freeze, just made: when it holds, what it does and how it goes."""
    parts = [next_of(freeze, now), note, f"`unfreeze {freeze.id}` takes it away."]
    if freeze.when.zone == "UTC":
        parts.insert(1, "Times are UTC; a time zone such as Europe/Berlin may stand before the reason.")
    return Card(f"{freeze}", Tone.STOPPED, "\n".join(part for part in parts if part))


def next_of(freeze: Freeze, now: datetime) -> str:
    """Say when a freeze holds, now or next."""
    zone = freeze.when.zone
    if (window := freeze.open_at(now)) is not None:
        return f"It holds now, until {said_at(window.ends, zone)} ({zone})."
    if (window := freeze.next_after(now)) is not None:
        return f"It holds next from {said_at(window.begins, zone)} until {said_at(window.ends, zone)} ({zone})."
    return "It is over."


def present_freezes(freezes: Sequence[Freeze], pleas: Sequence[Plea], now: datetime) -> Card:
    """Return every freeze that is not over, and what waits for a second person."""
    kept = [freeze for freeze in freezes if not freeze.is_over(now)]
    rows = tuple((one.id, f"{one.scope}", f"{one.when}", _state(one, now), one.by, one.reason) for one in kept)
    waiting = [plea for plea in pleas if not plea.confirmed_by and now < plea.expires_at]
    return Card(
        "Freezes" if rows else "Nothing is frozen, and nothing will be",
        Tone.STOPPED if any(one.open_at(now) for one in kept) else Tone.PLAIN,
        "" if rows else "`help freeze` tells how something is.",
        fields=tuple(Field(plea.id, asked(plea)) for plea in waiting),
        table=Table(("Freeze", "Of", "When", "Now", "By", "Because"), rows) if rows else None,
        buttons=tuple(confirm_button(plea) for plea in waiting),
    )


def present_plea(plea: Plea) -> Card:
    """Return what somebody asks for, so that somebody else can confirm it."""
    text = f"Somebody else confirms it before {plea.expires_at:%d %B, %H:%M} UTC: `confirm {plea.id}`."
    return Card(f"{asked(plea)}", Tone.ASKING, text, buttons=(confirm_button(plea),))


def asked(plea: Plea) -> str:
    """Say what is asked for."""
    return f"{plea.by} asks for what {_KINDS[plea.kind].format(plea.about)} in spite of a freeze: {plea.reason}"


def confirm_button(plea: Plea) -> Button:
    """Return the button for the second person."""
    return Button(f"Confirm {plea.id}", f"confirm {plea.id}", primary=True)


def _state(freeze: Freeze, now: datetime) -> str:
    zone = freeze.when.zone
    if (window := freeze.open_at(now)) is not None:
        return f"holds until {said_at(window.ends, zone)}"
    window = freeze.next_after(now)
    return f"from {said_at(window.begins, zone)}" if window else "over"
