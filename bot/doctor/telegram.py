"""Telegram: the token, whether groups are read and are still there, and whether updates are asked for or delivered."""

import asyncio
from collections.abc import Sequence
from typing import Any

from bot.doctor.asking import Asking, asking
from bot.doctor.clock import skew
from bot.doctor.finding import Finding, ill, odd, well
from bot.settings import Settings
from bot.telegram.connect import secret_of, token_of
from bot.telegram.secrecy import keep_secret
from engine.errors import Broken

_FATHER = "@BotFather"


async def telegram(settings: Settings, groups: Sequence[str], patience: float) -> list[Finding]:
    """Look at Telegram; `groups` are the numbers of the groups and channels that Sluice shows cards in."""
    if settings.telegram_token is None:
        return _half(settings)
    try:
        token = token_of(settings.telegram_token)
    except Broken as error:
        return [ill("telegram token", str(error), error.hint)]
    keep_secret(token)
    async with asking(f"{settings.telegram_api.rstrip('/')}/bot{token}/", patience) as api:
        return await _look(api, settings, groups)


def _half(settings: Settings) -> list[Finding]:
    """What is said when there is no bot's token: nothing, or that what is there is of no use alone."""
    secret = settings.telegram_secret.get_secret_value().strip() if settings.telegram_secret else ""
    parts = {"SLUICE_TELEGRAM_WEBHOOK": settings.telegram_webhook, "SLUICE_TELEGRAM_SECRET": secret}
    there = " and ".join(name for name, value in parts.items() if value)
    said = f"There is {there}, but no SLUICE_TELEGRAM_TOKEN, so Sluice is not in Telegram."
    return [ill("telegram token", said, f"Ask {_FATHER} for it: /mybots, API Token.")] if there else []


async def _look(api: Asking, settings: Settings, groups: Sequence[str]) -> list[Finding]:
    me, hook = await asyncio.gather(api.ask("getMe"), api.ask("getWebhookInfo"))
    trouble = me.trouble or hook.trouble
    if trouble:
        cure = "Look at the network and at SLUICE_TELEGRAM_API."
        return [ill("telegram", f"Telegram cannot be reached: {trouble}.", cure)]
    if not me.body.get("ok"):
        cure = f"Ask {_FATHER} for it: /mybots, API Token; set SLUICE_TELEGRAM_TOKEN."
        return [ill("telegram token", f"Telegram does not take the token: {me.body.get('description')}.", cure)]
    about = me.part("result")
    found = [well("telegram token", f"@{about.get('username')}"), *skew("telegram clock", me.date)]
    found += [_privacy(about), *_deliveries(hook.part("result"), settings)]
    return [*found, *await asyncio.gather(*(_group(api, one, str(about.get("username"))) for one in groups))]


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
    try:
        secret_of(settings.telegram_secret)
    except Broken as error:
        return [ill("telegram deliveries", str(error), error.hint)]
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


async def _group(api: Asking, group: str, me: str) -> Finding:
    said = await api.ask("getChat", chat_id=group)
    what = f"telegram {group}"
    if said.trouble:
        return ill(what, f"The chat cannot be looked at: {said.trouble}.", "Look at the network.")
    if said.body.get("ok"):
        return well(what, f"in {said.part('result').get('title', group)}")
    if "migrate_to_chat_id" in said.part("parameters"):
        return well(what, "it is a supergroup now, and Sluice follows")
    return ill(what, f"The chat cannot be looked at: {said.body.get('description')}.", f"Add @{me} to it again.")
