"""Texts and times from a cluster, made fit for a card.

A kubelet, a registry or a program that ends may say anything, at any length, in any number of lines. What is shown of
it is one line without control characters, cut to a length that a phone can hold.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

LONGEST = 160
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_DIGEST = re.compile(r"(@sha256:[0-9a-f]{12})[0-9a-f]{52}")
_UNITS = ((timedelta(days=1), "days"), (timedelta(hours=1), "h"), (timedelta(minutes=1), "min"))


def one_line(text: object, longest: int = LONGEST) -> str:
    """`text` as one printable line of at most `longest` characters."""
    plain = _COLOURS.sub("", str(text)[: 50 * longest])
    words = "".join(char if char.isprintable() else " " for char in plain).split()
    line = " ".join(words)
    return line if len(line) <= longest else f"{line[: longest - 1].rstrip()}…"


def last_line(text: object, longest: int = LONGEST) -> str:
    """The last line of `text` that says anything: what a program wrote before it ended stands there."""
    lines = (one_line(line, longest) for line in reversed(str(text).splitlines()))
    return next((line for line in lines if line), "")


def sentence(text: object, longest: int = LONGEST) -> str:
    """`text` as a part of a longer sentence: one line, without the full stop."""
    return one_line(text, longest).rstrip(" .:;,")


def brief(text: object) -> str:
    """`text` with the digests of images cut to what tells them apart."""
    return _DIGEST.sub(r"\1…", str(text))


def lasting(time: timedelta) -> str:
    """How long, as people say it."""
    for unit, word in _UNITS:
        if time >= 2 * unit:
            return f"{time // unit} {word}"
    return f"{max(0, int(time.total_seconds()))} s"


def clock(moment: datetime) -> str:
    """A time of day that needs no date beside it."""
    return f"{moment:%H:%M:%S} UTC"


def moment(text: Any) -> datetime | None:
    """A time as the API writes it; None when there is none."""
    if not isinstance(text, str):
        return None
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        return None
    return read if read.tzinfo else read.replace(tzinfo=UTC)
