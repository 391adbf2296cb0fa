"""How soon a release is looked at again, and for how long nothing has moved in it.

Kept in memory only: a crash starts these clocks anew, a stage's own absolute deadline does not.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from engine.model import RunId

SOON = timedelta(milliseconds=10)
"""Between two looks where something has just moved, or a target has just been told what is wanted."""
TICK = timedelta(milliseconds=100)
"""Between two looks at what is waited for, at most."""


@dataclass(slots=True)
class Pace:
    """Since when each run's fleet looks as it does."""

    _since: dict[RunId, tuple[str, datetime]] = field(default_factory=dict)

    def moved(self, run: RunId) -> timedelta:
        """Begin anew. Returns how long until the next look."""
        self._since.pop(run, None)
        return SOON

    def still(self, run: RunId, picture: str, now: datetime) -> timedelta:
        """For how long the fleet has looked like `picture`."""
        seen, since = self._since.get(run, ("", now))
        if seen != picture:
            self._since[run] = (picture, now)
            return timedelta(0)
        return now - since


def until_next_look(still: timedelta) -> timedelta:
    """How long until the next look: about as long as nothing has moved, so that no wait is doubled."""
    return min(TICK, max(SOON, still))
