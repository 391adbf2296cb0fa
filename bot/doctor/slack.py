"""Slack: the tokens, what they may do, Socket Mode or the signing secret, and the channels that Sluice speaks in."""

import asyncio
import re
from collections.abc import Sequence

from pydantic import SecretStr

from bot.doctor.asking import Asking, Said, asking
from bot.doctor.clock import skew
from bot.doctor.finding import Finding, ill, odd, well
from bot.settings import Settings
from bot.slack.scopes import SCOPES

_REINSTALL = "api.slack.com/apps, your app: OAuth & Permissions, then Reinstall to Workspace"
_CURES = {
    "invalid_auth": f"Copy the token again: {_REINSTALL}.",
    "not_authed": f"Copy the token again: {_REINSTALL}.",
    "token_revoked": f"The app was removed: {_REINSTALL}, and copy the new token.",
    "token_expired": f"Copy the token again: {_REINSTALL}.",
    "ratelimited": "Wait a minute, and look again.",
    "account_inactive": f"The app was removed: {_REINSTALL}, and copy the new token.",
}
_FOR_SOCKETS = "Basic Information, App-Level Tokens: make one with connections:write; Socket Mode: enable it."
_COPY = "Copy the Bot User OAuth Token: api.slack.com/apps, your app: OAuth & Permissions."
_NONE_SUCH = "is no such token: one begins with {} and has no space in it."


async def slack(settings: Settings, channels: Sequence[str], patience: float) -> list[Finding]:
    """Look at Slack; `channels` are those that Sluice shows cards in."""
    if settings.slack_bot_token is None:
        return _half(settings)
    token = _token(settings.slack_bot_token, "xoxb-")
    if not token:
        return [ill("slack token", f"SLUICE_SLACK_BOT_TOKEN {_NONE_SUCH.format('xoxb-')}", _COPY)]
    async with asking(settings.slack_api, patience) as api:
        who = await api.ask("auth.test", token)
        if who.trouble or not who.body.get("ok"):
            return [_unauthorized(who)]
        found = [well("slack token", f"{who.body.get('user')} in {who.body.get('team')}"), _scopes(who)]
        looks = [_transport(api, settings), *(_channel(api, token, one) for one in channels)]
        return [*found, *skew("slack clock", who.date), *await asyncio.gather(*looks)]


def _half(settings: Settings) -> list[Finding]:
    """What is said when there is no bot's token: nothing, or that what is there is of no use alone."""
    parts = {
        "SLUICE_SLACK_APP_TOKEN": settings.slack_app_token,
        "SLUICE_SLACK_SIGNING_SECRET": settings.slack_signing_secret,
    }
    there = " and ".join(name for name, value in parts.items() if value and value.get_secret_value().strip())
    said = f"There is {there}, but no SLUICE_SLACK_BOT_TOKEN, so Sluice is not in Slack."
    return [ill("slack token", said, _COPY)] if there else []


def _token(setting: SecretStr, begins: str) -> str:
    """Return the token, without what a file may have added to it; empty when it is none."""
    value = setting.get_secret_value().strip()
    return value if re.fullmatch(rf"{begins}[!-~]+", value) else ""


def _unauthorized(said: Said) -> Finding:
    if said.trouble:
        cure = "Look at the network and at SLUICE_SLACK_API."
        return ill("slack token", f"Slack cannot be reached: {said.trouble}.", cure)
    error = str(said.body.get("error"))
    cure = _CURES.get(error, f"Copy the token again: {_REINSTALL}.")
    return ill("slack token", f"Slack does not take the token: {error}.", cure)


def _scopes(who: Said) -> Finding:
    has = {scope.strip() for scope in who.headers.get("x-oauth-scopes", "").split(",")}
    missing = sorted(set(SCOPES) - has)
    if missing:
        cure = f"Paste deploy/slack-manifest.yaml again (App Manifest), or add them: {_REINSTALL}."
        return ill("slack scopes", f"The token lacks {', '.join(missing)}.", cure)
    return well("slack scopes", f"all {len(SCOPES)} that are used")


async def _transport(api: Asking, settings: Settings) -> Finding:
    what = "slack deliveries"
    if settings.slack_app_token is None:
        return _signing(settings.slack_signing_secret)
    token = _token(settings.slack_app_token, "xapp-")
    if not token:
        return ill(what, f"SLUICE_SLACK_APP_TOKEN {_NONE_SUCH.format('xapp-')}", _FOR_SOCKETS)
    said = await api.ask("apps.connections.open", token)
    if said.trouble:
        return ill(what, f"Socket Mode: {said.trouble}.", "Look at the network.")
    if said.body.get("ok"):
        return well(what, "Socket Mode connects")
    return ill(what, f"Socket Mode does not connect: {said.body.get('error')}.", _FOR_SOCKETS)


def _signing(setting: SecretStr | None) -> Finding:
    what, secret = "slack deliveries", setting.get_secret_value() if setting else ""
    if not secret:
        cure = "Set SLUICE_SLACK_APP_TOKEN (Socket Mode), or SLUICE_SLACK_SIGNING_SECRET (HTTP)."
        return ill(what, "Neither Socket Mode nor HTTP is set up, so nothing arrives.", cure)
    if not re.fullmatch("[0-9a-f]{32}", secret):
        cure = "Basic Information, App Credentials: copy Signing Secret (32 characters 0-9a-f, no space after them)."
        return odd(what, "The signing secret does not look like Slack's.", cure)
    return well(what, "HTTP with a signing secret; Slack has to reach /slack/events on the hooks port")


async def _channel(api: Asking, token: str, channel: str) -> Finding:
    said = await api.ask("conversations.info", token, channel=channel)
    what = f"slack {channel}"
    if said.trouble:
        return ill(what, f"The channel cannot be looked at: {said.trouble}.", "Look at the network.")
    if not said.body.get("ok"):
        return ill(
            what, f"The channel cannot be looked at: {said.body.get('error')}.", "In the channel: /invite @sluice"
        )
    about = said.part("channel")
    name = f"#{about.get('name', channel)}"
    if about.get("is_archived"):
        return ill(what, f"{name} is archived.", "Unarchive it, or unsubscribe there.")
    if about.get("is_member"):
        return well(what, f"in {name}")
    return ill(what, f"Sluice is not in {name}.", f"In {name}: /invite @sluice")
