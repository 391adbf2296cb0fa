"""How calls travel: the library's own way, but for one answer.

When Telegram asks to wait, the library's error warns of its own future each time it is made, and what it holds differs
between versions. So that answer is read here, before the library makes an error of it.
"""

import json
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from telegram.error import TelegramError
from telegram.request import HTTPXRequest

SECONDS = 10.0
_UNSAID = 30
"""How long to wait when Telegram says to wait and not for how long."""


class Flooded(TelegramError):
    """Telegram asks to wait for `after`."""

    def __init__(self, after: timedelta) -> None:
        super().__init__(f"Retry in {after.total_seconds():g} seconds")
        self.after = after


class Request(HTTPXRequest):
    """Connections to Telegram. A call waits `SECONDS` for its answer, if it does not say otherwise."""

    def __init__(self) -> None:
        super().__init__(read_timeout=SECONDS, pool_timeout=SECONDS)

    async def do_request(self, *given: Any, **named: Any) -> tuple[int, bytes]:
        """Make one request. Raises `Flooded` when Telegram asks to wait."""
        status, content = await super().do_request(*given, **named)
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            raise Flooded(_after(content))
        return status, content


def _after(content: bytes) -> timedelta:
    try:
        return timedelta(seconds=int(json.loads(content)["parameters"]["retry_after"]))
    except (ValueError, KeyError, TypeError):
        return timedelta(seconds=_UNSAID)
