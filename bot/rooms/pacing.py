"""How fast a room is written to: a bucket of tokens, with some kept back for what matters.

Pure: the time is an argument, in seconds of any clock that does not go back.
"""

from dataclasses import dataclass
from datetime import timedelta

from bot.chat import Pace

KEPT_BACK = 1.0
"""Tokens that progress leaves for votes and outcomes, where a bucket holds more than one."""


@dataclass(slots=True)
class Bucket:
    """Tokens of one room. `at` is when they were counted last; nothing is taken before `paused_until`."""

    pace: Pace
    tokens: float
    at: float
    paused_until: float = 0.0

    @classmethod
    def full(cls, pace: Pace, now: float) -> "Bucket":
        """A bucket as it is at first."""
        return cls(pace, float(pace.burst), now)

    def delay(self, now: float, *, is_urgent: bool) -> float:
        """Seconds until a message may be sent; 0 when it may be now."""
        self._fill(now)
        wanted = 1.0 if is_urgent or self.pace.burst <= KEPT_BACK else 1.0 + KEPT_BACK
        missing = max(0.0, wanted - self.tokens)
        return max(missing * self.pace.every.total_seconds(), self.paused_until - now, 0.0)

    def take(self, now: float) -> None:
        """A message is sent."""
        self._fill(now)
        self.tokens = max(0.0, self.tokens - 1.0)

    def pause(self, now: float, span: timedelta) -> None:
        """The chat wants no more messages for that long."""
        self.paused_until = max(self.paused_until, now + span.total_seconds())

    def _fill(self, now: float) -> None:
        every = self.pace.every.total_seconds()
        grown = (now - self.at) / every if every else float(self.pace.burst)
        self.tokens = min(float(self.pace.burst), self.tokens + grown)
        self.at = now
