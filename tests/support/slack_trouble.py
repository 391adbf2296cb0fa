"""What can go wrong with calls of Slack's Web API, on purpose and countably: every third call, these many times."""

from dataclasses import dataclass

LIMITED, BROKEN, SILENT = "ratelimited", "broken", "silent"
"""429 with Retry-After; a 5xx; no answer at all. Every other kind is an error's name in a well-formed answer."""


@dataclass(slots=True)
class Trouble:
    """Meets every `every`-th call of `method` in `channel` (empty: any), at most `times` times.

    `number` is the Retry-After in seconds of `LIMITED` and the status of `BROKEN`.
    """

    kind: str
    method: str = ""
    channel: str = ""
    every: int = 1
    times: int | None = None
    number: int = 1
    seen: int = 0
    met: int = 0

    def meets(self, method: str, channel: str) -> bool:
        """Whether this call is met; counts it."""
        if self.method not in ("", method) or self.channel not in ("", channel):
            return False
        self.seen += 1
        if self.seen % self.every or (self.times is not None and self.met >= self.times):
            return False
        self.met += 1
        return True
