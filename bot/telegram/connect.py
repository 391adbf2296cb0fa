"""Telegram, made from the settings: what the composition root takes."""

import re

from pydantic import SecretStr

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
    secret = secret_of(settings.telegram_secret) if settings.telegram_webhook else ""
    chat = TelegramChat(Api(token_of(settings.telegram_token), settings.telegram_api))
    return chat, TelegramEars(chat, settings.telegram_webhook, secret)


def token_of(setting: SecretStr) -> str:
    """Return the bot's token, without what a file may have added to it. Raises `Broken` when it is none."""
    token = setting.get_secret_value().strip()
    if not _TOKEN.fullmatch(token):
        raise Broken("SLUICE_TELEGRAM_TOKEN is no bot's token.", "Copy it from @BotFather: /mybots, API Token.")
    return token


def secret_of(setting: SecretStr | None) -> str:
    """Return what deliveries are recognised by: without it anybody could deliver anything. Raises `Broken`."""
    secret = setting.get_secret_value().strip() if setting else ""
    if not _SECRET.fullmatch(secret):
        raise Broken(
            "SLUICE_TELEGRAM_WEBHOOK is set, but SLUICE_TELEGRAM_SECRET has not 1 to 256 letters, digits, _ and -.",
            "SLUICE_TELEGRAM_SECRET=$(openssl rand -hex 32)",
        )
    return secret
