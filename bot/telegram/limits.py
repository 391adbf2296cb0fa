"""How often Telegram may be written to: in a group, over all chats, and after it has asked to wait.

Telegram's limits are per chat, and a forum's topics are one chat: rooms that keep to their own pace can be too fast
together. So every message is counted here once more. Pure: the time is an argument, in seconds of any clock that does
not go back.
"""

from collections import deque
from dataclasses import dataclass, field
from datetime import timedelta

from bot.chat import Pace

GROUP = Pace(every=timedelta(seconds=3.75), burst=4, refresh=timedelta(seconds=10))
"""A group takes 20 messages a minute, edits included. In any minute these are at most 4 at once and 16 more."""
PRIVATE = Pace(every=timedelta(seconds=1), burst=3, refresh=timedelta(seconds=3))
"""Telegram takes one message a second in a chat with one person, and short bursts."""
OVERALL = Pace(every=timedelta(seconds=0.05), burst=10, refresh=timedelta(0))
"""Telegram takes 30 messages a second from one bot. In any second these are at most 10 at once and 20 more."""


@dataclass(slots=True)
class Limits:
    """What was sent where lately. At most `most` messages go to a group `within` so many seconds.

    The half second over a minute is for messages that travel at different speeds.
    """

    most: int = 20
    within: float = 60.5
    _closed_until: dict[int, float] = field(default_factory=dict)
    _sent: dict[int, deque[float]] = field(default_factory=dict)

    def wait(self, chat: int, now: float) -> float:
        """Return the seconds until the chat may be written to; 0 when it may be now."""
        recent = self._sent.get(chat)
        full = recent[0] + self.within if recent is not None and len(recent) >= self.most else 0.0
        return max(self._closed_until.get(chat, 0.0) - now, full - now, 0.0)

    def sent(self, chat: int, now: float) -> None:
        """Count a message; those to one person are not limited like this."""
        if chat < 0:
            self._sent.setdefault(chat, deque(maxlen=self.most)).append(now)

    def close(self, chat: int, until: float) -> None:
        """Telegram wants nothing in this chat until then."""
        self._closed_until[chat] = max(until, self._closed_until.get(chat, 0.0))
