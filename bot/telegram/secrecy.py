"""Keeps secrets out of the log: the bot's token is part of every address, and httpx writes addresses down."""

import logging
from dataclasses import dataclass, field

_SPEAKING = ("httpx", "telegram.Bot", "telegram.request.BaseRequest", "telegram.request.HTTPXRequest")
"""Loggers whose messages can hold an address, or what a method was called with."""
_HIDDEN = "..."


@dataclass(frozen=True, slots=True)
class Secrecy:
    """Takes secrets out of what is logged."""

    secrets: tuple[str, ...] = field(repr=False)

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every message pass, without the secrets."""
        said = record.getMessage()
        for secret in self.secrets:
            said = said.replace(secret, _HIDDEN)
        record.msg, record.args = said, ()
        return True


def keep_secret(*secrets: str) -> None:
    """Have secrets hidden from now on."""
    hiding = Secrecy(tuple(filter(None, secrets)))
    for name in _SPEAKING:
        logger = logging.getLogger(name)
        if hiding not in logger.filters:
            logger.addFilter(hiding)
