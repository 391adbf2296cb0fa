"""How often an account that nobody knows is answered: a few times an hour, and written down as often.

Whoever speaks without being known gets an answer, which costs a message and a line in the audit; somebody who does it
without end shall not use up a room's messages or the disk.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

ANSWERS = 10
SPAN = timedelta(hours=1)
REMEMBERED = 10_000


@dataclass(slots=True)
class Strangers:
    """Counts, in memory: after a restart everybody begins anew."""

    _asked: OrderedDict[str, tuple[datetime, int]] = field(default_factory=OrderedDict)

    def may_ask(self, account: str, now: datetime) -> bool:
        """Whether the account is answered once more."""
        since, count = self._asked.pop(account, (now, 0))
        if now - since > SPAN:
            since, count = now, 0
        self._asked[account] = since, count + 1
        while len(self._asked) > REMEMBERED:
            self._asked.popitem(last=False)
        return count < ANSWERS
