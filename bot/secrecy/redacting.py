"""What must not come to stand in a log: the settings' secrets, made known to the redaction, which watches the logs.

Secrets that are said later are made known by whoever opens them: `bot.secrecy.kept`, `bot.keyring`.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from bot.settings import Settings
from engine.redaction import Redaction, unwatch_logs, watch_logs


def redaction_of(settings: Settings) -> Redaction:
    """Know every secret of the settings."""
    redaction = Redaction()
    for secret in settings.secrets:
        value = secret.get_secret_value()
        redaction.add(value, *value.replace(",", " ").split())
    return redaction


@contextmanager
def watched(redaction: Redaction) -> Iterator[None]:
    """Have what this process logs looked through, as long as the `with` lasts."""
    handlers = tuple(logging.getLogger().handlers)
    watch_logs(redaction, handlers)
    try:
        yield
    finally:
        unwatch_logs(redaction, handlers)
