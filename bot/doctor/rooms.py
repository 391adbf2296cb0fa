"""Rooms that Sluice has given up telling anything, and what brings each back."""

from collections.abc import Iterator, Sequence

from bot.doctor.finding import Finding, odd
from storage.examine import Lost

MOST = 10
_NAMED = 3
_ELSE = "If somebody should hear of it, `subscribe PIPELINE` in another room."
_SPEAK = "Then say something to Sluice there."


def lost(rooms: Sequence[Lost]) -> Iterator[Finding]:
    """Say of each what is wrong there."""
    for one in rooms[:MOST]:
        chat, _, name = one.room.partition(":")
        why, _, cure = one.why.partition(". ")
        if cure and not one.person:
            cure = f"{cure} {_SPEAK}"
        of = f" of {', '.join(one.wants[:_NAMED])}" if one.wants else ""
        sentence = f"{one.person or 'The room'} is told nothing{of} any more: {why.rstrip('.')}."
        yield odd(f"{chat} {name.rpartition('/')[2]}" if chat == "slack" else f"{chat} {name}", sentence, cure or _ELSE)
    if len(rooms) > MOST:
        yield odd("rooms", f"{len(rooms) - MOST} more are told nothing any more.", "Mend these first, and look again.")
