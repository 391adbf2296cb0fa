"""Telegram, made from the settings: what the composition root takes."""

import re

from bot.settings import Settings
from bot.telegram.api import Api
from bot.telegram.inbound import TelegramEars
from bot.telegram.outbound import TelegramChat
from engine.errors import Broken

_TOKEN = re.compile(r"[0-9]+:[A-Za-z0-9_-]+")
_SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}")


def connect(settings: Settings) -> tuple[TelegramChat, TelegramEars] | None:
    """Make both sides of Telegram; None when it is not set up. Nothing is called yet.

    The composition root sets `chat.pressing` once it is made.
    """
    if settings.telegram_token is None:
        return None
    token = settings.telegram_token.get_secret_value().strip()
    if not _TOKEN.fullmatch(token):
        raise Broken("SLUICE_TELEGRAM_TOKEN is no bot's token.", "Copy it from @BotFather: /mybots, API Token.")
    chat = TelegramChat(Api(token, settings.telegram_api))
    return chat, TelegramEars(chat, settings.telegram_webhook, _secret(settings) if settings.telegram_webhook else "")


def _secret(settings: Settings) -> str:
    """Return what deliveries are recognised by: without it anybody could deliver anything."""
    secret = settings.telegram_secret.get_secret_value() if settings.telegram_secret else ""
    if not _SECRET.fullmatch(secret):
        raise Broken(
            "SLUICE_TELEGRAM_WEBHOOK is set, but SLUICE_TELEGRAM_SECRET has not 1 to 256 letters, digits, _ and -.",
            "SLUICE_TELEGRAM_SECRET=$(openssl rand -hex 32)",
        )
    return secret
