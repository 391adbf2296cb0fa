"""Telegram: the token, whether groups are read, and whether updates are asked for or delivered."""

from typing import Any

import httpx

from bot.doctor.clock import skew
from bot.doctor.finding import Finding, ill, odd, well
from bot.settings import Settings

SECONDS = 10.0
_FATHER = "@BotFather"
_SECRET = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")


class _Away(Exception):
    """Telegram did not answer."""


async def telegram(settings: Settings) -> list[Finding]:
    """Look at Telegram."""
    if settings.telegram_token is None:
        return []
    base = f"{settings.telegram_api}/bot{settings.telegram_token.get_secret_value()}/"
    async with httpx.AsyncClient(base_url=base, timeout=SECONDS) as http:
        try:
            return await _look(http, settings)
        except _Away as error:
            return [
                ill("telegram", f"Telegram cannot be reached: {error}", "Look at the network and SLUICE_TELEGRAM_API.")
            ]


async def _look(http: httpx.AsyncClient, settings: Settings) -> list[Finding]:
    me, date = await _call(http, "getMe")
    if not me.get("ok"):
        cure = f"Ask {_FATHER} for it: /mybots, API Token; set SLUICE_TELEGRAM_TOKEN."
        return [ill("telegram token", f"Telegram does not take the token: {me.get('description')}.", cure)]
    hook, _ = await _call(http, "getWebhookInfo")
    found = [well("telegram token", f"@{me['result'].get('username')}"), *skew("telegram clock", date)]
    return [*found, _privacy(me["result"]), *_deliveries(hook.get("result", {}), settings)]


def _privacy(me: dict[str, Any]) -> Finding:
    if not me.get("can_join_groups", True):
        cure = f"{_FATHER}: /setjoingroups, Enable."
        return odd("telegram groups", "The bot may not be added to groups; it speaks with people alone.", cure)
    if me.get("can_read_all_group_messages"):
        return well("telegram groups", "it reads every message of its groups (privacy mode is off)")
    return well("telegram groups", "in groups it hears commands, mentions and replies (privacy mode is on)")


def _deliveries(hook: dict[str, Any], settings: Settings) -> list[Finding]:
    what, url = "telegram deliveries", str(hook.get("url", ""))
    if not settings.telegram_webhook:
        if url:
            return [
                ill(
                    what, "A webhook is set, so asking for updates is refused.", "sluice serve removes it at its start."
                )
            ]
        return [well(what, "Sluice asks for updates")]
    found = [*_secret(settings), *_hook(hook, url, settings)]
    return found or [well(what, f"delivered to {url}, {hook.get('pending_update_count', 0)} wait")]


def _secret(settings: Settings) -> list[Finding]:
    secret = settings.telegram_secret.get_secret_value() if settings.telegram_secret else ""
    if not secret or not set(secret) <= _SECRET or len(secret) > 256:  # noqa: PLR2004 - what setWebhook takes
        sentence = "A webhook needs a secret of 1 to 256 letters, digits, _ and -."
        return [ill("telegram deliveries", sentence, "SLUICE_TELEGRAM_SECRET=$(openssl rand -hex 32)")]
    return []


def _hook(hook: dict[str, Any], url: str, settings: Settings) -> list[Finding]:
    what, wanted = "telegram deliveries", settings.telegram_webhook.rstrip("/")
    if not wanted.startswith("https://"):
        return [ill(what, f"{wanted} is no https address.", "Set SLUICE_TELEGRAM_WEBHOOK to one with a certificate.")]
    if url and not url.startswith(wanted):
        return [odd(what, f"Telegram delivers to {url}.", "sluice serve sets it anew at its start.")]
    if hook.get("last_error_message"):
        return [
            odd(
                what,
                f"Telegram's last delivery failed: {hook['last_error_message']}.",
                f"See that {wanted} leads here.",
            )
        ]
    return []


async def _call(http: httpx.AsyncClient, method: str) -> tuple[dict[str, Any], str]:
    """The answer and its date. An error that is raised names no address: the token is part of it."""
    try:
        answer = await http.post(method)
        return answer.json(), answer.headers.get("date", "")
    except (httpx.HTTPError, ValueError) as error:
        raise _Away(type(error).__name__) from None
