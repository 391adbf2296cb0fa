"""This machine's clock beside the chats': signatures and deadlines go wrong when it is off."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from bot.doctor.finding import Finding, ill, odd, well

ODD_SECONDS = 20
ILL_SECONDS = 120
"""Slack refuses, and Sluice does too, what was signed more than five minutes ago."""


def skew(what: str, said: str, now: datetime | None = None) -> list[Finding]:
    """How far this clock is from the moment that a server said in its ``Date`` header; nothing when it said none."""
    try:
        theirs = parsedate_to_datetime(said).astimezone(UTC)
    except (ValueError, OverflowError):
        return []
    seconds = round(((now or datetime.now(UTC)) - theirs).total_seconds())
    words = f"this machine's clock is {abs(seconds)} s {'ahead' if seconds > 0 else 'behind'}"
    cure = "Let it be set by NTP: timedatectl set-ntp true"
    if abs(seconds) >= ILL_SECONDS:
        return [ill(what, f"{words.capitalize()}.", cure)]
    if abs(seconds) >= ODD_SECONDS:
        return [odd(what, f"{words.capitalize()}.", cure)]
    return [well(what, "in step")]
